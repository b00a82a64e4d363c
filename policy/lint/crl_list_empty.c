/* RFC 5280 5.1.2.6: when there are no revoked certificates, the list must be absent. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_list_empty(const struct policy_lint_crl *c,
                                               struct policy_lint_seen *seen)
{
    return policy_lint_if(!c->has_list || c->entries.len > 0, seen, "an empty list");
}
