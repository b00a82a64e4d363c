/* RFC 5280 5.1.2.3: the same string types as in certificates. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_issuer_strings(const struct policy_lint_crl *c,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_dn_strings(&c->issuer, seen);
}
