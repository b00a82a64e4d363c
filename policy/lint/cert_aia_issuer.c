/* BR 7.1.2.7.7: id-ad-caIssuers should be present, so that the chain can be built. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aia_issuer(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return !policy_lint_subscriber(c) || c->n_access == 0
               ? POLICY_NA
               : policy_lint_if((c->access & POLICY_LINT_POINT_CA) != 0, seen, "none");
}
