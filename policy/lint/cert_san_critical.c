/* RFC 5280 4.2.1.6: with a subject the extension should be non-critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_san_critical(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return c->subject.n == 0 ? POLICY_NA
                             : policy_lint_critical(c, POLICY_LINT_EXT_SAN, false, seen);
}
