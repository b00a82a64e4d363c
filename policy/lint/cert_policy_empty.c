/* RFC 5280 4.2.1.11: CAs must not issue certificates where policy constraints is an empty
 * sequence. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policy_empty(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_CONSTRAINTS) == NULL
               ? POLICY_NA
               : policy_lint_if(!c->constraints_empty, seen, "empty");
}
