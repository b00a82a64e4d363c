/* RFC 5280 4.2.1.6: dNSName is in the preferred name syntax: RFC 1034 3.5 as RFC 1123 2.1
 * widened it. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_form(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(
        c, POLICY_LINT_DNS_OTHER | POLICY_LINT_DNS_HYPHEN | POLICY_LINT_DNS_EMPTY, seen);
}
