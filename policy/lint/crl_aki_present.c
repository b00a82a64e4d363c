/* RFC 5280 5.2.1: issuers must use the key identifier method and include the extension in all
 * CRLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_aki_present(const struct policy_lint_crl *c,
                                                struct policy_lint_seen *seen)
{
    if ((c->bad & POLICY_LINT_CRL_BAD_AKI) != 0) {
        return POLICY_NA;
    }
    return policy_lint_if(c->aki_ext != NULL && c->aki.has_key && c->aki.key.len > 0, seen,
                          c->aki_ext == NULL ? "absent" : "no keyIdentifier");
}
