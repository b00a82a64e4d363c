/* BR 7.1.2.7.10: anyExtendedKeyUsage must not be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_any(const struct policy_lint_cert *c,
                                             struct policy_lint_seen *seen)
{
    if (policy_lint_ext(c, POLICY_LINT_EXT_EKU) == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if((c->eku & POLICY_LINT_EKU_ANY) == 0, seen, "anyExtendedKeyUsage");
}
