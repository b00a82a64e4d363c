/* BR 7.1.2.7.9: the only qualifier permitted is id-qt-cps. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_qualifiers(const struct policy_lint_cert *c,
                                                         struct policy_lint_seen *seen)
{
    const unsigned never = POLICY_LINT_QUALIFIER_NOTICE | POLICY_LINT_QUALIFIER_OTHER;
    return c->n_policies == 0 ? POLICY_NA
                              : policy_lint_if((c->qualifiers & never) == 0, seen, "another one");
}
