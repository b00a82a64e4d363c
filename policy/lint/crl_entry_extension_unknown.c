/* RFC 5280 5.3: the only critical entry extension that is defined is certificateIssuer. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_extension_unknown(const struct policy_lint_entry *e,
                                                            struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < e->extensions.n; i++) {
        const struct policy_lint_extension *x = &e->extensions.at[i];
        if (x->critical && !slice_eq(x->oid, POLICY_OID_EXT_CERT_ISSUER)) {
            return policy_lint_oid(seen, x->oid);
        }
    }
    return e->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
