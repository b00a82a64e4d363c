/* RFC 5280 5.1: Extensions is a SEQUENCE of one or more. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_extensions_empty(const struct policy_lint_entry *e,
                                                           struct policy_lint_seen *seen)
{
    return e->extensions.present ? policy_lint_if(!e->extensions.empty, seen, "empty") : POLICY_NA;
}
