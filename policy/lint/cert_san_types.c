/* BR 7.1.2.7.12: every other type of GeneralName must not be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_san_types(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    if (!policy_lint_subscriber(c) || c->n_names == 0) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < c->n_names; i++) {
        if (c->names[i].type != 2 && c->names[i].type != 7) {
            return policy_lint_octets(seen, c->names[i].value);
        }
    }
    return POLICY_PASS;
}
