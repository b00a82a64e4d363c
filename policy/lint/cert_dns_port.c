/* RFC 5280 4.2.1.6: a dNSName is a host name: no port, no scheme, no path, no mailbox. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_port(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_PORT, seen);
}
