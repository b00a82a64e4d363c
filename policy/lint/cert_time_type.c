/* RFC 5280 4.1.2.5: dates through 2049 are UTCTime, dates from 2050 on GeneralizedTime. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_time_type(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_worse(policy_lint_time_type(&c->not_before, seen),
                             policy_lint_time_type(&c->not_after, seen));
}
