/* RFC 5280 5.2.6: it must be non-critical and must not appear in delta CRLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_freshest_critical(const struct policy_lint_crl *c,
                                                      struct policy_lint_seen *seen)
{
    if (c->freshest_ext == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if(!c->freshest_ext->critical && c->delta_ext == NULL, seen,
                          c->delta_ext != NULL ? "in a delta CRL" : "critical");
}
