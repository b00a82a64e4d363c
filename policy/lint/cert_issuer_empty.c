/* RFC 5280 4.1.2.4: the issuer field holds a non-empty distinguished name. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_issuer_empty(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return policy_lint_if(c->issuer.n > 0, seen, "empty");
}
