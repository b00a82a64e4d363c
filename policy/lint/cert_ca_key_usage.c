/* RFC 5280 4.2.1.3: key usage is in certificates whose keys verify certificates or CRLs, and
 * says so. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ca_key_usage(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    const unsigned sign =
        POLICY_LINT_KU(POLICY_LINT_KU_CERT_SIGN) | POLICY_LINT_KU(POLICY_LINT_KU_CRL_SIGN);
    return c->is_ca ? policy_lint_if((c->key_usage & sign) != 0, seen, "neither") : POLICY_NA;
}
