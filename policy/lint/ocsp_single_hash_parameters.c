/* RFC 5754 2 and RFC 3370 2.1: parameters of SHA-1 and SHA-2 are absent or NULL. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_hash_parameters(const struct policy_lint_single *s,
                                                            struct policy_lint_seen *seen)
{
    struct slice p = s->hash.parameters;
    return policy_lint_if(p.len == 0 || (p.len == 2 && p.ptr[0] == 0x05), seen, "something else");
}
