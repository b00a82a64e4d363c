/* RFC 6960 4.1.1: issuerNameHash and issuerKeyHash are made with hashAlgorithm. */
#include "policy/lint/ocsp.h"

static size_t hash_size(struct slice oid)
{
    static const uint8_t sha1[] = {0x2b, 0x0e, 3, 2, 0x1a};
    static const uint8_t sha2[] = {0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2};
    if (slice_eq(oid, slice_of(sha1, sizeof sha1))) {
        return 20;
    }
    if (oid.len != 9 || memcmp(oid.ptr, sha2, sizeof sha2) != 0) {
        return 0;
    }
    return oid.ptr[8] == 1 ? 32 : oid.ptr[8] == 2 ? 48 : oid.ptr[8] == 3 ? 64 : 0;
}

enum policy_outcome policy_lint_ocsp_single_hash_length(const struct policy_lint_single *s,
                                                        struct policy_lint_seen *seen)
{
    size_t n = hash_size(s->hash.oid);
    if (n == 0) {
        return policy_lint_oid(seen, s->hash.oid);
    }
    return policy_lint_if(s->name_hash.len == n && s->key_hash.len == n, seen, "another length");
}
