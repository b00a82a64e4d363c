/* RFC 5280 5.3.1: ENUMERATED, 0 to 6 and 8 to 10; 7 is not used. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_reason_value(const struct policy_lint_entry *e,
                                                       struct policy_lint_seen *seen)
{
    if (e->reason_ext == NULL) {
        return POLICY_NA;
    }
    bool ok =
        !e->bad_reason && e->reason.len == 1 && e->reason.ptr[0] <= 10 && e->reason.ptr[0] != 7;
    return ok ? POLICY_PASS : policy_lint_octets(seen, e->reason_ext->value);
}
