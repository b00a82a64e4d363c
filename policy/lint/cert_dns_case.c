/* RFC 5280 7.2: names are compared without regard to case; written in one case they also match
 * for those who compare octets. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_case(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_UPPER, seen);
}
