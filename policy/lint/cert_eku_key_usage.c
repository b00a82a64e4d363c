/* RFC 5280 4.2.1.12: purposes and key usage must be consistent; the section lists which uses
 * each purpose may have. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_key_usage(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    const unsigned sign = POLICY_LINT_KU(POLICY_LINT_KU_SIGNATURE);
    const unsigned commit = sign | POLICY_LINT_KU(POLICY_LINT_KU_COMMITMENT);
    const unsigned agree = POLICY_LINT_KU(POLICY_LINT_KU_AGREEMENT);
    const unsigned encipher = POLICY_LINT_KU(POLICY_LINT_KU_KEY_ENCIPHERMENT);
    const struct {
        unsigned purpose, uses;
    } table[] = {{POLICY_LINT_EKU_SERVER, sign | encipher | agree},
                 {POLICY_LINT_EKU_CLIENT, sign | agree},
                 {POLICY_LINT_EKU_CODE, sign},
                 {POLICY_LINT_EKU_EMAIL, commit | encipher | agree},
                 {POLICY_LINT_EKU_TIME, commit},
                 {POLICY_LINT_EKU_OCSP, commit}};
    if (policy_lint_ext(c, POLICY_LINT_EXT_EKU) == NULL ||
        policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL || c->is_ca) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        if ((c->eku & table[i].purpose) != 0 && (c->key_usage & table[i].uses) == 0) {
            return policy_lint_words(seen, "a purpose that no key usage allows");
        }
    }
    return POLICY_PASS;
}
