/* RFC 5280 4.1.1.3: the signature is a BIT STRING; every algorithm in use makes whole octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_signature_bits(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return c->whole ? policy_lint_if(c->signature_octets, seen, "unused bits, or empty")
                    : POLICY_NA;
}
