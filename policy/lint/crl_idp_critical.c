/* RFC 5280 5.2.5: it is a critical extension: who does not know it takes a part for the whole. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_critical(const struct policy_lint_crl *c,
                                                 struct policy_lint_seen *seen)
{
    return c->idp_ext == NULL ? POLICY_NA
                              : policy_lint_if(c->idp_ext->critical, seen, "not critical");
}
