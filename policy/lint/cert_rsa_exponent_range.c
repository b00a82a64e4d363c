/* BR 6.1.6: the exponent should be in the range from 2^16+1 to 2^256-1. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_exponent_range(const struct policy_lint_cert *c,
                                                        struct policy_lint_seen *seen)
{
    if (!c->key.rsa_read) {
        return POLICY_NA;
    }
    struct slice e = c->key.e;
    size_t octets = e.len > 1 && e.ptr[0] == 0 ? e.len - 1 : e.len;
    return octets >= 3 && octets <= 32 ? POLICY_PASS : policy_lint_octets(seen, e);
}
