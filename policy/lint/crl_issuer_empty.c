/* RFC 5280 5.1.2.3: the issuer field holds a non-empty distinguished name. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_issuer_empty(const struct policy_lint_crl *c,
                                                 struct policy_lint_seen *seen)
{
    return policy_lint_if(c->issuer.n > 0, seen, "empty");
}
