/* BR 7.3.2: singleExtensions must not contain the CRL entry extension reasonCode. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_reason_extension(const struct policy_lint_single *s,
                                                             struct policy_lint_seen *seen)
{
    if (policy_lint_extension_of(&s->extensions, POLICY_OID_EXT_REASON) != NULL) {
        return policy_lint_words(seen, "reasonCode");
    }
    return s->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
