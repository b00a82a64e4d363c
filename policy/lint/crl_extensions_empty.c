/* RFC 5280 5.1.2.7: the field, when present, is a SEQUENCE of one or more extensions. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_extensions_empty(const struct policy_lint_crl *c,
                                                     struct policy_lint_seen *seen)
{
    return c->extensions.present ? policy_lint_if(!c->extensions.empty, seen, "empty") : POLICY_NA;
}
