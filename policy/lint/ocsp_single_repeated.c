/* RFC 6960 4.2.2.3: one answer for each certificate. Neighbours are compared. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_repeated(const struct policy_lint_single *s,
                                                     struct policy_lint_seen *seen)
{
    if (s->previous_id.len == 0) {
        return POLICY_NA;
    }
    return slice_eq(s->id, s->previous_id) ? policy_lint_octets(seen, s->serial) : POLICY_PASS;
}
