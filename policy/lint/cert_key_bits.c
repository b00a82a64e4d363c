/* RFC 5280 4.1.2.7: the key is a BIT STRING; every type of key in use fills whole octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_bits(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    return policy_lint_if(c->key.unused == 0 && c->key.bits.len > 0, seen, "unused bits, or empty");
}
