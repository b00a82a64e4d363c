/* RFC 5280 4.2.1.1: the keyIdentifier field must be included. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_aki_key(const struct policy_lint_cert *c,
                                             struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_AKI) == NULL
               ? POLICY_NA
               : policy_lint_if(c->aki.has_key && c->aki.key.len > 0, seen, "no keyIdentifier");
}
