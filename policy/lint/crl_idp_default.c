/* X.690 11.5: the default FALSE is left out. X.690 11.1: TRUE is FF. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_default(const struct policy_lint_crl *c,
                                                struct policy_lint_seen *seen)
{
    return c->idp_ext == NULL || (c->bad & POLICY_LINT_CRL_BAD_IDP) != 0
               ? POLICY_NA
               : policy_lint_if(!c->idp_default, seen,
                                "a FALSE is written, or a TRUE that is not FF");
}
