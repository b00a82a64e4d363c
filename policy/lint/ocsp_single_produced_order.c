/* RFC 6960 2.4: thisUpdate is the last time at which the status was known to be right,
 * producedAt when it was signed: nothing is known before it is known. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_produced_order(const struct policy_lint_single *s,
                                                           struct policy_lint_seen *seen)
{
    if (!s->this_update.exact || !s->answer->produced.exact) {
        return POLICY_NA;
    }
    return policy_lint_if(s->this_update.at_s <= s->answer->produced.at_s, seen,
                          "thisUpdate is after producedAt");
}
