/* RFC 5280 4.2.1.4: explicitText is UTF8String, VisibleString or BMPString of at most 200
 * characters. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_policies_text(const struct policy_lint_cert *c,
                                                   struct policy_lint_seen *seen)
{
    const unsigned never = POLICY_LINT_QUALIFIER_TEXT_TYPE | POLICY_LINT_QUALIFIER_TEXT_LONG;
    if ((c->qualifiers & POLICY_LINT_QUALIFIER_NOTICE) == 0) {
        return POLICY_NA;
    }
    return policy_lint_if((c->qualifiers & never) == 0, seen, "another type, or too long");
}
