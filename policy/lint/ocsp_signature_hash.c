/* BR 7.1.3.2: signatures over SHA-2 only, those of OCSP answers included. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_signature_hash(const struct policy_lint_ocsp *o,
                                                    struct policy_lint_seen *seen)
{
    return o->whole ? policy_lint_algorithm_hash(&o->outer, seen) : POLICY_NA;
}
