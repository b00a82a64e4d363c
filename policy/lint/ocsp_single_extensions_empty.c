/* RFC 5280 4.1, whose Extensions RFC 6960 uses: a SEQUENCE of one or more. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_extensions_empty(const struct policy_lint_single *s,
                                                             struct policy_lint_seen *seen)
{
    return s->extensions.present ? policy_lint_if(!s->extensions.empty, seen, "empty") : POLICY_NA;
}
