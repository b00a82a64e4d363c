/* RFC 5280 5.2.3: the CRL number is a non-critical extension. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_number_critical(const struct policy_lint_crl *c,
                                                    struct policy_lint_seen *seen)
{
    return c->number_ext == NULL ? POLICY_NA
                                 : policy_lint_if(!c->number_ext->critical, seen, "critical");
}
