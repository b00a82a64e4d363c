/* RFC 5280 4.1.2.9: the field, when present, is a SEQUENCE of one or more extensions. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_extensions_empty(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    return c->extensions.present ? policy_lint_if(!c->extensions.empty, seen, "empty") : POLICY_NA;
}
