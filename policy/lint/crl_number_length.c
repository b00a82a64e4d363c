/* RFC 5280 5.2.3: issuers must not use numbers longer than 20 octets. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_number_length(const struct policy_lint_crl *c,
                                                  struct policy_lint_seen *seen)
{
    return c->number.len == 0 ? POLICY_NA
                              : policy_lint_if(c->number.len <= 20, seen, "longer than 20 octets");
}
