/* Reads the values of a certificate's extensions for the lints (RFC 5280 4.2). A value that is not
 * of its type sets a bit of `bad`; its facts then stay empty. */
#include "policy/lint/cert.h"

#define ARC_CE 0x55, 0x1d
#define ARC_PKIX 0x2b, 6, 1, 5, 5, 7
#define ARC_CT 0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4
static const struct {
    uint8_t len, oid[10];
} ext_oids[POLICY_LINT_EXT_COUNT] = {
    [POLICY_LINT_EXT_SDA] = {3, {ARC_CE, 0x09}},
    [POLICY_LINT_EXT_SKI] = {3, {ARC_CE, 0x0e}},
    [POLICY_LINT_EXT_KU] = {3, {ARC_CE, 0x0f}},
    [POLICY_LINT_EXT_SAN] = {3, {ARC_CE, 0x11}},
    [POLICY_LINT_EXT_IAN] = {3, {ARC_CE, 0x12}},
    [POLICY_LINT_EXT_BASIC] = {3, {ARC_CE, 0x13}},
    [POLICY_LINT_EXT_NAMES] = {3, {ARC_CE, 0x1e}},
    [POLICY_LINT_EXT_CDP] = {3, {ARC_CE, 0x1f}},
    [POLICY_LINT_EXT_POLICIES] = {3, {ARC_CE, 0x20}},
    [POLICY_LINT_EXT_MAPPINGS] = {3, {ARC_CE, 0x21}},
    [POLICY_LINT_EXT_AKI] = {3, {ARC_CE, 0x23}},
    [POLICY_LINT_EXT_CONSTRAINTS] = {3, {ARC_CE, 0x24}},
    [POLICY_LINT_EXT_EKU] = {3, {ARC_CE, 0x25}},
    [POLICY_LINT_EXT_FRESHEST] = {3, {ARC_CE, 0x2e}},
    [POLICY_LINT_EXT_INHIBIT] = {3, {ARC_CE, 0x36}},
    [POLICY_LINT_EXT_NO_REV_AVAIL] = {3, {ARC_CE, 0x38}},
    [POLICY_LINT_EXT_AIA] = {8, {ARC_PKIX, 1, 1}},
    [POLICY_LINT_EXT_SIA] = {8, {ARC_PKIX, 1, 11}},
    [POLICY_LINT_EXT_TLS_FEATURE] = {8, {ARC_PKIX, 1, 24}},
    [POLICY_LINT_EXT_NOCHECK] = {9, {ARC_PKIX, 0x30, 1, 5}},
    [POLICY_LINT_EXT_SCT] = {10, {ARC_CT, 2}},
    [POLICY_LINT_EXT_POISON] = {10, {ARC_CT, 3}},
};

struct slice policy_lint_ext_oid(enum policy_lint_ext id)
{
    return slice_of(ext_oids[id].oid, ext_oids[id].len);
}

enum policy_lint_ext policy_lint_ext_id(struct slice oid)
{
    static const uint8_t ce[64] = {
        [0x09] = POLICY_LINT_EXT_SDA,      [0x0e] = POLICY_LINT_EXT_SKI,
        [0x0f] = POLICY_LINT_EXT_KU,       [0x11] = POLICY_LINT_EXT_SAN,
        [0x12] = POLICY_LINT_EXT_IAN,      [0x13] = POLICY_LINT_EXT_BASIC,
        [0x1e] = POLICY_LINT_EXT_NAMES,    [0x1f] = POLICY_LINT_EXT_CDP,
        [0x20] = POLICY_LINT_EXT_POLICIES, [0x21] = POLICY_LINT_EXT_MAPPINGS,
        [0x23] = POLICY_LINT_EXT_AKI,      [0x24] = POLICY_LINT_EXT_CONSTRAINTS,
        [0x25] = POLICY_LINT_EXT_EKU,      [0x2e] = POLICY_LINT_EXT_FRESHEST,
        [0x36] = POLICY_LINT_EXT_INHIBIT,  [0x38] = POLICY_LINT_EXT_NO_REV_AVAIL};
    if (oid.len == 3 && oid.ptr[0] == 0x55 && oid.ptr[1] == 0x1d) {
        return oid.ptr[2] < sizeof ce ? (enum policy_lint_ext)ce[oid.ptr[2]]
                                      : POLICY_LINT_EXT_UNKNOWN;
    }
    for (unsigned i = POLICY_LINT_EXT_AIA; i < POLICY_LINT_EXT_COUNT; i++) {
        if (slice_eq(oid, slice_of(ext_oids[i].oid, ext_oids[i].len))) {
            return (enum policy_lint_ext)i;
        }
    }
    return POLICY_LINT_EXT_UNKNOWN;
}

/* The one SEQUENCE that `value` is. */
static bool sequence(struct slice value, struct policy_walk *w)
{
    struct policy_walk outer = policy_walk_of(value);
    return policy_walk_into(&outer, 0x30, w) && policy_walk_done(&outer);
}

static bool read_key_usage(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w = policy_walk_of(value);
    struct slice s;
    if (!policy_walk_take(&w, 0x03, &s, NULL) || !policy_walk_done(&w) || s.len == 0 || s.len > 5 ||
        s.ptr[0] > 7 || (s.len == 1 && s.ptr[0] != 0)) {
        return false;
    }
    for (size_t i = 0; i < (s.len - 1) * 8; i++) {
        c->key_usage |= ((unsigned)s.ptr[1 + i / 8] >> (7 - i % 8) & 1U) << i;
    }
    /* X.690 11.2.2: no trailing zero bits, and those that are unused are zero (11.2.1). */
    uint8_t last = s.ptr[s.len - 1], unused = s.ptr[0];
    c->ku_minimal = s.len == 1 || (last & ((1U << (unused + 1)) - 1)) == 1U << unused;
    return true;
}

static bool read_basic(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w;
    bool odd = false;
    if (!sequence(value, &w)) {
        return false;
    }
    if (policy_walk_tag(&w) == 0x01) {
        if (!policy_lint_boolean(&w, 0x01, &c->is_ca, &odd)) {
            return false;
        }
        c->ca_default = odd || !c->is_ca;
    }
    if (policy_walk_tag(&w) == 0x02) {
        c->has_path = policy_walk_take(&w, 0x02, &c->path, NULL);
    }
    return policy_walk_done(&w) && (!c->has_path || c->path.len > 0);
}

static unsigned purpose(struct slice oid)
{
    static const uint8_t kp[] = {0x2b, 6, 1, 5, 5, 7, 3}, any[] = {0x55, 0x1d, 0x25, 0};
    static const uint8_t known[10] = {
        [1] = POLICY_LINT_EKU_SERVER, [2] = POLICY_LINT_EKU_CLIENT, [3] = POLICY_LINT_EKU_CODE,
        [4] = POLICY_LINT_EKU_EMAIL,  [8] = POLICY_LINT_EKU_TIME,   [9] = POLICY_LINT_EKU_OCSP};
    if (oid.len == 8 && memcmp(oid.ptr, kp, 7) == 0 && oid.ptr[7] < 10 && known[oid.ptr[7]] != 0) {
        return known[oid.ptr[7]];
    }
    return slice_eq(oid, slice_of(any, sizeof any)) ? POLICY_LINT_EKU_ANY : POLICY_LINT_EKU_OTHER;
}

static bool read_eku(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w;
    struct slice oid, first[16]; /* repetitions are looked for among the first so many */
    if (!sequence(value, &w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (!policy_walk_oid(&w, &oid)) {
            return false;
        }
        c->eku |= purpose(oid);
        for (size_t i = 0; i < c->n_eku && i < 16; i++) {
            c->eku_repeated = slice_eq(oid, first[i]) ? oid : c->eku_repeated;
        }
        if (c->n_eku < 16) {
            first[c->n_eku] = oid;
        }
        c->n_eku++;
    }
    return true;
}

static bool read_names(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w;
    if (!sequence(value, &w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        struct policy_lint_name *n = &c->names[c->n_names];
        uint8_t tag;
        if (c->n_names == POLICY_LINT_NAMES || !policy_lint_any(&w, &tag, &n->value, NULL)) {
            return false;
        }
        n->type = tag & 0x1f;
        bool constructed = n->type == 0 || (n->type >= 3 && n->type <= 5);
        if (n->type > 8 || tag != ((constructed ? 0xa0 : 0x80) | n->type)) {
            return false;
        }
        n->dns = 0;
        if (n->type == 2) {
            policy_lint_dns_scan(n);
        }
        c->n_names++;
    }
    return true;
}

/* ---- certificatePolicies ---- */

static void read_notice(struct policy_walk *in, struct policy_lint_cert *c)
{
    struct policy_walk notice;
    struct slice s;
    uint8_t tag;
    c->qualifiers |= POLICY_LINT_QUALIFIER_NOTICE;
    if (!policy_walk_into(in, 0x30, &notice)) {
        return;
    }
    if (policy_walk_tag(&notice) == 0x30 && !policy_walk_take(&notice, 0x30, &s, NULL)) {
        return; /* noticeRef */
    }
    if (policy_lint_any(&notice, &tag, &s, NULL)) {
        /* UTF8String, VisibleString or BMPString; at most 200 characters */
        bool type = tag == 0x0c || tag == 0x1a || tag == 0x1e;
        size_t n = 0;
        for (size_t i = 0; i < s.len; i++) {
            n += tag != 0x0c || (s.ptr[i] & 0xc0) != 0x80 ? 1 : 0;
        }
        n = tag == 0x1e ? n / 2 : n;
        c->qualifiers |= (type ? 0 : POLICY_LINT_QUALIFIER_TEXT_TYPE) |
                         (n > 200 ? POLICY_LINT_QUALIFIER_TEXT_LONG : 0);
    }
}

static bool read_qualifiers(struct policy_walk *list, struct policy_lint_cert *c)
{
    static const uint8_t qt[] = {0x2b, 6, 1, 5, 5, 7, 2};
    struct policy_walk in;
    struct slice oid, s;
    while (!policy_walk_done(list)) {
        if (!policy_walk_into(list, 0x30, &in) || !policy_walk_oid(&in, &oid)) {
            return false;
        }
        bool known = oid.len == 8 && memcmp(oid.ptr, qt, 7) == 0;
        if (known && oid.ptr[7] == 1) {
            bool http = policy_walk_take(&in, 0x16, &s, NULL) &&
                        (policy_lint_http(s) || (s.len > 8 && memcmp(s.ptr, "https://", 8) == 0));
            c->qualifiers |= http ? 0 : POLICY_LINT_QUALIFIER_CPS_NOT_HTTP;
        } else if (known && oid.ptr[7] == 2) {
            read_notice(&in, c);
        } else {
            c->qualifiers |= POLICY_LINT_QUALIFIER_OTHER;
        }
    }
    return true;
}

static bool read_policies(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w, in, qualifiers;
    if (!sequence(value, &w) || policy_walk_done(&w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (c->n_policies == POLICY_LINT_POLICIES || !policy_walk_into(&w, 0x30, &in) ||
            !policy_walk_oid(&in, &c->policies[c->n_policies])) {
            return false;
        }
        c->n_policies++;
        if (!policy_walk_done(&in) &&
            (!policy_walk_into(&in, 0x30, &qualifiers) || policy_walk_done(&qualifiers) ||
             !read_qualifiers(&qualifiers, c) || !policy_walk_done(&in))) {
            return false;
        }
    }
    return true;
}

/* ---- pointers ---- */

static void look_at_uri(uint8_t tag, struct slice url, unsigned *flags, struct slice *first)
{
    *flags |= tag == 0x86 ? POLICY_LINT_POINT_URI : 0;
    if (tag != 0x86 || !policy_lint_http(url)) {
        *first = (*flags & POLICY_LINT_POINT_NO_HTTP) == 0 ? url : *first;
        *flags |= POLICY_LINT_POINT_NO_HTTP;
    }
}

static bool read_access(struct slice value, struct policy_lint_cert *c)
{
    static const uint8_t ad[] = {0x2b, 6, 1, 5, 5, 7, 0x30};
    struct policy_walk w, in;
    struct slice oid, url;
    uint8_t tag;
    if (!sequence(value, &w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (!policy_walk_into(&w, 0x30, &in) || !policy_walk_oid(&in, &oid) ||
            !policy_lint_any(&in, &tag, &url, NULL) || !policy_walk_done(&in)) {
            return false;
        }
        bool known = oid.len == 8 && memcmp(oid.ptr, ad, 7) == 0;
        c->access |= known && oid.ptr[7] == 1   ? POLICY_LINT_POINT_OCSP
                     : known && oid.ptr[7] == 2 ? POLICY_LINT_POINT_CA
                                                : POLICY_LINT_POINT_OTHER;
        look_at_uri(tag, url, &c->access, &c->access_url);
        c->n_access++;
    }
    return true;
}

static bool read_point(struct policy_walk *in, struct policy_lint_cert *c)
{
    struct policy_walk name, full;
    struct slice s;
    uint8_t tag;
    bool named = false;
    if (policy_walk_tag(in) == 0xa0) {
        if (!policy_walk_into(in, 0xa0, &name)) {
            return false;
        }
        named = policy_walk_tag(&name) == 0xa0;
        c->points |= policy_walk_tag(&name) == 0xa1 ? POLICY_LINT_POINT_RELATIVE : 0;
        if (named) {
            if (!policy_walk_into(&name, 0xa0, &full)) {
                return false;
            }
            while (!policy_walk_done(&full)) {
                if (!policy_lint_any(&full, &tag, &s, NULL)) {
                    return false;
                }
                look_at_uri(tag, s, &c->points, &c->points_url);
            }
        } else if (!policy_walk_take(&name, 0xa1, &s, NULL)) {
            return false;
        }
        named = true;
    }
    if (policy_walk_take(in, 0x81, &s, NULL)) {
        c->points |= POLICY_LINT_POINT_REASONS;
    }
    if (policy_walk_take(in, 0xa2, &s, NULL)) {
        c->points |= POLICY_LINT_POINT_ISSUER;
        named = true;
    }
    c->points |= named ? 0 : POLICY_LINT_POINT_EMPTY;
    c->n_points++;
    return policy_walk_done(in);
}

static bool read_points(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w, in;
    if (!sequence(value, &w) || policy_walk_done(&w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (!policy_walk_into(&w, 0x30, &in) || !read_point(&in, c)) {
            return false;
        }
    }
    return true;
}

/* ---- what CA certificates constrain ---- */

static bool mask_ok(struct slice s)
{
    bool ended = false;
    for (size_t i = s.len / 2 * 8; i < s.len * 8; i++) {
        bool bit = (s.ptr[i / 8] >> (7 - i % 8) & 1) != 0;
        if (bit && ended) {
            return false;
        }
        ended = ended || !bit;
    }
    return true;
}

static bool read_trees(struct policy_walk *list, struct policy_lint_cert *c)
{
    struct policy_walk tree;
    struct slice s;
    uint8_t tag;
    c->trees |= policy_walk_done(list) ? POLICY_LINT_TREES_EMPTY : 0;
    while (!policy_walk_done(list)) {
        if (!policy_walk_into(list, 0x30, &tree) || !policy_lint_any(&tree, &tag, &s, NULL)) {
            return false;
        }
        c->trees |= policy_walk_done(&tree) ? 0 : POLICY_LINT_TREES_LIMITS;
        if (tag == 0x87 && ((s.len != 8 && s.len != 32) || !mask_ok(s))) {
            c->trees |= POLICY_LINT_TREES_ADDRESS;
        }
        if (tag == 0x82 && s.len > 0 && (s.ptr[0] == '.' || s.ptr[0] == '*')) {
            c->trees |= POLICY_LINT_TREES_DNS;
        }
    }
    return true;
}

static bool read_constraints(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w, list;
    if (!sequence(value, &w)) {
        return false;
    }
    c->trees |= policy_walk_done(&w) ? POLICY_LINT_TREES_EMPTY : 0;
    for (uint8_t tag = 0xa0; tag <= 0xa1; tag++) {
        if (policy_walk_tag(&w) == tag &&
            (!policy_walk_into(&w, tag, &list) || !read_trees(&list, c))) {
            return false;
        }
    }
    return policy_walk_done(&w);
}

static bool read_mappings(struct slice value, struct policy_lint_cert *c)
{
    static const uint8_t any[] = {0x55, 0x1d, 0x20, 0};
    struct policy_walk w, in;
    struct slice a, b;
    if (!sequence(value, &w) || policy_walk_done(&w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (!policy_walk_into(&w, 0x30, &in) || !policy_walk_oid(&in, &a) ||
            !policy_walk_oid(&in, &b) || !policy_walk_done(&in)) {
            return false;
        }
        c->mapping_any = c->mapping_any || slice_eq(a, slice_of(any, sizeof any)) ||
                         slice_eq(b, slice_of(any, sizeof any));
    }
    return true;
}

static bool read_policy_constraints(struct slice value, struct policy_lint_cert *c)
{
    struct policy_walk w;
    struct slice s;
    if (!sequence(value, &w)) {
        return false;
    }
    c->constraints_empty = policy_walk_done(&w);
    for (uint8_t tag = 0x80; tag <= 0x81; tag++) {
        if (policy_walk_tag(&w) == tag && !policy_walk_take(&w, tag, &s, NULL)) {
            return false;
        }
    }
    return policy_walk_done(&w);
}

/* ---- the rest ---- */

/* One element of `tag` and nothing else; its content. */
static bool only(struct slice value, uint8_t tag, struct slice *content)
{
    struct policy_walk w = policy_walk_of(value);
    return policy_walk_take(&w, tag, content, NULL) && policy_walk_done(&w);
}

/* RFC 7633 4.1: Features ::= SEQUENCE OF INTEGER */
static bool features_ok(struct slice value)
{
    struct policy_walk w;
    struct slice s;
    if (!sequence(value, &w) || policy_walk_done(&w)) {
        return false;
    }
    while (!policy_walk_done(&w)) {
        if (!policy_walk_take(&w, 0x02, &s, NULL) || !policy_lint_minimal(s)) {
            return false;
        }
    }
    return true;
}

/* RFC 6962 3.3: an OCTET STRING that holds lists with two-octet lengths, TLS style. */
static bool scts_ok(struct slice value)
{
    struct slice list;
    if (!only(value, 0x04, &list) || list.len < 2 ||
        ((size_t)list.ptr[0] << 8 | list.ptr[1]) != list.len - 2) {
        return false;
    }
    list = slice_sub(list, 2, list.len);
    while (list.len >= 2) {
        size_t n = (size_t)list.ptr[0] << 8 | list.ptr[1];
        if (n == 0 || n > list.len - 2) {
            return false;
        }
        list = slice_sub(list, n + 2, list.len);
    }
    return list.len == 0;
}

static bool read_value(enum policy_lint_ext id, struct slice v, struct policy_lint_cert *c)
{
    struct policy_walk w;
    struct slice s;
    switch (id) {
    case POLICY_LINT_EXT_KU:
        return read_key_usage(v, c);
    case POLICY_LINT_EXT_BASIC:
        return read_basic(v, c);
    case POLICY_LINT_EXT_EKU:
        return read_eku(v, c);
    case POLICY_LINT_EXT_SAN:
        return read_names(v, c);
    case POLICY_LINT_EXT_POLICIES:
        return read_policies(v, c);
    case POLICY_LINT_EXT_AKI:
        return policy_lint_read_aki(v, &c->aki);
    case POLICY_LINT_EXT_SKI:
        return only(v, 0x04, &c->ski);
    case POLICY_LINT_EXT_CDP:
        return read_points(v, c);
    case POLICY_LINT_EXT_AIA:
        return read_access(v, c);
    case POLICY_LINT_EXT_NAMES:
        return read_constraints(v, c);
    case POLICY_LINT_EXT_MAPPINGS:
        return read_mappings(v, c);
    case POLICY_LINT_EXT_CONSTRAINTS:
        return read_policy_constraints(v, c);
    case POLICY_LINT_EXT_INHIBIT:
        return only(v, 0x02, &s) && policy_lint_minimal(s);
    case POLICY_LINT_EXT_TLS_FEATURE:
        return features_ok(v);
    case POLICY_LINT_EXT_NOCHECK:
    case POLICY_LINT_EXT_NO_REV_AVAIL:
    case POLICY_LINT_EXT_POISON:
        return only(v, 0x05, &s) && s.len == 0;
    case POLICY_LINT_EXT_SCT:
        return scts_ok(v);
    case POLICY_LINT_EXT_SDA:
    case POLICY_LINT_EXT_IAN:
    case POLICY_LINT_EXT_FRESHEST:
    case POLICY_LINT_EXT_SIA:
        return sequence(v, &w) && !policy_walk_done(&w);
    case POLICY_LINT_EXT_UNKNOWN:
    case POLICY_LINT_EXT_COUNT:
        break;
    }
    return true;
}

void policy_lint_cert_extensions(struct policy_lint_cert *c)
{
    for (size_t i = 0; i < c->extensions.n; i++) {
        const struct policy_lint_extension *e = &c->extensions.at[i];
        enum policy_lint_ext id = policy_lint_ext_id(e->oid);
        if (id == POLICY_LINT_EXT_UNKNOWN || c->ext[id] != NULL) {
            continue;
        }
        c->ext[id] = e;
        if (!read_value(id, e->value, c)) {
            c->bad |= 1U << id;
        }
    }
}
