/* RFC 6960 4.4: clients need support none of the extensions, so that none may be critical. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_extension_critical(const struct policy_lint_ocsp *o,
                                                        struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < o->extensions.n; i++) {
        if (o->extensions.at[i].critical) {
            return policy_lint_oid(seen, o->extensions.at[i].oid);
        }
    }
    return o->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
