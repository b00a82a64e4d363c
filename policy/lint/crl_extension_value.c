/* RFC 5280 5.2: extnValue holds the DER encoding of the value that the extension's type has. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_extension_value(const struct policy_lint_crl *c,
                                                    struct policy_lint_seen *seen)
{
    const struct slice oid = (c->bad & POLICY_LINT_CRL_BAD_AKI) != 0 ? POLICY_OID_EXT_AKI
                             : (c->bad & POLICY_LINT_CRL_BAD_NUMBER) != 0
                                 ? POLICY_OID_EXT_CRL_NUMBER
                             : (c->bad & POLICY_LINT_CRL_BAD_DELTA) != 0 ? POLICY_OID_EXT_DELTA
                                                                         : POLICY_OID_EXT_IDP;
    if (c->bad != 0) {
        return policy_lint_oid(seen, oid);
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
