/* BR 7.1.2.7.10: id-kp-serverAuth must be present. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_server(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    if (!policy_lint_subscriber(c)) {
        return POLICY_NA;
    }
    return policy_lint_if((c->eku & POLICY_LINT_EKU_SERVER) != 0, seen, "no serverAuth");
}
