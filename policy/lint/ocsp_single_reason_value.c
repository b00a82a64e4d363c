/* RFC 5280 5.3.1: 7 is not used, and removeFromCRL (8) stands in delta CRLs only. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_reason_value(const struct policy_lint_single *s,
                                                         struct policy_lint_seen *seen)
{
    if (!s->has_reason) {
        return POLICY_NA;
    }
    uint8_t r = s->reason.ptr[0];
    return s->reason.len == 1 && r <= 10 && r != 7 && r != 8 ? POLICY_PASS
                                                             : policy_lint_octets(seen, s->reason);
}
