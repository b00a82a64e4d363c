/* X.509 8.1, through RFC 5280 5.3: no extension stands twice. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_extensions_repeated(const struct policy_lint_entry *e,
                                                              struct policy_lint_seen *seen)
{
    if (e->extensions.repeated) {
        return policy_lint_oid(seen, e->extensions.repeated_oid);
    }
    return e->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
