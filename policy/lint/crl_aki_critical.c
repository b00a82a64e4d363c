/* RFC 5280 4.2.1.1, which 5.2.1 refers to: it is non-critical. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_aki_critical(const struct policy_lint_crl *c,
                                                 struct policy_lint_seen *seen)
{
    return c->aki_ext == NULL ? POLICY_NA : policy_lint_if(!c->aki_ext->critical, seen, "critical");
}
