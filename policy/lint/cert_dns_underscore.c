/* BR 7.1.2.7.12 says outright what RFC 5280 4.2.1.6 implies: host names have no underscore. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_underscore(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_UNDERSCORE, seen);
}
