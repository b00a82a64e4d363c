/* RFC 5280 5.2: a CRL with an unknown critical extension is used by nobody to tell who is good. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_extension_unknown(const struct policy_lint_crl *c,
                                                      struct policy_lint_seen *seen)
{
    const struct slice known[] = {POLICY_OID_EXT_AKI,        POLICY_OID_EXT_IAN,
                                  POLICY_OID_EXT_CRL_NUMBER, POLICY_OID_EXT_DELTA,
                                  POLICY_OID_EXT_IDP,        POLICY_OID_EXT_FRESHEST,
                                  POLICY_OID_EXT_AIA_CRL};
    for (size_t i = 0; i < c->extensions.n; i++) {
        const struct policy_lint_extension *e = &c->extensions.at[i];
        bool met = !e->critical;
        for (size_t k = 0; k < sizeof known / sizeof *known; k++) {
            met = met || slice_eq(e->oid, known[k]);
        }
        if (!met) {
            return policy_lint_oid(seen, e->oid);
        }
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
