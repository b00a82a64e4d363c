/* RFC 5280 4.1.2.5.2: GeneralizedTime must not include fractional seconds. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_time_fraction(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_worse(policy_lint_time_fraction(&c->not_before, seen),
                             policy_lint_time_fraction(&c->not_after, seen));
}
