/* BR 7.2.2.1: indirectCRL, onlySomeReasons and onlyContainsAttributeCerts must not be used. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_forms(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    bool used = c->idp_indirect || c->idp_reasons || c->idp_attribute;
    return c->idp_ext == NULL || (c->bad & POLICY_LINT_CRL_BAD_IDP) != 0
               ? POLICY_NA
               : policy_lint_if(!used, seen, "one of them");
}
