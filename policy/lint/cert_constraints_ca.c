/* RFC 5280 4.2.1.10: name constraints must be used in CA certificates only. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_constraints_ca(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return c->ext[POLICY_LINT_EXT_NAMES] == NULL ? POLICY_NA
                                                 : policy_lint_if(c->is_ca, seen, "no CA");
}
