/* RFC 5280 5.1.2.6: the revocation date is expressed as in 5.1.2.4. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_time(const struct policy_lint_entry *e,
                                               struct policy_lint_seen *seen)
{
    enum policy_outcome o = policy_lint_time_form(&e->date, seen);
    o = policy_lint_worse(o, policy_lint_time_fraction(&e->date, seen));
    o = policy_lint_worse(o, policy_lint_time_type(&e->date, seen));
    return policy_lint_worse(o, policy_lint_time_real(&e->date, seen));
}
