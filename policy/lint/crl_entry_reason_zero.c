/* RFC 5280 5.3.1: the extension should be absent instead of the reason unspecified (0); BR
 * 7.2.2 makes a must of it. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_reason_zero(const struct policy_lint_entry *e,
                                                      struct policy_lint_seen *seen)
{
    return e->reason.len != 1 ? POLICY_NA
                              : policy_lint_if(e->reason.ptr[0] != 0, seen, "unspecified (0)");
}
