/* RFC 5280 5.2.3: issuers must include the CRL number in all CRLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_number_present(const struct policy_lint_crl *c,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_if(c->number_ext != NULL, seen, "absent");
}
