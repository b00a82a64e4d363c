/* RFC 5280 5.3.3: always critical; its meaning is that of an indirect CRL's entry. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_issuer(const struct policy_lint_entry *e,
                                                 struct policy_lint_seen *seen)
{
    if (e->issuer_ext == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if(e->issuer_ext->critical && e->crl->idp_indirect, seen,
                          e->issuer_ext->critical ? "the CRL is not indirect" : "not critical");
}
