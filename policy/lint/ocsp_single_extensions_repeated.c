/* RFC 6960 4.4: the extension model of X.509, in which no extension stands twice. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_extensions_repeated(const struct policy_lint_single *s,
                                                                struct policy_lint_seen *seen)
{
    if (s->extensions.repeated) {
        return policy_lint_oid(seen, s->extensions.repeated_oid);
    }
    return s->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
