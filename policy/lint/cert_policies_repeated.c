/* RFC 5280 4.2.1.4: a policy OID must not appear more than once. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_repeated(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    if (c->n_policies == 0) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(c->policies[i], c->policies[k])) {
                return policy_lint_oid(seen, c->policies[i]);
            }
        }
    }
    return POLICY_PASS;
}
