/* RFC 6960 4.2.1: the format of GeneralizedTime is as in RFC 5280 4.1.2.5.2. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_produced_form(const struct policy_lint_ocsp *o,
                                                   struct policy_lint_seen *seen)
{
    return policy_lint_generalized(&o->produced, seen);
}
