/* RFC 5280 4.2.1.1: all certificates but self-signed ones hold the key identifier of their
 * issuer. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aki_present(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    if (c->issuer.n > 0 && slice_eq(c->issuer_der, c->subject_der)) {
        return POLICY_NA;
    }
    return policy_lint_if(c->ext[POLICY_LINT_EXT_AKI] != NULL, seen, "absent");
}
