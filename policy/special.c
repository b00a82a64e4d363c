/* Special-use names and addresses. */
#include "policy/special.h"

/* Last labels that lead out of the public DNS. example.com and its like are names of the DNS. */
static const char *const last_labels[] = {
    "alt",       /* RFC 9476 */
    "arpa",      /* infrastructure: in-addr.arpa, ip6.arpa, home.arpa (RFC 8375) ... */
    "example",   /* RFC 6761 6.5 */
    "internal",  /* ICANN board resolution 2024.07.29.06 */
    "invalid",   /* RFC 6761 6.4 */
    "local",     /* RFC 6762 3 */
    "localhost", /* RFC 6761 6.3 */
    "onion",     /* RFC 7686 */
    "test",      /* RFC 6761 6.2 */
};

bool policy_special_name(struct slice name)
{
    if (name.len > 2 && name.ptr[0] == '*' && name.ptr[1] == '.') {
        name = slice_sub(name, 2, name.len);
    }
    const uint8_t *dot = name.len == 0 ? NULL : memrchr(name.ptr, '.', name.len);
    if (dot == NULL) {
        return true; /* a single label */
    }
    struct slice last = slice_sub(name, (size_t)(dot - name.ptr) + 1, name.len);
    for (size_t i = 0; i < sizeof last_labels / sizeof *last_labels; i++) {
        if (slice_eq(last, slice_str(last_labels[i]))) {
            return true;
        }
    }
    return false;
}

struct range {
    uint8_t address[4]; /* the first octets; what follows is zero */
    unsigned bits;
};

/* IANA IPv4 Special-Purpose Address Registry; multicast (RFC 5771). */
static const struct range v4[] = {
    {{0}, 8},             /* this network, RFC 791 */
    {{10}, 8},            /* private, RFC 1918 */
    {{100, 64}, 10},      /* shared, RFC 6598 */
    {{127}, 8},           /* loopback, RFC 1122 */
    {{169, 254}, 16},     /* link local, RFC 3927 */
    {{172, 16}, 12},      /* private, RFC 1918 */
    {{192, 0, 0}, 24},    /* protocol assignments, RFC 6890 */
    {{192, 0, 2}, 24},    /* documentation, RFC 5737 */
    {{192, 31, 196}, 24}, /* AS112, RFC 7535 */
    {{192, 52, 193}, 24}, /* AMT, RFC 7450 */
    {{192, 88, 99}, 24},  /* 6to4 relays, RFC 7526 */
    {{192, 168}, 16},     /* private, RFC 1918 */
    {{192, 175, 48}, 24}, /* AS112, RFC 7534 */
    {{198, 18}, 15},      /* benchmarking, RFC 2544 */
    {{198, 51, 100}, 24}, /* documentation, RFC 5737 */
    {{203, 0, 113}, 24},  /* documentation, RFC 5737 */
    {{224}, 3},           /* multicast, RFC 5771; reserved and broadcast, RFC 1112 */
};

/* Inside 2000::/3; all else is not global unicast (IANA IPv6 Address Space). */
static const struct range v6[] = {
    {{0x20, 0x01, 0x00}, 23},       /* protocol assignments: Teredo, ORCHID ..., RFC 2928 */
    {{0x20, 0x01, 0x0d, 0xb8}, 32}, /* documentation, RFC 3849 */
    {{0x20, 0x02}, 16},             /* 6to4, RFC 3056 */
    {{0x3f, 0xff}, 20},             /* documentation, RFC 9637 */
};
static const uint8_t as112_v6[6] = {0x26, 0x20, 0x00, 0x4f, 0x80, 0x00}; /* /48, RFC 7534 */

static bool inside(const struct range *r, struct slice address)
{
    size_t octets = r->bits / 8;
    unsigned rest = r->bits % 8;
    return memcmp(r->address, address.ptr, octets) == 0 &&
           (rest == 0 || (r->address[octets] ^ address.ptr[octets]) >> (8 - rest) == 0);
}

static bool inside_any(const struct range *r, size_t n, struct slice address)
{
    for (size_t i = 0; i < n; i++) {
        if (inside(&r[i], address)) {
            return true;
        }
    }
    return false;
}

bool policy_special_address(struct slice address)
{
    if (address.len == 4) {
        return inside_any(v4, sizeof v4 / sizeof *v4, address);
    }
    return address.len != 16 || (address.ptr[0] & 0xe0) != 0x20 ||
           inside_any(v6, sizeof v6 / sizeof *v6, address) ||
           memcmp(address.ptr, as112_v6, sizeof as112_v6) == 0;
}
