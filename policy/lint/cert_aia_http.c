/* BR 7.1.2.7.7: each accessLocation is a URI with the scheme http. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aia_http(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if (c->n_access == 0) {
        return POLICY_NA;
    }
    return (c->access & POLICY_LINT_POINT_NO_HTTP) == 0 ? POLICY_PASS
                                                        : policy_lint_octets(seen, c->access_url);
}
