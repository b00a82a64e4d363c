/* RFC 5280 4.1.2.6: the subject of a CA is a non-empty distinguished name. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_subject_ca(const struct policy_lint_cert *c,
                                                struct policy_lint_seen *seen)
{
    return c->is_ca ? policy_lint_if(c->subject.n > 0, seen, "empty") : POLICY_NA;
}
