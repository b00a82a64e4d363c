/* RFC 6962 3.1: the poison of a precertificate is critical; time stamps come into the
 * certificate that is issued afterwards. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_poison(const struct policy_lint_cert *c,
                                            struct policy_lint_seen *seen)
{
    const struct policy_lint_extension *e = c->ext[POLICY_LINT_EXT_POISON];
    if (e == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if(e->critical && c->ext[POLICY_LINT_EXT_SCT] == NULL, seen,
                          e->critical ? "an SCT list beside it" : "not critical");
}
