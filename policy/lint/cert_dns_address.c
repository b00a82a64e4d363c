/* RFC 5280 4.2.1.6: addresses are iPAddress. RFC 1123 2.1: no host name ends in a label of
 * digits. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_address(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_NUMERIC, seen);
}
