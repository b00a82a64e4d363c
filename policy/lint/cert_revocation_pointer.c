/* BR 7.1.2.11.2: where no OCSP URL is given there is a CRL distribution point; certificates
 * that live at most 7 days (10 before 2026-03-15) need neither. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_revocation_pointer(const struct policy_lint_cert *c,
                                                        struct policy_lint_seen *seen)
{
    if (!policy_lint_subscriber(c) || !c->not_before.exact || !c->not_after.exact) {
        return POLICY_NA;
    }
    int64_t life_s = c->not_after.at_s - c->not_before.at_s + 1;
    bool brief = life_s <= (c->not_before.at_s < 1773532800 ? 10 : 7) * 86400LL;
    bool pointer = c->n_points > 0 || (c->access & POLICY_LINT_POINT_OCSP) != 0;
    return brief ? POLICY_NA : policy_lint_if(pointer, seen, "neither");
}
