/* BR 7.1.2.7.12: the subject alternative name must be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_san_present(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    if (!policy_lint_subscriber(c)) {
        return POLICY_NA;
    }
    return policy_lint_if(c->ext[POLICY_LINT_EXT_SAN] != NULL, seen, "absent");
}
