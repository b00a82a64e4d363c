/* RFC 7633 4.1: the extension should not be marked critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_tls_feature_critical(const struct policy_lint_cert *c,
                                                          struct policy_lint_seen *seen)
{
    return policy_lint_critical(c, POLICY_LINT_EXT_TLS_FEATURE, false, seen);
}
