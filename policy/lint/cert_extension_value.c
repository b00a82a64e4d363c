/* RFC 5280 4.2: extnValue holds the DER encoding of the value that the extension's type has. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_extension_value(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    for (unsigned id = 1; c->bad != 0 && id < POLICY_LINT_EXT_COUNT; id++) {
        if ((c->bad >> id & 1) != 0) {
            return policy_lint_oid(seen, policy_lint_ext_oid((enum policy_lint_ext)id));
        }
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
