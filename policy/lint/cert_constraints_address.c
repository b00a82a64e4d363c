/* RFC 5280 4.2.1.10: iPAddress is an address and a mask in the style of RFC 4632 (CIDR). */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_constraints_address(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_NAMES) == NULL
               ? POLICY_NA
               : policy_lint_if((c->trees & POLICY_LINT_TREES_ADDRESS) == 0, seen, "another form");
}
