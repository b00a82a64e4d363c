/* RFC 5280 4.2.1.3: bits 0 to 8. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_known(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL
               ? POLICY_NA
               : policy_lint_if(c->key_usage < POLICY_LINT_KU(9), seen, "a bit over 8");
}
