/* RFC 5280 5.1.2.4: thisUpdate is when the CRL was issued; what it lists had happened by then. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_future(const struct policy_lint_entry *e,
                                                 struct policy_lint_seen *seen)
{
    if (!e->date.exact || !e->crl->this_update.exact) {
        return POLICY_NA;
    }
    return e->date.at_s <= e->crl->this_update.at_s ? POLICY_PASS
                                                    : policy_lint_octets(seen, e->date.text);
}
