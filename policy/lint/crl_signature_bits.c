/* RFC 5280 5.1.1.3: the signature is a BIT STRING; every algorithm in use makes whole octets. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_signature_bits(const struct policy_lint_crl *c,
                                                   struct policy_lint_seen *seen)
{
    return c->whole ? policy_lint_if(c->signature_octets, seen, "unused bits, or empty")
                    : POLICY_NA;
}
