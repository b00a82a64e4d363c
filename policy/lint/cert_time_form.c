/* RFC 5280 4.1.2.5.1 and .2: times are in Greenwich Mean Time, with seconds, ending in Z. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_time_form(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_worse(policy_lint_time_form(&c->not_before, seen),
                             policy_lint_time_form(&c->not_after, seen));
}
