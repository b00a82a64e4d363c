/* SEC 1 2.3.3, through RFC 5480 2.2: an uncompressed point has twice the field's octets and one
 * more. */
#include "policy/lint/cert.h"

enum policy_outcome policy_lint_cert_ec_length(const struct policy_lint_cert *c,
                                               struct policy_lint_seen *seen)
{
    static const struct {
        uint8_t last; /* octet of the curve's OID: unique among the three */
        uint8_t octets;
    } fields[] = {{7, 32}, {0x22, 48}, {0x23, 66}};
    struct slice p = c->key.algorithm.parameters;
    for (size_t i = 0; c->key.type == POLICY_LINT_KEY_EC && i < 3; i++) {
        if (p.len > 2 && p.ptr[p.len - 1] == fields[i].last && p.len == (i == 0 ? 10 : 7)) {
            size_t n = c->key.bits.len;
            bool compressed = n > 0 && (c->key.bits.ptr[0] == 2 || c->key.bits.ptr[0] == 3);
            size_t want = compressed ? 1U + fields[i].octets : 1U + 2U * fields[i].octets;
            return n == want ? POLICY_PASS : policy_lint_number(seen, (int64_t)n);
        }
    }
    return POLICY_NA;
}
