/* RFC 5280 5.3.1: removeFromCRL (8) may only appear in delta CRLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_reason_remove(const struct policy_lint_entry *e,
                                                        struct policy_lint_seen *seen)
{
    if (e->reason.len != 1 || e->reason.ptr[0] != 8) {
        return e->reason.len == 1 ? POLICY_PASS : POLICY_NA;
    }
    return policy_lint_if(e->crl->delta_ext != NULL, seen, "in a complete CRL");
}
