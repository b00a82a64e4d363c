/* BR 4.9.7: nextUpdate is at most 10 days after thisUpdate where subscribers' certificates are
 * covered, 12 months where only CAs' are. A scope that says neither is given the longer time. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_validity_length(const struct policy_lint_crl *c,
                                                    struct policy_lint_seen *seen)
{
    if (!c->has_next || !c->this_update.exact || !c->next_update.exact) {
        return POLICY_NA;
    }
    int64_t life_s = c->next_update.at_s - c->this_update.at_s;
    bool subscribers = c->idp_user || (c->idp_point && !c->idp_ca);
    return life_s <= (subscribers ? 10 : 366) * 86400LL ? POLICY_PASS
                                                        : policy_lint_number(seen, life_s);
}
