/* RFC 5280 4.2.1.10: a DNS constraint is a host name that covers what is below it; a leading
 * dot is defined for URIs alone, and software differs in what it takes it for. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_constraints_dns(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_NAMES) == NULL
               ? POLICY_NA
               : policy_lint_if((c->trees & POLICY_LINT_TREES_DNS) == 0, seen,
                                "leading dot or star");
}
