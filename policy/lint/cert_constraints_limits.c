/* RFC 5280 4.2.1.10: minimum is zero, which DER leaves out, and maximum absent. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_constraints_limits(const struct policy_lint_cert *c,
                                                        struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_NAMES) == NULL
               ? POLICY_NA
               : policy_lint_if((c->trees & POLICY_LINT_TREES_LIMITS) == 0, seen, "one is written");
}
