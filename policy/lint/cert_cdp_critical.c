/* RFC 5280 4.2.1.13: the extension should be non-critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_cdp_critical(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return policy_lint_critical(c, POLICY_LINT_EXT_CDP, false, seen);
}
