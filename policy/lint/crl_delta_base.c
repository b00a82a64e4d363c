/* RFC 5280 5.2.4: the base is a CRL that was issued before, so that its number is smaller. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_delta_base(const struct policy_lint_crl *c,
                                               struct policy_lint_seen *seen)
{
    struct slice base = c->base, number = c->number;
    if (base.len == 0 || number.len == 0) {
        return POLICY_NA;
    }
    bool less = base.len != number.len ? base.len < number.len : slice_cmp(base, number) < 0;
    return less ? POLICY_PASS : policy_lint_octets(seen, base);
}
