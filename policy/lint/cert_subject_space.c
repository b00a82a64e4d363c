/* RFC 5280 7.1: blanks at the edges do not count when names are compared: two names that look
 * different are the same. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_space(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < c->subject.n; i++) {
        struct slice v = c->subject.at[i].value;
        if (v.len > 0 && (v.ptr[0] == ' ' || v.ptr[v.len - 1] == ' ')) {
            return policy_lint_octets(seen, v);
        }
    }
    return c->subject.n == 0 ? POLICY_NA : POLICY_PASS;
}
