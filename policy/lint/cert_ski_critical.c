/* RFC 5280 4.2.1.2: CAs must mark it as non-critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ski_critical(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return policy_lint_critical(c, POLICY_LINT_EXT_SKI, false, seen);
}
