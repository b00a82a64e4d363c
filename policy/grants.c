/* Names as keys: those that a binding or a tenant lists, and those that a request asks for. */
#include "policy/policy_int.h"

static const uint8_t oid_upn[] = {0x2b, 6, 1, 4, 1, 0x82, 0x37, 0x14, 2, 3};

/* ---- building keys ---- */

static bool put(struct policy_bound_key *k, struct slice s)
{
    if (s.len > sizeof k->octets - k->len) {
        return false;
    }
    if (s.len > 0) {
        memcpy(k->octets + k->len, s.ptr, s.len);
    }
    k->len += s.len;
    return true;
}

static bool put_octet(struct policy_bound_key *k, uint8_t c)
{
    return put(k, slice_of(&c, 1));
}

/* Backwards, so that a domain begins what lies below it. */
bool policy_bound_dns(struct slice name, struct policy_bound_key *k)
{
    if (name.len == 0 || name.len > 255) {
        return false;
    }
    k->octets[0] = 'd';
    for (size_t i = 0; i < name.len; i++) {
        k->octets[name.len - i] = name.ptr[i];
    }
    k->octets[name.len + 1] = '.';
    k->len = name.len + 2;
    return true;
}

static void address_key(const uint8_t *octets, size_t len, size_t bits, struct policy_bound_key *k)
{
    k->octets[0] = 'i';
    k->octets[1] = len == 4 ? '4' : '6';
    for (size_t i = 0; i < bits; i++) {
        k->octets[2 + i] = (uint8_t)('0' + (octets[i / 8] >> (7 - i % 8) & 1));
    }
    k->len = 2 + bits;
}

/* The domain first, so that it begins all addresses in it. */
bool policy_bound_mail(uint8_t kind, struct slice address, struct policy_bound_key *k)
{
    const uint8_t *at = address.len == 0 ? NULL : memchr(address.ptr, '@', address.len);
    size_t local = at == NULL ? 0 : (size_t)(at - address.ptr);
    struct slice domain = slice_sub(address, local + 1, address.len);
    k->len = 0;
    return local > 0 && domain.len > 0 && memchr(domain.ptr, '@', domain.len) == NULL &&
           put_octet(k, kind) && put(k, domain) && put_octet(k, '@') &&
           put(k, slice_of(address.ptr, local));
}

static bool put_attribute(struct policy_bound_key *k, struct slice oid, struct slice value)
{
    return oid.len < 256 && put_octet(k, (uint8_t)oid.len) && put(k, oid) && put(k, value);
}

bool policy_bound_attribute(uint8_t kind, struct slice oid, struct slice value,
                            struct policy_bound_key *k)
{
    k->len = 0;
    return put_octet(k, kind) && put_attribute(k, oid, value);
}

static bool uri_key(struct slice uri, struct policy_bound_key *k)
{
    bool spiffe = uri.len >= 9 && memcmp(uri.ptr, "spiffe://", 9) == 0;
    k->len = 0;
    return (spiffe ? policy_text_spiffe(uri) : policy_text_uri(uri)) && put_octet(k, 'u') &&
           put(k, uri);
}

/* OtherName ::= SEQUENCE { type-id, value [0] EXPLICIT }, here its content; a user principal name
 * is a UTF8String. */
static bool upn_key(struct slice der, struct policy_bound_key *k)
{
    struct policy_walk w = policy_walk_of(der), inside;
    struct slice oid, text;
    return policy_walk_oid(&w, &oid) && slice_eq(oid, slice_of(oid_upn, sizeof oid_upn)) &&
           policy_walk_into(&w, 0xa0, &inside) && policy_walk_done(&w) &&
           policy_walk_take(&inside, 0x0c, &text, NULL) && policy_walk_done(&inside) &&
           policy_text_clean(text) && policy_bound_mail('n', text, k);
}

static bool directory_key(struct slice der, struct policy_bound_key *k)
{
    struct policy_walk outer = policy_walk_of(der), rdns, set, pair;
    struct slice oid, value;
    k->len = 0;
    if (!put_octet(k, 'x') || !policy_walk_into(&outer, 0x30, &rdns) || !policy_walk_done(&outer) ||
        policy_walk_done(&rdns)) {
        return false;
    }
    while (!policy_walk_done(&rdns)) {
        if (!policy_walk_into(&rdns, 0x31, &set) || !policy_walk_into(&set, 0x30, &pair) ||
            !policy_walk_done(&set) || !policy_walk_oid(&pair, &oid)) {
            return false;
        }
        uint8_t tag = policy_walk_tag(&pair);
        if ((tag != 0x0c && tag != 0x13 && tag != 0x16) ||
            !policy_walk_take(&pair, tag, &value, NULL) || !policy_walk_done(&pair) ||
            !policy_text_clean(value) || !put_attribute(k, oid, value) || !put_octet(k, 0)) {
            return false;
        }
    }
    return true;
}

bool policy_bound_san(const struct permit_san *san, struct policy_bound_key *k)
{
    switch (san->type) {
    case 1:
        return upn_key(san->value, k);
    case 2:
        return policy_bound_mail('e', san->value, k);
    case 3:
        return policy_bound_dns(san->value, k);
    case 5:
        return directory_key(san->value, k);
    case 7:
        return uri_key(san->value, k);
    case 8:
        if (san->value.len != 4 && san->value.len != 16) {
            return false;
        }
        address_key(san->value.ptr, san->value.len, san->value.len * 8, k);
        return true;
    default:
        return false;
    }
}

/* ---- reading what a bundle lists ---- */

struct reading {
    struct policy_bundle *b;
    const struct policy_grant *g;
    const struct conf_node *map; /* of one kind of name */
    struct diag *diag;
};

static bool domain_ok(struct slice s)
{
    return policy_text_dns(s, false, true);
}

static bool mail_ok(struct slice s)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, '@', s.len);
    return at != NULL && at != s.ptr && s.len <= 254 && policy_text_ascii(s) &&
           memchr(s.ptr, ' ', s.len) == NULL &&
           domain_ok(slice_sub(s, (size_t)(at - s.ptr) + 1, s.len));
}

static bool upn_ok(struct slice s)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, '@', s.len);
    return at != NULL && at != s.ptr && s.len <= 512 && policy_text_clean(s) &&
           domain_ok(slice_sub(s, (size_t)(at - s.ptr) + 1, s.len));
}

static bool prefix_ok(struct slice s)
{
    return s.len > 0 && s.ptr[s.len - 1] == '/' && policy_text_uri(s) && s.len <= 512 &&
           (s.len < 9 || memcmp(s.ptr, "spiffe://", 9) != 0);
}

/* A SPIFFE ID, or one whose last segment is "*": everything below. */
static bool spiffe_ok(struct slice s)
{
    if (s.len > 512 || s.len < 2) {
        return false;
    }
    if (s.ptr[s.len - 1] != '*') {
        return policy_text_spiffe(s);
    }
    uint8_t whole[512];
    memcpy(whole, s.ptr, s.len);
    whole[s.len - 1] = 'x';
    return whole[s.len - 2] == '/' && policy_text_spiffe(slice_of(whole, s.len));
}

static bool network_ok(struct slice s)
{
    struct policy_net net;
    return policy_net_read((const char *)s.ptr, &net);
}

static bool value_ok(struct slice s)
{
    const uint8_t *star = s.len == 0 ? NULL : memchr(s.ptr, '*', s.len);
    return s.len > 0 && s.len <= 256 && policy_text_clean(s) &&
           (star == NULL || star == s.ptr + s.len - 1);
}

/* Turns one listed text into its key; `open`: it matches what begins with it. */
typedef void make_key(struct slice s, struct policy_bound_key *k, bool *open);

static void key_suffix(struct slice s, struct policy_bound_key *k, bool *open)
{
    *open = policy_bound_dns(s, k);
}

static void key_exact(struct slice s, struct policy_bound_key *k, bool *open)
{
    *open = !policy_bound_dns(s, k);
}

static void key_network(struct slice s, struct policy_bound_key *k, bool *open)
{
    struct policy_net net = {.len = 0};
    *open = policy_net_read((const char *)s.ptr, &net);
    address_key(net.address, net.len, net.bits, k);
}

static void key_domain(uint8_t kind, struct slice s, struct policy_bound_key *k, bool *open)
{
    k->len = 0;
    *open = put_octet(k, kind) && put(k, s) && put_octet(k, '@');
}

static void key_mail_domain(struct slice s, struct policy_bound_key *k, bool *open)
{
    key_domain('e', s, k, open);
}

static void key_upn_domain(struct slice s, struct policy_bound_key *k, bool *open)
{
    key_domain('n', s, k, open);
}

static void key_mail(struct slice s, struct policy_bound_key *k, bool *open)
{
    *open = !policy_bound_mail('e', s, k);
}

static void key_upn(struct slice s, struct policy_bound_key *k, bool *open)
{
    *open = !policy_bound_mail('n', s, k);
}

static void key_uri(struct slice s, struct policy_bound_key *k, bool *open)
{
    bool star = s.ptr[s.len - 1] == '*';
    k->len = 0;
    *open = (star || s.ptr[s.len - 1] == '/') && put_octet(k, 'u');
    if (!*open) {
        (void)put_octet(k, 'u');
    }
    (void)put(k, slice_of(s.ptr, s.len - (star ? 1 : 0)));
}

static enum chancery_err read_list(struct reading *r, const char *key, policy_text_ok *ok,
                                   make_key *make)
{
    struct policy_list list = {NULL, 0};
    const struct conf_node *at = conf_get(r->map, key);
    TRY(policy_compile_list(r->b, r->map, key, CONF_OPTIONAL, true, ok, &list, r->diag));
    for (size_t i = 0; i < list.n; i++) {
        struct policy_bound_key k = {.len = 0};
        bool open = false;
        make(list.at[i], &k, &open);
        TRY(policy_grant_add(r->b, r->g, at, slice_of(k.octets, k.len), open, r->diag));
    }
    return CH_OK;
}

/* Attribute type of a key in the map: a known name or an OID. */
static enum chancery_err attribute_type(struct reading *r, size_t i, struct slice *oid)
{
    const char *name = conf_key_at(r->map, i);
    const struct policy_attribute *a = policy_attribute_named(name);
    if (a != NULL) {
        *oid = a->oid;
        return CH_OK;
    }
    return policy_compile_oid(r->b, conf_at(r->map, i), name, oid, r->diag);
}

static enum chancery_err add_key(struct reading *r, const struct conf_node *at,
                                 const struct policy_bound_key *k, bool open)
{
    return policy_grant_add(r->b, r->g, at, slice_of(k->octets, k->len), open, r->diag);
}

/* subject: {CN: [..], O: [..]} */
static enum chancery_err read_subject(struct reading *r)
{
    for (size_t i = 0; i < conf_count(r->map); i++) {
        struct policy_list list = {NULL, 0};
        struct policy_bound_key k;
        struct slice oid;
        TRY(attribute_type(r, i, &oid));
        TRY(policy_compile_list(r->b, r->map, conf_key_at(r->map, i), CONF_REQUIRED, true, value_ok,
                                &list, r->diag));
        (void)policy_bound_attribute('l', oid, slice_of(NULL, 0), &k);
        TRY(add_key(r, r->map, &k, false));
        for (size_t n = 0; n < list.n; n++) {
            struct slice v = list.at[n];
            bool open = v.ptr[v.len - 1] == '*';
            v.len -= open ? 1 : 0;
            (void)policy_bound_attribute('s', oid, v, &k);
            TRY(add_key(r, conf_at(r->map, i), &k, open));
        }
    }
    return CH_OK;
}

/* One directory name: {C: XX, O: Example, CN: dev-*}; a * at the end of the last value alone. */
static enum chancery_err read_directory_name(struct reading *r)
{
    struct policy_bound_key k = {.octets = {'x'}, .len = 1};
    size_t n = conf_count(r->map);
    bool open = false;
    if (conf_kind(r->map) != CONF_MAP || n == 0 || n > 16) {
        return conf_error(r->map, CH_INVALID, "policy.value", r->diag,
                          "a directory name is a map of 1 to 16 attributes in their order");
    }
    for (size_t i = 0; i < n; i++) {
        const char *text = NULL;
        struct slice oid;
        TRY(attribute_type(r, i, &oid));
        TRY(conf_scalar(conf_at(r->map, i), &text, r->diag));
        struct slice v = slice_str(text);
        open = v.len > 0 && v.ptr[v.len - 1] == '*';
        if (!value_ok(v) || (open && i + 1 < n)) {
            return conf_error(conf_at(r->map, i), CH_INVALID, "policy.value", r->diag,
                              "a value has 1 to 256 octets; a * may end the last one only");
        }
        v.len -= open ? 1 : 0;
        if (!put_attribute(&k, oid, v) || (!open && !put_octet(&k, 0))) {
            return conf_error(r->map, CH_LIMIT, "policy.value", r->diag,
                              "this directory name is too long");
        }
    }
    return add_key(r, r->map, &k, open);
}

static enum chancery_err read_directory(struct reading *r, const struct conf_node *names)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(names, "directory_name", CONF_OPTIONAL, &list, r->diag));
    if (conf_count(list) > POLICY_BINDING_LIST_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", r->diag,
                          "\"directory_name\" has at most %d entries", POLICY_BINDING_LIST_MAX);
    }
    for (size_t i = 0; i < conf_count(list); i++) {
        r->map = conf_at(list, i);
        TRY(read_directory_name(r));
    }
    return CH_OK;
}

enum chancery_err policy_grant_names(struct policy_bundle *b, const struct conf_node *names,
                                     struct policy_grant *g, struct diag *diag)
{
    static const struct {
        const char *map, *key;
        policy_text_ok *ok;
        make_key *make;
    } lists[] = {
        {"dns", "suffixes", domain_ok, key_suffix},
        {"dns", "exact", domain_ok, key_exact},
        {"ip", "networks", network_ok, key_network},
        {"email", "domains", domain_ok, key_mail_domain},
        {"email", "addresses", mail_ok, key_mail},
        {"upn", "domains", domain_ok, key_upn_domain},
        {"upn", "exact", upn_ok, key_upn},
        {"uri", "prefixes", prefix_ok, key_uri},
        {"uri", "spiffe_ids", spiffe_ok, key_uri},
    };
    struct reading r = {.b = b, .g = g, .diag = diag};
    int64_t depth = 0;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        r.map = NULL;
        TRY(conf_map(names, lists[i].map, CONF_OPTIONAL, &r.map, diag));
        if (r.map != NULL) {
            TRY(read_list(&r, lists[i].key, lists[i].ok, lists[i].make));
        }
    }
    r.map = NULL;
    TRY(conf_map(names, "dns", CONF_OPTIONAL, &r.map, diag));
    if (r.map != NULL) {
        TRY(conf_int(r.map, "wildcard_depth", CONF_OPTIONAL, 0, 16, &depth, diag));
    }
    g->wildcard_depth = (unsigned)depth;
    r.map = NULL;
    TRY(conf_map(names, "subject", CONF_OPTIONAL, &r.map, diag));
    if (r.map != NULL) {
        TRY(read_subject(&r));
    }
    return read_directory(&r, names);
}
