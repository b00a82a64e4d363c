/* RFC 5890 2.3.1: labels with "--" in third and fourth place are reserved; those with xn are
 * A-labels. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_alabel(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_A_BAD | POLICY_LINT_DNS_RESERVED, seen);
}
