/* RFC 5280 4.2.1.6: a dNSName of " " must not be used; blanks stand in no name at all. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_blank(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_BLANK, seen);
}
