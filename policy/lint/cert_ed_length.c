/* RFC 8032 5.1.5 and 5.2.5, through RFC 8410 4: the length of a public key. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ed_length(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    size_t want = c->key.type == POLICY_LINT_KEY_ED25519 ? 32
                  : c->key.type == POLICY_LINT_KEY_ED448 ? 57
                                                         : 0;
    return want == 0 ? POLICY_NA : policy_lint_if(c->key.bits.len == want, seen, "another length");
}
