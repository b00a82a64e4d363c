/* X.690 11.1: TRUE is FF. X.690 11.5: the default FALSE is left out. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_extension_flag(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < c->extensions.n; i++) {
        if (c->extensions.at[i].odd_flag) {
            return policy_lint_oid(seen, c->extensions.at[i].oid);
        }
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
