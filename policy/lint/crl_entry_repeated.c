/* RFC 5280 5.1.2.6: a certificate is listed by its serial. Neighbours are compared: repetitions
 * are found in lists that are sorted by serial, as ours are. Of indirect CRLs nothing is said. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_repeated(const struct policy_lint_entry *e,
                                                   struct policy_lint_seen *seen)
{
    if (e->previous.len == 0 || e->crl->idp_indirect) {
        return POLICY_NA;
    }
    return slice_eq(e->serial, e->previous) ? policy_lint_octets(seen, e->serial) : POLICY_PASS;
}
