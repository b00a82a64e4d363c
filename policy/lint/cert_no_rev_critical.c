/* RFC 9608 2: the extension must be non-critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_no_rev_critical(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_critical(c, POLICY_LINT_EXT_NO_REV_AVAIL, false, seen);
}
