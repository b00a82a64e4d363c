/* RFC 5280 5.2.5: at most one of onlyContainsUserCerts, -CACerts and -AttributeCerts is TRUE. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_scope(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    int scopes = (c->idp_user ? 1 : 0) + (c->idp_ca ? 1 : 0) + (c->idp_attribute ? 1 : 0);
    return c->idp_ext == NULL || (c->bad & POLICY_LINT_CRL_BAD_IDP) != 0
               ? POLICY_NA
               : policy_lint_if(scopes <= 1, seen, "several");
}
