/* BR 7.1.2.7.11: what the key usage of a subscriber must not have. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_server(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    const unsigned never =
        POLICY_LINT_KU(POLICY_LINT_KU_COMMITMENT) | POLICY_LINT_KU(POLICY_LINT_KU_CERT_SIGN) |
        POLICY_LINT_KU(POLICY_LINT_KU_CRL_SIGN) | POLICY_LINT_KU(POLICY_LINT_KU_ENCIPHER_ONLY) |
        POLICY_LINT_KU(POLICY_LINT_KU_DECIPHER_ONLY);
    if (!policy_lint_subscriber(c) || policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if((c->key_usage & never) == 0, seen, "one of them");
}
