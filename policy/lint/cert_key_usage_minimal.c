/* X.690 11.2.2: named bits are written without trailing zeros; 11.2.1: unused bits are zero. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_minimal(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL
               ? POLICY_NA
               : policy_lint_if(c->ku_minimal, seen, "trailing zero bits");
}
