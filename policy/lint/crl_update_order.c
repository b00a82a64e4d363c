/* RFC 5280 5.1.2.5: the next CRL could be issued before, but not later than this date. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_update_order(const struct policy_lint_crl *c,
                                                 struct policy_lint_seen *seen)
{
    if (!c->has_next || !c->this_update.exact || !c->next_update.exact) {
        return POLICY_NA;
    }
    return policy_lint_if(c->this_update.at_s <= c->next_update.at_s, seen, "before thisUpdate");
}
