/* RFC 6960 4.2.2.1: without nextUpdate newer information is available all the time; then nobody
 * can keep an answer. The lightweight profile (RFC 5019 2.2.4) wants it. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_next_update(const struct policy_lint_single *s,
                                                        struct policy_lint_seen *seen)
{
    return policy_lint_if(s->has_next, seen, "absent");
}
