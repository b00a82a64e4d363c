/* X.680 46: month, day, hour, minute and second are those of a calendar and a clock. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_time_real(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_worse(policy_lint_time_real(&c->not_before, seen),
                             policy_lint_time_real(&c->not_after, seen));
}
