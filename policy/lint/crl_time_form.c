/* RFC 5280 5.1.2.4 and .5: times as in 4.1.2.5: in Greenwich Mean Time, with seconds, ending in
 * Z. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_time_form(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    enum policy_outcome next =
        c->has_next ? policy_lint_time_form(&c->next_update, seen) : POLICY_NA;
    return policy_lint_worse(policy_lint_time_form(&c->this_update, seen), next);
}
