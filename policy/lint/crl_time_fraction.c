/* RFC 5280 5.1.2.4, as 4.1.2.5.2: GeneralizedTime must not include fractional seconds. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_time_fraction(const struct policy_lint_crl *c,
                                                  struct policy_lint_seen *seen)
{
    enum policy_outcome next =
        c->has_next ? policy_lint_time_fraction(&c->next_update, seen) : POLICY_NA;
    return policy_lint_worse(policy_lint_time_fraction(&c->this_update, seen), next);
}
