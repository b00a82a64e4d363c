/* RFC 5280 5.1.2.6: each entry is serial number, date and, perhaps, extensions. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_entry_der(const struct policy_lint_entry *e,
                                              struct policy_lint_seen *seen)
{
    return e->wrong == NULL ? POLICY_PASS : policy_lint_words(seen, e->wrong);
}
