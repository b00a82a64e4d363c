/* RFC 3279 2.3.1: the key is RSAPublicKey, two positive integers; a modulus is a product of odd
 * primes. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_rsa_value(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    const struct policy_lint_key *k = &c->key;
    if (k->type != POLICY_LINT_KEY_RSA) {
        return POLICY_NA;
    }
    bool ok = k->rsa_read && policy_lint_minimal(k->n) && policy_lint_minimal(k->e) &&
              k->n.ptr[0] < 0x80 && k->e.ptr[0] < 0x80 && (k->n.ptr[k->n.len - 1] & 1) != 0;
    return policy_lint_if(ok, seen, "not so");
}
