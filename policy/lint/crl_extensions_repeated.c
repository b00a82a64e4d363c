/* X.509 8.1, through RFC 5280 5.2: no extension stands twice. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_extensions_repeated(const struct policy_lint_crl *c,
                                                        struct policy_lint_seen *seen)
{
    if (c->extensions.repeated) {
        return policy_lint_oid(seen, c->extensions.repeated_oid);
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
