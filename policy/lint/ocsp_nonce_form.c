/* RFC 9654 2.1: Nonce ::= OCTET STRING; its octets alone are not DER. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_nonce_form(const struct policy_lint_ocsp *o,
                                                struct policy_lint_seen *seen)
{
    return o->nonce_ext == NULL ? POLICY_NA
                                : policy_lint_if(o->nonce_wrapped, seen, "no OCTET STRING");
}
