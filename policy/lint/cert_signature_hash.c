/* BR 7.1.3.2: signatures over SHA-2 only. MD2, MD5 and SHA-1 are broken as collision-free
 * hashes. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_signature_hash(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return policy_lint_algorithm_hash(&c->algorithm, seen);
}
