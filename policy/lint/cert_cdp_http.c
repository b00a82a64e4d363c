/* BR 7.1.2.11.2: every fullName is a URI with the scheme http. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_cdp_http(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if (c->n_points == 0) {
        return POLICY_NA;
    }
    return (c->points & POLICY_LINT_POINT_NO_HTTP) == 0 ? POLICY_PASS
                                                        : policy_lint_octets(seen, c->points_url);
}
