/* RFC 5280 4.1.2.6: the same string types as the issuer's. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_strings(const struct policy_lint_cert *c,
                                                     struct policy_lint_seen *seen)
{
    return policy_lint_dn_strings(&c->subject, seen);
}
