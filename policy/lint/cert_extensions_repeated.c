/* RFC 5280 4.2: a certificate must not include more than one instance of an extension. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_extensions_repeated(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    if (c->extensions.repeated) {
        return policy_lint_oid(seen, c->extensions.repeated_oid);
    }
    return c->extensions.n > 0 ? POLICY_PASS : POLICY_NA;
}
