/* RFC 5280 4.2.1.6: the sequence holds at least one entry; CAs must not issue empty
 * GeneralNames. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_san_empty(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    if (policy_lint_ext(c, POLICY_LINT_EXT_SAN) == NULL) {
        return POLICY_NA;
    }
    bool empty = c->n_names == 0;
    for (size_t i = 0; i < c->n_names; i++) {
        empty = empty || c->names[i].value.len == 0;
    }
    return policy_lint_if(!empty, seen, "empty");
}
