/* RFC 8410 3: the parameters of Ed25519 and Ed448 must be absent. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ed_parameters(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    bool ed = c->key.type == POLICY_LINT_KEY_ED25519 || c->key.type == POLICY_LINT_KEY_ED448;
    return !ed ? POLICY_NA : policy_lint_if(c->key.algorithm.parameters.len == 0, seen, "present");
}
