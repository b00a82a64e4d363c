/* RFC 6960 4.2.1: RevokedInfo holds a GeneralizedTime. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_revoked_form(const struct policy_lint_single *s,
                                                         struct policy_lint_seen *seen)
{
    return s->status == POLICY_LINT_STATUS_REVOKED ? policy_lint_generalized(&s->revoked, seen)
                                                   : POLICY_NA;
}
