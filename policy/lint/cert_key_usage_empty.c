/* RFC 5280 4.2.1.3: when key usage is there, at least one bit is set. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_key_usage_empty(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_KU) == NULL
               ? POLICY_NA
               : policy_lint_if(c->key_usage != 0, seen, "no bit");
}
