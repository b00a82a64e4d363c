/* BR 6.1.5: the length of the modulus in bits is divisible by 8. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_octets(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    if (!c->key.rsa_read) {
        return POLICY_NA;
    }
    bool sign = c->key.n.len > 1 && c->key.n.ptr[0] == 0;
    return policy_lint_if(sign && c->key.n.ptr[1] >= 0x80, seen, "its first octet begins with 0");
}
