/* RFC 6960 4.4: the extension model of X.509, in which no extension stands twice. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_extensions_repeated(const struct policy_lint_ocsp *o,
                                                         struct policy_lint_seen *seen)
{
    if (o->extensions.repeated) {
        return policy_lint_oid(seen, o->extensions.repeated_oid);
    }
    return o->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
