/* BR 4.9.10: the validity interval is at least eight hours and at most ten days. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_validity_length(const struct policy_lint_single *s,
                                                            struct policy_lint_seen *seen)
{
    if (!s->has_next || !s->this_update.exact || !s->next_update.exact) {
        return POLICY_NA;
    }
    int64_t life_s = s->next_update.at_s - s->this_update.at_s;
    return life_s >= 8 * 3600 && life_s <= 10 * 86400LL ? POLICY_PASS
                                                        : policy_lint_number(seen, life_s);
}
