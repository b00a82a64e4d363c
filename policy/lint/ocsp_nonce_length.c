/* RFC 9654 2.1: SIZE(1..128). */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_nonce_length(const struct policy_lint_ocsp *o,
                                                  struct policy_lint_seen *seen)
{
    return !o->nonce_wrapped ? POLICY_NA
           : o->nonce.len >= 1 && o->nonce.len <= 128
               ? POLICY_PASS
               : policy_lint_number(seen, (int64_t)o->nonce.len);
}
