/* policy: all lints over any bytes. The first octet chooses the kind; the rest is the object. */
#include <stdlib.h>

#include "policy/lint/lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t severity[POLICY_LINT_MAX];
    static struct policy_lint_result results[POLICY_LINT_MAX];
    size_t first;
    if (size == 0) {
        return 0;
    }
    policy_lint_defaults(POLICY_LINT_SET_CABF_SERVER, severity);
    enum policy_lint_kind kind = (enum policy_lint_kind)(1 + data[0] % 3);
    struct slice der = slice_of(data + 1, size - 1);
    policy_lint_run(kind, der, severity, results);
    size_t n = policy_lint_range(kind, &first);
    for (size_t i = first; i < first + n; i++) {
        char text[POLICY_TEXT_MAX + 1];
        bool known = results[i].outcome == POLICY_FAIL || results[i].outcome == POLICY_PASS ||
                     results[i].outcome == POLICY_NA;
        if (!known) {
            abort();
        }
        if (results[i].outcome == POLICY_FAIL) {
            if (results[i].seen.form == POLICY_LINT_FORM_NONE) {
                abort(); /* a finding says what it saw */
            }
            policy_lint_text(&results[i].seen, text);
        }
    }
    (void)policy_lint_kind_of(der);
    return 0;
}
