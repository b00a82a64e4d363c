/* X.690 11.5: the default FALSE of cA is left out. X.690 11.1: TRUE is FF. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_basic_default(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_ext(c, POLICY_LINT_EXT_BASIC) == NULL
               ? POLICY_NA
               : policy_lint_if(!c->ca_default, seen,
                                "cA is written though it is FALSE, or not FF");
}
