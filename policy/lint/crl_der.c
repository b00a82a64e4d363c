/* RFC 5280 5.1: a CRL is the DER encoding of its fields, nothing more and nothing less. */
#include "policy/lint/crl.h"

enum policy_outcome policy_lint_crl_der(const struct policy_lint_crl *c,
                                        struct policy_lint_seen *seen)
{
    return c->wrong == NULL ? POLICY_PASS : policy_lint_words(seen, c->wrong);
}
