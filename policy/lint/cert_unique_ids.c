/* RFC 5280 4.1.2.8: CAs must not generate issuerUniqueID and subjectUniqueID. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_unique_ids(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return policy_lint_if(!c->unique_ids, seen, "present");
}
