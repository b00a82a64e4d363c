/* RFC 5480 2.2: everybody reads the uncompressed form (04); compressed points may be read. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ec_point(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if (c->key.type != POLICY_LINT_KEY_EC || c->key.bits.len == 0) {
        return POLICY_NA;
    }
    return policy_lint_if(c->key.bits.ptr[0] == 0x04, seen, "another form");
}
