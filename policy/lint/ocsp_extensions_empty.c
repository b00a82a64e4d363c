/* RFC 5280 4.1, whose Extensions RFC 6960 uses: a SEQUENCE of one or more. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_extensions_empty(const struct policy_lint_ocsp *o,
                                                      struct policy_lint_seen *seen)
{
    return o->extensions.present ? policy_lint_if(!o->extensions.empty, seen, "empty") : POLICY_NA;
}
