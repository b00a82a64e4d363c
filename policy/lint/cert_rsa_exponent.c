/* BR 6.1.6: the public exponent is an odd number equal to 3 or more. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_exponent(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    if (!c->key.rsa_read) {
        return POLICY_NA;
    }
    struct slice e = c->key.e;
    bool ok = (e.ptr[e.len - 1] & 1) != 0 && e.ptr[0] < 0x80 && (e.len > 1 || e.ptr[0] >= 3);
    return ok ? POLICY_PASS : policy_lint_octets(seen, e);
}
