/* RFC 5280 A.1: countryName has two characters, those of ISO 3166-1, which are capital letters. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_country(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->subject.n; i++) {
        const struct policy_lint_attribute *a = &c->subject.at[i];
        if (a->type == POLICY_LINT_AT_C) {
            bool ok = a->value.len == 2 && a->value.ptr[0] >= 'A' && a->value.ptr[0] <= 'Z' &&
                      a->value.ptr[1] >= 'A' && a->value.ptr[1] <= 'Z';
            if (!ok) {
                return policy_lint_octets(seen, a->value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
