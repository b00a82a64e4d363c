/* RFC 1035 2.3.4: a label has at most 63 octets, a name 255 on the wire, which are 253 in text. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_length(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return policy_lint_dns_mask(c, POLICY_LINT_DNS_LONG, seen);
}
