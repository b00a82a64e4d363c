/* RFC 4055 5: RSA PKCS#1 v1.5 has NULL parameters. RFC 5758 3.2, RFC 8410 3: ECDSA and EdDSA
 * none. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_signature_parameters(const struct policy_lint_crl *c,
                                                         struct policy_lint_seen *seen)
{
    return policy_lint_algorithm_parameters(&c->algorithm, seen);
}
