/* BR 6.1.5: keys are RSA or ECDSA; no other algorithm is permitted. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_allowed(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    bool ok = c->key.type == POLICY_LINT_KEY_RSA || c->key.type == POLICY_LINT_KEY_EC;
    return ok ? POLICY_PASS : policy_lint_oid(seen, c->key.algorithm.oid);
}
