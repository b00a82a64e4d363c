/* X.680 46: month, day, hour, minute and second are those of a calendar and a clock. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_time_real(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    enum policy_outcome next =
        c->has_next ? policy_lint_time_real(&c->next_update, seen) : POLICY_NA;
    return policy_lint_worse(policy_lint_time_real(&c->this_update, seen), next);
}
