/* RFC 6960 4.2.1: ResponseData is DER; only a successful response holds any. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_der(const struct policy_lint_ocsp *o,
                                         struct policy_lint_seen *seen)
{
    return o->wrong == NULL ? POLICY_PASS : policy_lint_words(seen, o->wrong);
}
