/* BR 4.9.9: the certificate of a delegated responder holds id-pkix-ocsp-nocheck. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_nocheck_present(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    if ((c->eku & POLICY_LINT_EKU_OCSP) == 0 || c->is_ca) {
        return POLICY_NA;
    }
    return policy_lint_if(c->ext[POLICY_LINT_EXT_NOCHECK] != NULL, seen, "absent");
}
