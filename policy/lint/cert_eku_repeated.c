/* RFC 5280 4.2.1.12: a list of purposes; one that stands twice was put there by a mistake. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_repeated(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    if (policy_lint_ext(c, POLICY_LINT_EXT_EKU) == NULL) {
        return POLICY_NA;
    }
    return c->eku_repeated.len == 0 ? POLICY_PASS : policy_lint_oid(seen, c->eku_repeated);
}
