/* X.690 11.1: TRUE is FF. X.690 11.5: the default FALSE is left out. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_extension_flag(const struct policy_lint_ocsp *o,
                                                    struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < o->extensions.n; i++) {
        if (o->extensions.at[i].odd_flag) {
            return policy_lint_oid(seen, o->extensions.at[i].oid);
        }
    }
    return o->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
