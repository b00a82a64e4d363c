/* RFC 5280 5.2.5: issuers must not write the DER of an empty sequence. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_empty(const struct policy_lint_crl *c,
                                              struct policy_lint_seen *seen)
{
    return c->idp_ext == NULL || (c->bad & POLICY_LINT_CRL_BAD_IDP) != 0
               ? POLICY_NA
               : policy_lint_if(!c->idp_empty, seen, "empty");
}
