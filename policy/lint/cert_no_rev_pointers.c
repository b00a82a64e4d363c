/* RFC 9608 3: without revocation information there is no CRL distribution point, no freshest
 * CRL and no OCSP URL. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_no_rev_pointers(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    bool pointer = c->ext[POLICY_LINT_EXT_CDP] != NULL ||
                   c->ext[POLICY_LINT_EXT_FRESHEST] != NULL ||
                   (c->access & POLICY_LINT_POINT_OCSP) != 0;
    return c->ext[POLICY_LINT_EXT_NO_REV_AVAIL] == NULL
               ? POLICY_NA
               : policy_lint_if(!pointer, seen, "a pointer stands beside it");
}
