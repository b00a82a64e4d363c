/* RFC 1034 3.5, through RFC 5280 4.2.1.6: the preferred syntax has dots between labels only. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_dot(const struct policy_lint_cert *c,
                                             struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_EDGE_DOT, seen);
}
