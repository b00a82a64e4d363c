/* RFC 4055 5: RSA PKCS#1 v1.5 has NULL parameters. RFC 5758 3.2, RFC 8410 3: ECDSA and EdDSA
 * none. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_signature_parameters(const struct policy_lint_ocsp *o,
                                                          struct policy_lint_seen *seen)
{
    return o->whole ? policy_lint_algorithm_parameters(&o->outer, seen) : POLICY_NA;
}
