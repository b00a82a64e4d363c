/* BR 7.1.2.7.9: the value of id-qt-cps is the HTTP or HTTPS URL of the CA's statement. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_cps(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return c->n_policies == 0
               ? POLICY_NA
               : policy_lint_if((c->qualifiers & POLICY_LINT_QUALIFIER_CPS_NOT_HTTP) == 0, seen,
                                "no http or https URL");
}
