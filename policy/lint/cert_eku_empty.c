/* RFC 5280 4.2.1.12: ExtKeyUsageSyntax is a SEQUENCE of one or more. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_empty(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_EKU) == NULL
               ? POLICY_NA
               : policy_lint_if(c->n_eku > 0, seen, "empty");
}
