/* RFC 5280 4.2.1.12: with anyExtendedKeyUsage the extension should not be critical. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_eku_any_critical(const struct policy_lint_cert *c,
                                                      struct policy_lint_seen *seen)
{
    return (c->eku & POLICY_LINT_EKU_ANY) != 0
               ? policy_lint_critical(c, POLICY_LINT_EXT_EKU, false, seen)
               : POLICY_NA;
}
