/* RFC 5280 4.2: who meets a critical extension that he does not know rejects the certificate. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_extension_unknown(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < c->extensions.n; i++) {
        const struct policy_lint_extension *e = &c->extensions.at[i];
        if (e->critical && policy_lint_ext_id(e->oid) == POLICY_LINT_EXT_UNKNOWN) {
            return policy_lint_oid(seen, e->oid);
        }
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
