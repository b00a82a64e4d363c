/* RFC 5280 4.2.1.10: CAs must mark it as critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_constraints_critical(const struct policy_lint_cert *c,
                                                          struct policy_lint_seen *seen)
{
    return policy_lint_critical(c, POLICY_LINT_EXT_NAMES, true, seen);
}
