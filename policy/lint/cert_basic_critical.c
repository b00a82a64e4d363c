/* RFC 5280 4.2.1.9: critical in certificates whose keys verify signatures on certificates. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_basic_critical(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return c->is_ca ? policy_lint_critical(c, POLICY_LINT_EXT_BASIC, true, seen) : POLICY_NA;
}
