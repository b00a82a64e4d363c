/* BR 7.1.4: organizationalUnitName is prohibited in subscribers' certificates since September
 * 2022. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_ou(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    if (!policy_lint_subscriber(c)) {
        return POLICY_NA;
    }
    for (size_t i = 0; i < c->subject.n; i++) {
        if (c->subject.at[i].type == POLICY_LINT_AT_OU) {
            return policy_lint_octets(seen, c->subject.at[i].value);
        }
    }
    return POLICY_PASS;
}
