/* BR 7.1.2.10.7: the key usage of a CA has both keyCertSign and cRLSign. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ca_key_usage_both(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    const unsigned sign =
        POLICY_LINT_KU(POLICY_LINT_KU_CERT_SIGN) | POLICY_LINT_KU(POLICY_LINT_KU_CRL_SIGN);
    return c->is_ca ? policy_lint_if((c->key_usage & sign) == sign, seen, "not both") : POLICY_NA;
}
