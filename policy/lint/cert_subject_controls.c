/* RFC 4518 2.4, through RFC 5280 7.1: control characters are prohibited in strings to be
 * compared. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_controls(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    for (size_t i = 0; i < c->subject.n; i++) {
        struct slice v = c->subject.at[i].value;
        bool text = c->subject.at[i].tag != 0x1e && c->subject.at[i].tag != 0x1c;
        for (size_t k = 0; text && k < v.len; k++) {
            if (v.ptr[k] < 0x20 || v.ptr[k] == 0x7f) {
                return policy_lint_octets(seen, v);
            }
        }
    }
    return c->subject.n == 0 ? POLICY_NA : POLICY_PASS;
}
