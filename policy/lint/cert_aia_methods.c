/* BR 7.1.2.7.7: no other access method may be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aia_methods(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    return c->n_access == 0
               ? POLICY_NA
               : policy_lint_if((c->access & POLICY_LINT_POINT_OTHER) == 0, seen, "another method");
}
