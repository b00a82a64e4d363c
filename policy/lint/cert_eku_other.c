/* BR 7.1.2.7.10: purposes that a TLS server's certificate must not have. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_other(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    const unsigned never =
        POLICY_LINT_EKU_CODE | POLICY_LINT_EKU_EMAIL | POLICY_LINT_EKU_TIME | POLICY_LINT_EKU_OCSP;
    if (!policy_lint_subscriber(c) || policy_lint_ext(c, POLICY_LINT_EXT_EKU) == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if((c->eku & never) == 0, seen, "one of them");
}
