/* RFC 5280 4.1.2.6: who has an empty subject has names in a critical subject alternative name. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_san_subject(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    if (c->subject.n > 0) {
        return POLICY_NA;
    }
    const struct policy_lint_extension *e = c->ext[POLICY_LINT_EXT_SAN];
    return policy_lint_if(e != NULL && e->critical, seen, e == NULL ? "absent" : "not critical");
}
