/* RFC 3161 2.3: a time-stamping authority's certificate has that one purpose, and it is
 * critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_time(const struct policy_lint_cert *c,
                                              struct policy_lint_seen *seen)
{
    if ((c->eku & POLICY_LINT_EKU_TIME) == 0 || c->is_ca) {
        return POLICY_NA;
    }
    bool ok = c->n_eku == 1 && c->ext[POLICY_LINT_EXT_EKU]->critical;
    return policy_lint_if(ok, seen, "not critical, or not alone");
}
