/* RFC 3279 2.3.1: RSA keys agree on nothing. RFC 8813 3: EC keys encipher nothing. RFC 8410 5:
 * EdDSA keys sign and do nothing else. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_type(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    const unsigned encipher = POLICY_LINT_KU(POLICY_LINT_KU_KEY_ENCIPHERMENT) |
                              POLICY_LINT_KU(POLICY_LINT_KU_DATA_ENCIPHERMENT);
    const unsigned agree = POLICY_LINT_KU(POLICY_LINT_KU_AGREEMENT) |
                           POLICY_LINT_KU(POLICY_LINT_KU_ENCIPHER_ONLY) |
                           POLICY_LINT_KU(POLICY_LINT_KU_DECIPHER_ONLY);
    static const unsigned none = 0;
    const unsigned never =
        c->key.type == POLICY_LINT_KEY_RSA  ? agree
        : c->key.type == POLICY_LINT_KEY_EC ? encipher
        : c->key.type == POLICY_LINT_KEY_ED25519 || c->key.type == POLICY_LINT_KEY_ED448
            ? encipher | agree
            : none;
    if (policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL || never == 0) {
        return POLICY_NA;
    }
    return policy_lint_if((c->key_usage & never) == 0, seen, "a use that such keys do not have");
}
