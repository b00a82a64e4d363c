/* RFC 5280 5.2.4: the indicator is a critical extension: who does not know it must not take the
 * list for a complete one. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_delta_critical(const struct policy_lint_crl *c,
                                                   struct policy_lint_seen *seen)
{
    return c->delta_ext == NULL ? POLICY_NA
                                : policy_lint_if(c->delta_ext->critical, seen, "not critical");
}
