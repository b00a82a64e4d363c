/* RFC 6960 4.1.1: the CertID repeats the request's; clients ask with one algorithm. */
#include "policy/lint/ocsp.h"

enum policy_outcome policy_lint_ocsp_single_hash_same(const struct policy_lint_single *s,
                                                      struct policy_lint_seen *seen)
{
    if (s->previous_hash.len == 0) {
        return POLICY_NA;
    }
    return slice_eq(s->hash.oid, s->previous_hash) ? POLICY_PASS
                                                   : policy_lint_oid(seen, s->hash.oid);
}
