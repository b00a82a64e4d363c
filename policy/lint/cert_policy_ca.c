/* RFC 5280 4.2.1.5, .11 and .14: mappings, policy constraints and inhibitAnyPolicy are for CAs. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policy_ca(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    bool any = c->ext[POLICY_LINT_EXT_MAPPINGS] != NULL ||
               c->ext[POLICY_LINT_EXT_CONSTRAINTS] != NULL ||
               c->ext[POLICY_LINT_EXT_INHIBIT] != NULL;
    return any ? policy_lint_if(c->is_ca, seen, "no CA") : POLICY_NA;
}
