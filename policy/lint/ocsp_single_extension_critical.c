/* RFC 6960 4.4: clients need support none of the extensions, so that none may be critical. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_extension_critical(const struct policy_lint_single *s,
                                                               struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < s->extensions.n; i++) {
        if (s->extensions.at[i].critical) {
            return policy_lint_oid(seen, s->extensions.at[i].oid);
        }
    }
    return s->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
