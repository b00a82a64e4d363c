/* RFC 5280 5.3.1: the reason code is a non-critical entry extension. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_reason_critical(const struct policy_lint_entry *e,
                                                          struct policy_lint_seen *seen)
{
    return e->reason_ext == NULL ? POLICY_NA
                                 : policy_lint_if(!e->reason_ext->critical, seen, "critical");
}
