/* RFC 6960 4.2.2.1: nextUpdate is at or before which newer information will be available. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_update_order(const struct policy_lint_single *s,
                                                         struct policy_lint_seen *seen)
{
    if (!s->has_next || !s->this_update.exact || !s->next_update.exact) {
        return POLICY_NA;
    }
    return policy_lint_if(s->this_update.at_s <= s->next_update.at_s, seen, "before thisUpdate");
}
