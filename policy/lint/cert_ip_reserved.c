/* BR 4.2.2: no address that IANA has marked as reserved: private, loopback, link-local,
 * documentation and the like; of IPv6 only global unicast (2000::/3). */
#include "policy/lint/cert.h"

struct block {
    uint8_t first[4];
    unsigned bits;
};
static const struct block reserved[] = {
    {{0, 0, 0, 0}, 8},      {{10, 0, 0, 0}, 8},    {{100, 64, 0, 0}, 10},   {{127, 0, 0, 0}, 8},
    {{169, 254, 0, 0}, 16}, {{172, 16, 0, 0}, 12}, {{192, 0, 0, 0}, 24},    {{192, 0, 2, 0}, 24},
    {{192, 168, 0, 0}, 16}, {{198, 18, 0, 0}, 15}, {{198, 51, 100, 0}, 24}, {{203, 0, 113, 0}, 24},
    {{224, 0, 0, 0}, 3}};

static bool is_reserved(struct slice ip)
{
    static const uint8_t documentation[] = {0x20, 0x01, 0x0d, 0xb8};
    if (ip.len == 16) {
        return (ip.ptr[0] & 0xe0) != 0x20 || memcmp(ip.ptr, documentation, 4) == 0;
    }
    uint32_t at = (uint32_t)ip.ptr[0] << 24 | (uint32_t)ip.ptr[1] << 16 | (uint32_t)ip.ptr[2] << 8 |
                  ip.ptr[3];
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
        const uint8_t *f = reserved[i].first;
        uint32_t from = (uint32_t)f[0] << 24 | (uint32_t)f[1] << 16 | (uint32_t)f[2] << 8 | f[3];
        if ((at ^ from) >> (32 - reserved[i].bits) == 0) {
            return true;
        }
    }
    return false;
}

enum policy_outcome policy_lint_cert_ip_reserved(const struct policy_lint_cert *c,
                                                 struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        struct slice v = c->names[i].value;
        if (c->names[i].type == 7 && (v.len == 4 || v.len == 16)) {
            if (is_reserved(v)) {
                return policy_lint_octets(seen, v);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}
