/* BR 7.1.4: attributes must not hold metadata alone, such as ".", "-" or " ", to say that there
 * is none. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_placeholder(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < c->subject.n; i++) {
        struct slice v = c->subject.at[i].value;
        bool content = v.len == 0; /* an empty value is another lint's finding */
        for (size_t k = 0; k < v.len && !content; k++) {
            content = v.ptr[k] != '.' && v.ptr[k] != '-' && v.ptr[k] != ' ';
        }
        if (!content) {
            return policy_lint_octets(seen, v);
        }
    }
    return c->subject.n == 0 ? POLICY_NA : POLICY_PASS;
}
