/* RFC 5280 4.1.2.4: DirectoryString is PrintableString or UTF8String. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_issuer_strings(const struct policy_lint_cert *c,
                                                    struct policy_lint_seen *seen)
{
    return policy_lint_dn_strings(&c->issuer, seen);
}
