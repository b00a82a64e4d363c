/* RFC 6960 4.2.2.3: the answer includes a SingleResponse for each certificate of the request. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_responses_empty(const struct policy_lint_ocsp *o,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_if(o->singles.len > 0, seen, "none");
}
