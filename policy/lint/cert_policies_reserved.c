/* BR 7.1.2.7.9: exactly one of the reserved policies of 7.1.6.1: domain, organization,
 * individual or extended validated. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_reserved(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    static const uint8_t arc[] = {0x67, 0x81, 0x0c, 1};
    unsigned n = 0;
    if (!policy_lint_subscriber(c) || c->n_policies == 0) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        struct slice p = c->policies[i];
        bool reserved = (p.len == 5 && p.ptr[4] == 1) ||
                        (p.len == 6 && p.ptr[4] == 2 && p.ptr[5] >= 1 && p.ptr[5] <= 3);
        n += reserved && memcmp(p.ptr, arc, sizeof arc) == 0 ? 1 : 0;
    }
    return n == 1 ? POLICY_PASS : policy_lint_number(seen, n);
}
