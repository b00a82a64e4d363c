/* BR 6.3.2: 398 days from 2020-09-01, 200 from 2026-03-15, 100 from 2027-03-15, 47 from
 * 2029-03-15; 825 before. Both ends count, and each begun day of 86,400 seconds is a day. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_validity_length(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    static const struct {
        int64_t from_s;
        int64_t days;
    } limits[] = {
        {1868227200, 47}, {1805068800, 100}, {1773532800, 200}, {1598918400, 398}, {0, 825}};
    if (!policy_lint_subscriber(c) || !c->not_before.exact || !c->not_after.exact) {
        return POLICY_NA;
    }
    size_t i = 0;
    while (c->not_before.at_s < limits[i].from_s && limits[i].from_s != 0) {
        i++;
    }
    int64_t days = (c->not_after.at_s - c->not_before.at_s + 86400) / 86400;
    return days <= limits[i].days ? POLICY_PASS : policy_lint_number(seen, days);
}
