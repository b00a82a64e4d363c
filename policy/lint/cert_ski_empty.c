/* RFC 5280 4.2.1.2: an identifier of the key; nothing identifies no key. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ski_empty(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_SKI) == NULL
               ? POLICY_NA
               : policy_lint_if(c->ski.len > 0, seen, "empty");
}
