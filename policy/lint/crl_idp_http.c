/* BR 7.2.2.1: the names are those of the certificates' distribution points, which are http
 * URLs. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_idp_http(const struct policy_lint_crl *c,
                                             struct policy_lint_seen *seen)
{
    return !c->idp_point ? POLICY_NA : policy_lint_if(!c->idp_no_http, seen, "another name");
}
