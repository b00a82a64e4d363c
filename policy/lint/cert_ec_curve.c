/* RFC 5480 2.1.1: parameters are the OID of a named curve; neither explicit nor inherited. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ec_curve(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if (c->key.type != POLICY_LINT_KEY_EC) {
        return POLICY_NA;
    }
    struct slice p = c->key.algorithm.parameters;
    return policy_lint_if(p.len > 2 && p.ptr[0] == 0x06, seen, p.len == 0 ? "absent" : "no OID");
}
