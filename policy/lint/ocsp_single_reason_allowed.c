/* BR 7.3: a reason that is given is one that CRLs may give: neither unspecified nor
 * certificateHold. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_reason_allowed(const struct policy_lint_single *s,
                                                           struct policy_lint_seen *seen)
{
    if (!s->has_reason || s->reason.len != 1) {
        return POLICY_NA;
    }
    uint8_t r = s->reason.ptr[0];
    return r != 0 && r != 6 ? POLICY_PASS : policy_lint_number(seen, r);
}
