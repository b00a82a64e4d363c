/* `extensions.name_constraints` (RFC 5280 4.2.1.10) and `extensions.tls_feature` (RFC 7633). */
#include <stdlib.h>

#include "policy/policy_int.h"

enum { TAG_EMAIL = 1, TAG_DNS = 2, TAG_DIRECTORY = 4, TAG_URI = 6, TAG_IP = 7 };

/* A domain and all below; "" stands for every name. */
static bool dns_ok(struct slice s)
{
    return s.len == 0 || policy_text_dns(s, false, true);
}

/* A host, or with a leading dot everything below a domain. */
static bool host_ok(struct slice s)
{
    return policy_text_dns(s.len > 1 && s.ptr[0] == '.' ? slice_sub(s, 1, s.len) : s, false, true);
}

/* One mailbox, all of a host, or all of the hosts below a domain. */
static bool email_ok(struct slice s)
{
    const uint8_t *at = s.len == 0 ? NULL : memchr(s.ptr, '@', s.len);
    if (at == NULL) {
        return host_ok(s);
    }
    struct slice local = slice_of(s.ptr, (size_t)(at - s.ptr));
    struct slice host = slice_sub(s, local.len + 1, s.len);
    return local.len > 0 && local.len <= 64 && policy_text_ascii(s) &&
           memchr(local.ptr, ' ', local.len) == NULL && policy_text_dns(host, false, true);
}

static enum chancery_err read_text(struct policy_bundle *b, const struct conf_node *n, uint8_t tag,
                                   struct policy_subtree *out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_scalar(n, &text, diag));
    struct slice s = slice_str(text);
    bool ok = tag == TAG_DNS ? dns_ok(s) : tag == TAG_URI ? host_ok(s) : email_ok(s);
    if (!ok) {
        return conf_error(
            n, CH_INVALID, "policy.value", diag,
            "a subtree is written example.test (dns; \"\" for all), host.example.test "
            "or .example.test (uri, email), or user@example.test (email)");
    }
    uint8_t *copy = arena_copy(&b->arena, s);
    *out = (struct policy_subtree){.tag = tag, .value = slice_of(copy, s.len)};
    return copy == NULL ? CH_NOMEM : CH_OK;
}

/* Address and mask, RFC 5280 4.2.1.10. */
static enum chancery_err read_ip(struct policy_bundle *b, const struct conf_node *n, uint8_t tag,
                                 struct policy_subtree *out, struct diag *diag)
{
    const char *text = NULL;
    struct policy_net net;
    TRY(conf_scalar(n, &text, diag));
    if (!policy_net_read(text, &net)) {
        return conf_error(n, CH_INVALID, "policy.value", diag,
                          "a network is written 10.1.0.0/16 or 2001:db8::/32, host bits zero");
    }
    uint8_t value[32] = {0};
    memcpy(value, net.address, net.len);
    for (unsigned i = 0; i < net.bits; i++) {
        value[net.len + i / 8] |= (uint8_t)(0x80U >> i % 8);
    }
    uint8_t *copy = arena_copy(&b->arena, slice_of(value, 2 * net.len));
    *out = (struct policy_subtree){.tag = tag, .value = slice_of(copy, 2 * net.len)};
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_pair(struct policy_bundle *b, const struct conf_node *n,
                                   struct policy_pair *out, struct diag *diag)
{
    const char *type = NULL, *fixed = NULL;
    TRY(conf_string(n, "type", CONF_REQUIRED, &type, diag));
    TRY(conf_string(n, "fixed", CONF_REQUIRED, &fixed, diag));
    const struct policy_attribute *known = policy_attribute_named(type);
    if (known != NULL) {
        out->oid = known->oid;
    } else {
        TRY(policy_compile_oid(b, conf_get(n, "type"), type, &out->oid, diag));
    }
    struct policy_attribute a = policy_attribute_of(out->oid);
    struct slice s = slice_str(fixed);
    if (!policy_attribute_fits(&a, s)) {
        return conf_error(conf_get(n, "fixed"), CH_INVALID, "policy.value", diag,
                          "a fixed %s has 1 to %zu characters of its alphabet", a.name, a.max);
    }
    uint8_t *copy = arena_copy(&b->arena, s);
    out->value = slice_of(copy, s.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_directory(struct policy_bundle *b, const struct conf_node *n,
                                        uint8_t tag, struct policy_subtree *out, struct diag *diag)
{
    const struct conf_node *rows = NULL;
    if (conf_kind(n) != CONF_MAP) {
        return conf_error(n, CH_INVALID, "conf.type", diag,
                          "a directory name is written {attributes: [{type: C, fixed: XX}]}");
    }
    TRY(conf_list(n, "attributes", CONF_REQUIRED, &rows, diag));
    size_t count = conf_count(rows);
    if (count == 0 || count > POLICY_RDNS_MAX) {
        return conf_error(rows, CH_LIMIT, "policy.list", diag, "1 to %d attributes",
                          POLICY_RDNS_MAX);
    }
    struct policy_pair *pairs = arena_alloc(&b->arena, count * sizeof *pairs);
    if (pairs == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        TRY(read_pair(b, conf_at(rows, i), &pairs[i], diag));
    }
    *out = (struct policy_subtree){.tag = tag, .rdns = pairs, .n_rdns = count};
    return CH_OK;
}

typedef enum chancery_err read_fn(struct policy_bundle *b, const struct conf_node *n, uint8_t tag,
                                  struct policy_subtree *out, struct diag *diag);
static const struct {
    const char *key;
    uint8_t tag;
    read_fn *read;
} kinds[] = {{"dns", TAG_DNS, read_text},
             {"ip", TAG_IP, read_ip},
             {"email", TAG_EMAIL, read_text},
             {"uri", TAG_URI, read_text},
             {"directory", TAG_DIRECTORY, read_directory}};
#define KINDS (sizeof kinds / sizeof kinds[0])

static enum chancery_err compile_side(struct policy_bundle *b, const struct conf_node *constraints,
                                      const char *key, struct policy_subtrees *out,
                                      struct diag *diag)
{
    const struct conf_node *side = NULL;
    TRY(conf_map(constraints, key, CONF_OPTIONAL, &side, diag));
    struct policy_subtree *at =
        side == NULL ? NULL : arena_alloc(&b->arena, POLICY_SUBTREES_MAX * sizeof *at);
    if (at == NULL) {
        return side == NULL ? CH_OK : CH_NOMEM;
    }
    size_t n = 0;
    for (size_t k = 0; k < KINDS; k++) {
        const struct conf_node *list = NULL;
        TRY(conf_list(side, kinds[k].key, CONF_OPTIONAL, &list, diag));
        for (size_t i = 0; i < conf_count(list); i++) {
            if (n == POLICY_SUBTREES_MAX) {
                return conf_error(list, CH_LIMIT, "policy.list", diag, "at most %d subtrees",
                                  POLICY_SUBTREES_MAX);
            }
            TRY(kinds[k].read(b, conf_at(list, i), kinds[k].tag, &at[n++], diag));
        }
    }
    if (n == 0) {
        return conf_error(side, CH_INVALID, "policy.list", diag,
                          "\"%s\" is empty: write dns, ip, email, uri or directory", key);
    }
    *out = (struct policy_subtrees){at, n};
    return CH_OK;
}

static enum chancery_err compile_names(struct policy_bundle *b, const struct conf_node *ext,
                                       struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *c = NULL;
    struct policy_template_extensions *t = &p->t.ext;
    TRY(conf_map(ext, "name_constraints", CONF_OPTIONAL, &c, diag));
    p->ext.constraints_source = policy_compile_source_key(b, ext, "name_constraints");
    if (c == NULL || p->ext.constraints_source == NULL) {
        return c == NULL && p->ext.constraints_source != NULL ? CH_OK : CH_NOMEM;
    }
    TRY(compile_side(b, c, "permitted", &t->permitted, diag));
    TRY(compile_side(b, c, "excluded", &t->excluded, diag));
    if (!p->t.is_ca || t->permitted.n + t->excluded.n == 0) {
        return conf_error(
            c, CH_INVALID, "policy.ca", diag,
            "\"name_constraints\" go with \"ca\" and permit or exclude something (RFC "
            "5280 4.2.1.10)");
    }
    uint8_t *space = malloc(POLICY_CONSTRAINTS_MAX);
    if (space == NULL) {
        return CH_NOMEM;
    }
    struct policy_want w = policy_want_over(space, POLICY_CONSTRAINTS_MAX);
    policy_want_constraints(&w, &t->permitted, &t->excluded);
    enum chancery_err err = policy_extensions_keep(b, &w, &p->ext.constraints);
    free(space);
    return err == CH_LIMIT
               ? conf_error(c, err, "policy.value", diag,
                            "name constraints of more than %zu octets", POLICY_CONSTRAINTS_MAX)
               : err;
}

/* ---- TLS feature ---- */

#define FEATURES_MAX 16

/* TLS extensions by name (RFC 7633 4, RFC 6066, RFC 6961), others by number. */
static bool feature_of(const char *text, uint16_t *out)
{
    char *end = NULL;
    if (strcmp(text, "status_request") == 0 || strcmp(text, "status_request_v2") == 0) {
        *out = strcmp(text, "status_request") == 0 ? 5 : 17;
        return true;
    }
    unsigned long v = strtoul(text, &end, 10);
    *out = (uint16_t)v;
    return text[0] >= '0' && text[0] <= '9' && (text[0] != '0' || text[1] == '\0') &&
           strlen(text) <= 5 && *end == '\0' && v <= 65535;
}

static enum chancery_err compile_features(struct policy_bundle *b, const struct conf_node *ext,
                                          struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(ext, "tls_feature", CONF_OPTIONAL, &list, diag));
    p->ext.tls_source = policy_compile_source_key(b, ext, "tls_feature");
    size_t n = conf_count(list);
    if (list == NULL || p->ext.tls_source == NULL) {
        return p->ext.tls_source == NULL ? CH_NOMEM : CH_OK;
    }
    uint16_t *at = arena_alloc(&b->arena, (n + 1) * sizeof *at);
    if (n == 0 || n > FEATURES_MAX || at == NULL) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"tls_feature\" must have 1 to %d entries", FEATURES_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        bool twice = false;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        bool ok = feature_of(text, &at[i]);
        for (size_t k = 0; k < i; k++) {
            twice = twice || at[k] == at[i];
        }
        if (!ok || twice) {
            return conf_error(conf_at(list, i), CH_INVALID,
                              ok ? "policy.duplicate" : "policy.value", diag,
                              "a TLS feature is status_request, status_request_v2 or a number of "
                              "0 to 65535, each once");
        }
    }
    p->t.ext.tls_features = at;
    p->t.ext.n_tls_features = n;
    uint8_t space[128];
    struct policy_want w = policy_want_over(space, sizeof space);
    policy_want_features(&w, at, n);
    return policy_extensions_keep(b, &w, &p->ext.tls_feature);
}

enum chancery_err policy_constraints_compile(struct policy_bundle *b, const struct conf_node *ext,
                                             struct policy_profile *p, struct diag *diag)
{
    TRY(compile_names(b, ext, p, diag));
    return compile_features(b, ext, p, diag);
}
