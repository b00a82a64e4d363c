/* RFC 5280 4.2.1.2: it must appear in all CA certificates. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ski_ca(const struct policy_lint_cert *c,
                                            struct policy_lint_seen *seen)
{
    return !c->is_ca ? POLICY_NA
                     : policy_lint_if(c->ext[POLICY_LINT_EXT_SKI] != NULL, seen, "absent");
}
