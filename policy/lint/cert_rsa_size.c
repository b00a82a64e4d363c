/* BR 6.1.5: the modulus has at least 2048 bits. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_size(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if (!c->key.rsa_read) {
        return POLICY_NA;
    }
    size_t octets = c->key.n.ptr[0] == 0 ? c->key.n.len - 1 : c->key.n.len;
    return octets > 256 || (octets == 256 && c->key.n.ptr[c->key.n.len - 256] >= 0x80)
               ? POLICY_PASS
               : policy_lint_number(seen, (int64_t)octets * 8);
}
