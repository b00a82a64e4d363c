/* BR 6.1.5: a valid point on NIST P-256, P-384 or P-521. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ec_curve_allowed(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    static const uint8_t p256[] = {0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7};
    static const uint8_t p384[] = {0x06, 5, 0x2b, 0x81, 4, 0, 0x22};
    static const uint8_t p521[] = {0x06, 5, 0x2b, 0x81, 4, 0, 0x23};
    struct slice p = c->key.algorithm.parameters;
    if (c->key.type != POLICY_LINT_KEY_EC) {
        return POLICY_NA;
    }
    bool ok = slice_eq(p, slice_of(p256, sizeof p256)) ||
              slice_eq(p, slice_of(p384, sizeof p384)) || slice_eq(p, slice_of(p521, sizeof p521));
    return ok ? POLICY_PASS : policy_lint_octets(seen, p);
}
