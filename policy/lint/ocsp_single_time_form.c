/* RFC 6960 4.2.1: the format of GeneralizedTime is as in RFC 5280 4.1.2.5.2. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_time_form(const struct policy_lint_single *s,
                                                      struct policy_lint_seen *seen)
{
    enum policy_outcome next =
        s->has_next ? policy_lint_generalized(&s->next_update, seen) : POLICY_NA;
    return policy_lint_worse(policy_lint_generalized(&s->this_update, seen), next);
}
