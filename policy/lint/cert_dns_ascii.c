/* RFC 5280 7.2: international names are converted to A-labels before they are stored. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_ascii(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_NOT_ASCII, seen);
}
