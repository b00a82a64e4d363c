/* RFC 5280 4.2.1.9: pathLenConstraint only if cA is set and, where there is a key usage,
 * keyCertSign. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_basic_path(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    if (!c->has_path) {
        return policy_lint_ext(c, POLICY_LINT_EXT_BASIC) == NULL ? POLICY_NA : POLICY_PASS;
    }
    bool sign = c->ext[POLICY_LINT_EXT_KU] == NULL ||
                (c->key_usage & POLICY_LINT_KU(POLICY_LINT_KU_CERT_SIGN)) != 0;
    return policy_lint_if(c->is_ca && sign, seen, "path length without cA or keyCertSign");
}
