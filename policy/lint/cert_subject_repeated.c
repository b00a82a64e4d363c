/* BR 7.1.4.1: a type stands once in the subject; only domainComponent and streetAddress may
 * repeat. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_repeated(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    uint32_t met = 0;
    for (size_t i = 0; i < c->subject.n; i++) {
        enum policy_lint_attribute_type t = c->subject.at[i].type;
        bool may =
            t == POLICY_LINT_AT_OTHER || t == POLICY_LINT_AT_DC || t == POLICY_LINT_AT_STREET;
        if (!may && (met >> t & 1) != 0) {
            return policy_lint_oid(seen, c->subject.at[i].oid);
        }
        met |= 1U << t;
    }
    return c->subject.n == 0 ? POLICY_NA : POLICY_PASS;
}
