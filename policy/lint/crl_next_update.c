/* RFC 5280 5.1.2.5: issuers must include nextUpdate in all CRLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_next_update(const struct policy_lint_crl *c,
                                                struct policy_lint_seen *seen)
{
    return policy_lint_if(c->has_next, seen, "absent");
}
