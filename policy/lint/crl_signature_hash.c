/* BR 7.1.3.2: signatures over SHA-2 only, those of CRLs included. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_signature_hash(const struct policy_lint_crl *c,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_algorithm_hash(&c->algorithm, seen);
}
