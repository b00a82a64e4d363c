/* RFC 5280 4.2.1.11 and .14: CAs must mark both as critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policy_critical(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_worse(policy_lint_critical(c, POLICY_LINT_EXT_CONSTRAINTS, true, seen),
                             policy_lint_critical(c, POLICY_LINT_EXT_INHIBIT, true, seen));
}
