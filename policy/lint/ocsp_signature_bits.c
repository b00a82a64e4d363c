/* RFC 6960 4.2.1: the signature is a BIT STRING; every algorithm in use makes whole octets. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_signature_bits(const struct policy_lint_ocsp *o,
                                                    struct policy_lint_seen *seen)
{
    return o->whole ? policy_lint_if(o->signature_octets, seen, "unused bits, or empty")
                    : POLICY_NA;
}
