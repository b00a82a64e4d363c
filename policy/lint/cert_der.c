/* RFC 5280 4.1: a certificate is the DER encoding of its fields, nothing more and nothing less. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_der(const struct policy_lint_cert *c,
                                         struct policy_lint_seen *seen)
{
    return c->wrong == NULL ? POLICY_PASS : policy_lint_words(seen, c->wrong);
}
