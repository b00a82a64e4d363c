/* RFC 5280 4.1.2.5: the validity period runs from notBefore through notAfter. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_validity_order(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    if (!c->not_before.exact || !c->not_after.exact) {
        return POLICY_NA;
    }
    return policy_lint_if(c->not_before.at_s <= c->not_after.at_s, seen, "ends before it begins");
}
