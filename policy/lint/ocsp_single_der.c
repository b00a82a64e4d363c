/* RFC 6960 4.2.1: SingleResponse: CertID, status, times and, perhaps, extensions. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_der(const struct policy_lint_single *s,
                                                struct policy_lint_seen *seen)
{
    return s->wrong == NULL ? POLICY_PASS : policy_lint_words(seen, s->wrong);
}
