/* RFC 5280 A.1: upper bounds of attributes, in characters; none may be empty. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_lengths(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    static const uint16_t most[POLICY_LINT_AT_COUNT] = {
        [POLICY_LINT_AT_CN] = 64,      [POLICY_LINT_AT_SN] = 32768,  [POLICY_LINT_AT_SERIAL] = 64,
        [POLICY_LINT_AT_C] = 2,        [POLICY_LINT_AT_L] = 128,     [POLICY_LINT_AT_ST] = 128,
        [POLICY_LINT_AT_STREET] = 128, [POLICY_LINT_AT_O] = 64,      [POLICY_LINT_AT_OU] = 64,
        [POLICY_LINT_AT_TITLE] = 64,   [POLICY_LINT_AT_POSTAL] = 40, [POLICY_LINT_AT_GN] = 32768,
        [POLICY_LINT_AT_EMAIL] = 255};
    for (size_t i = 0; i < c->subject.n; i++) {
        const struct policy_lint_attribute *a = &c->subject.at[i];
        size_t n = 0;
        for (size_t k = 0; k < a->value.len; k++) {
            n += a->tag != 0x0c || (a->value.ptr[k] & 0xc0) != 0x80 ? 1 : 0;
        }
        if (a->value.len == 0 || (most[a->type] != 0 && n > most[a->type])) {
            return policy_lint_oid(seen, a->oid);
        }
    }
    return c->subject.n == 0 ? POLICY_NA : POLICY_PASS;
}
