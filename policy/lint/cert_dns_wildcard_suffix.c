/* BR 3.2.2.6: no wildcard directly below a registry-controlled suffix. A single label surely is
 * one; longer suffixes are for the profile's public_suffix_guard, which has the list. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_dns_wildcard_suffix(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        const struct policy_lint_name *n = &c->names[i];
        if (n->type == 2 && n->value.len > 1 && n->value.ptr[0] == '*') {
            if (n->labels < 3) {
                return policy_lint_octets(seen, n->value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
