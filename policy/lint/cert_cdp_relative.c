/* RFC 5280 4.2.1.13: CAs should not use nameRelativeToCRLIssuer. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_cdp_relative(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return c->n_points == 0
               ? POLICY_NA
               : policy_lint_if((c->points & POLICY_LINT_POINT_RELATIVE) == 0, seen, "relative");
}
