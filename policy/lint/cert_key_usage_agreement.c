/* RFC 5280 4.2.1.3: encipherOnly and decipherOnly have no meaning without keyAgreement. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_agreement(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    const unsigned only =
        POLICY_LINT_KU(POLICY_LINT_KU_ENCIPHER_ONLY) | POLICY_LINT_KU(POLICY_LINT_KU_DECIPHER_ONLY);
    if (policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL) {
        return POLICY_NA;
    }
    bool agreement = (c->key_usage & POLICY_LINT_KU(POLICY_LINT_KU_AGREEMENT)) != 0;
    return policy_lint_if((c->key_usage & only) == 0 || agreement, seen, "without keyAgreement");
}
