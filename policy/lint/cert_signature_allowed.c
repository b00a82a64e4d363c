/* BR 7.1.3.2: a closed list, octet for octet: RSA PKCS#1 v1.5 and PSS, ECDSA, each with SHA-2. */
#include "crypto/alg.h"
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_signature_allowed(const struct policy_lint_cert *c,
                                                       struct policy_lint_seen *seen)
{
    enum crypto_alg alg = crypto_alg_from_der(c->algorithm.whole);
    bool ok = alg != CRYPTO_ALG_NONE && alg != CRYPTO_ALG_ED25519;
    return ok ? POLICY_PASS : policy_lint_oid(seen, c->algorithm.oid);
}
