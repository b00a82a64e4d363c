/* RFC 5280 5.1.2.4 and .5: dates through 2049 are UTCTime, dates from 2050 on GeneralizedTime. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_time_type(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    enum policy_outcome next =
        c->has_next ? policy_lint_time_type(&c->next_update, seen) : POLICY_NA;
    return policy_lint_worse(policy_lint_time_type(&c->this_update, seen), next);
}
