/* BR 7.1.2.7.9: anyPolicy must not be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_any(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    static const uint8_t any[] = {0x55, 0x1d, 0x20, 0};
    if (!policy_lint_subscriber(c) || c->n_policies == 0) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < c->n_policies; i++) {
        if (slice_eq(c->policies[i], slice_of(any, sizeof any))) {
            return policy_lint_words(seen, "anyPolicy");
        }
    }
    return POLICY_PASS;
}
