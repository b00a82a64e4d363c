/* BR 7.1.2.11.2: distributionPoint with fullName; reasons and cRLIssuer must not be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_cdp_forms(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    const unsigned never =
        POLICY_LINT_POINT_REASONS | POLICY_LINT_POINT_ISSUER | POLICY_LINT_POINT_RELATIVE;
    return c->n_points == 0 ? POLICY_NA
                            : policy_lint_if((c->points & never) == 0, seen, "one of them");
}
