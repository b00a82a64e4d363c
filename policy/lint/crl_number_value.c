/* RFC 5280 5.2.3: INTEGER (0..MAX). X.690 8.3.2: in the fewest octets. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_number_value(const struct policy_lint_crl *c,
                                                 struct policy_lint_seen *seen)
{
    if (c->number.len == 0) {
        return POLICY_NA;
    }
    return policy_lint_minimal(c->number) && c->number.ptr[0] < 0x80
               ? POLICY_PASS
               : policy_lint_octets(seen, c->number);
}
