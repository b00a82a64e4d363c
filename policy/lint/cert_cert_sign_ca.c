/* RFC 5280 4.2.1.9: if cA is not set, keyCertSign must not be set. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_cert_sign_ca(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    if ((c->key_usage & POLICY_LINT_KU(POLICY_LINT_KU_CERT_SIGN)) == 0) {
        return policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL ? POLICY_NA : POLICY_PASS;
    }
    return policy_lint_if(c->is_ca, seen, "keyCertSign without cA");
}
