/* RFC 5280 4.2.1.5: policies must not be mapped to or from anyPolicy. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_mappings_any(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_MAPPINGS) == NULL
               ? POLICY_NA
               : policy_lint_if(!c->mapping_any, seen, "anyPolicy");
}
