/* BR 7.2.2: keyCompromise, affiliationChanged, superseded, cessationOfOperation,
 * privilegeWithdrawn; certificateHold and the reasons of CAs and attribute authorities must not
 * stand in a subscribers' CRL. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_reason_allowed(const struct policy_lint_entry *e,
                                                         struct policy_lint_seen *seen)
{
    if (e->reason.len != 1 || e->crl->idp_ca) {
        return POLICY_NA;
    }
    uint8_t r = e->reason.ptr[0];
    bool ok = r == 1 || (r >= 3 && r <= 5) || r == 9;
    return r == 0 || ok ? POLICY_PASS : policy_lint_number(seen, r);
}
