/* `extensions.custom` of a profile: extensions by OID, with a typed value or one from the request.
 */
#include <stdlib.h>

#include "policy/glob.h"
#include "policy/policy_int.h"

/* Names of types; a value is a map with exactly one of these keys. */
static const struct {
    const char *name;
    enum policy_value_kind kind;
    uint8_t tag; /* 0: none of its own */
} types[] = {
    {"utf8", POLICY_VALUE_UTF8, 0x0c},
    {"ia5", POLICY_VALUE_IA5, 0x16},
    {"printable", POLICY_VALUE_PRINTABLE, 0x13},
    {"integer", POLICY_VALUE_INTEGER, 0x02},
    {"boolean", POLICY_VALUE_BOOLEAN, 0x01},
    {"oid", POLICY_VALUE_OID, 0x06},
    {"octets", POLICY_VALUE_OCTETS, 0x04},
    {"null", POLICY_VALUE_NULL, 0x05},
    {"enumerated", POLICY_VALUE_ENUMERATED, 0x0a},
    {"bits", POLICY_VALUE_BITS, 0x03},
    {"sequence", POLICY_VALUE_SEQUENCE, 0x30},
    {"set", POLICY_VALUE_SET, 0x31},
    {"explicit", POLICY_VALUE_EXPLICIT, 0},
    {"implicit", POLICY_VALUE_IMPLICIT, 0},
};
#define TYPES (sizeof types / sizeof types[0])

static const uint8_t id_ce[] = {0x55, 0x1d};
/* Certificate transparency: a poisoned certificate is none, a list of SCTs is not ours to give. */
static const uint8_t ct_arc[] = {0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4};

bool policy_extensions_reserved(struct slice oid)
{
    const struct slice own[] = {POLICY_OID_CERT_AIA, POLICY_OID_CERT_TLS_FEATURE,
                                POLICY_OID_CERT_NOCHECK};
    /* Of id-ce, those that the language writes, and those of CRLs and their entries. */
    static const uint8_t ce[] = {14, 15, 17, 19, 20, 21, 23, 24, 27,
                                 28, 29, 30, 31, 32, 35, 37, 46, 56};
    if (oid.len == 3 && memcmp(oid.ptr, id_ce, 2) == 0) {
        return memchr(ce, oid.ptr[2], sizeof ce) != NULL;
    }
    if (oid.len == sizeof ct_arc + 1 && memcmp(oid.ptr, ct_arc, sizeof ct_arc) == 0) {
        return true;
    }
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (slice_eq(own[i], oid)) {
            return true;
        }
    }
    return false;
}

/* ---- reading typed values ---- */

struct reader {
    struct policy_bundle *b;
    struct diag *diag;
    size_t values; /* read so far, of this extension */
};

static enum chancery_err bad(const struct conf_node *n, struct diag *diag, const char *text)
{
    return conf_error(n, CH_INVALID, "policy.value", diag, "%s", text);
}

static enum chancery_err read_value(struct reader *r, const struct conf_node *n,
                                    struct policy_value *out);

static enum chancery_err read_text(struct reader *r, const struct conf_node *map, const char *key,
                                   struct policy_value *out)
{
    const char *text = NULL;
    TRY(conf_string(map, key, CONF_REQUIRED, &text, r->diag));
    struct slice s = slice_str(text);
    bool ok = out->kind == POLICY_VALUE_UTF8  ? policy_text_clean(s)
              : out->kind == POLICY_VALUE_IA5 ? policy_text_ascii(s)
                                              : policy_text_printable(s);
    if (!ok) {
        return bad(conf_get(map, key), r->diag,
                   "the text holds characters that its type does not have");
    }
    uint8_t *copy = arena_copy(&r->b->arena, s);
    out->octets = slice_of(copy, s.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_hex(struct reader *r, const struct conf_node *map, const char *key,
                                  struct policy_value *out)
{
    const char *text = NULL;
    TRY(conf_string(map, key, CONF_REQUIRED, &text, r->diag));
    size_t n = strlen(text) / 2;
    uint8_t *copy = arena_alloc(&r->b->arena, n + 1);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    size_t len = 0;
    if (n > POLICY_CUSTOM_VALUE || hex_decode(slice_str(text), copy, n, &len) != CH_OK) {
        return bad(conf_get(map, key), r->diag,
                   "octets are written as pairs of hexadecimal digits");
    }
    out->octets = slice_of(copy, n);
    return CH_OK;
}

static enum chancery_err read_list(struct reader *r, const struct conf_node *map, const char *key,
                                   struct policy_value *out)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, key, CONF_REQUIRED, &list, r->diag));
    size_t n = conf_count(list);
    if (n > POLICY_VALUES_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", r->diag, "at most %d values",
                          POLICY_VALUES_MAX);
    }
    struct policy_value *inside = arena_alloc(&r->b->arena, n * sizeof *inside);
    if (inside == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(read_value(r, conf_at(list, i), &inside[i]));
    }
    out->inside = inside;
    out->n_inside = n;
    return CH_OK;
}

/* {tag: N, value: TYPED} */
static enum chancery_err read_tagged(struct reader *r, const struct conf_node *map, const char *key,
                                     struct policy_value *out)
{
    const struct conf_node *tagged = NULL, *value = NULL;
    TRY(conf_map(map, key, CONF_REQUIRED, &tagged, r->diag));
    TRY(conf_int(tagged, "tag", CONF_REQUIRED, 0, 30, &out->number, r->diag));
    TRY(conf_map(tagged, "value", CONF_REQUIRED, &value, r->diag));
    struct policy_value *inside = arena_alloc(&r->b->arena, sizeof *inside);
    if (inside == NULL) {
        return CH_NOMEM;
    }
    TRY(read_value(r, value, inside));
    if (out->kind == POLICY_VALUE_IMPLICIT &&
        (inside->kind == POLICY_VALUE_EXPLICIT || inside->kind == POLICY_VALUE_IMPLICIT)) {
        return bad(value, r->diag, "an implicit tag does not stand before another tag");
    }
    out->inside = inside;
    out->n_inside = 1;
    return CH_OK;
}

static enum chancery_err read_kind(struct reader *r, const struct conf_node *map, const char *key,
                                   struct policy_value *out)
{
    bool yes = false;
    const char *oid = NULL;
    switch (out->kind) {
    case POLICY_VALUE_UTF8:
    case POLICY_VALUE_IA5:
    case POLICY_VALUE_PRINTABLE:
        return read_text(r, map, key, out);
    case POLICY_VALUE_INTEGER:
        return conf_int(map, key, CONF_REQUIRED, -INT64_MAX, INT64_MAX, &out->number, r->diag);
    case POLICY_VALUE_ENUMERATED:
        return conf_int(map, key, CONF_REQUIRED, 0, INT32_MAX, &out->number, r->diag);
    case POLICY_VALUE_BOOLEAN:
    case POLICY_VALUE_NULL:
        TRY(conf_bool(map, key, CONF_REQUIRED, &yes, r->diag));
        out->number = yes ? 1 : 0;
        return out->kind == POLICY_VALUE_NULL && !yes
                   ? bad(conf_get(map, key), r->diag, "NULL is written {\"null\": true}")
                   : CH_OK;
    case POLICY_VALUE_OID:
        TRY(conf_string(map, key, CONF_REQUIRED, &oid, r->diag));
        return policy_compile_oid(r->b, conf_get(map, key), oid, &out->octets, r->diag);
    case POLICY_VALUE_OCTETS:
    case POLICY_VALUE_BITS:
        return read_hex(r, map, key, out);
    case POLICY_VALUE_SEQUENCE:
    case POLICY_VALUE_SET:
        return read_list(r, map, key, out);
    case POLICY_VALUE_EXPLICIT:
    case POLICY_VALUE_IMPLICIT:
        return read_tagged(r, map, key, out);
    case POLICY_VALUE_NONE:
        break;
    }
    return CH_INTERNAL;
}

/* Recursion is bounded by the depth of a YAML file (lib/conf). */
static enum chancery_err read_value(struct reader *r, const struct conf_node *n,
                                    struct policy_value *out)
{
    size_t found = TYPES;
    for (size_t i = 0; i < TYPES && conf_kind(n) == CONF_MAP; i++) {
        found = conf_get(n, types[i].name) != NULL ? i : found;
    }
    if (found == TYPES || conf_count(n) != 1) {
        return bad(n, r->diag,
                   "a value is a map with one key: utf8, ia5, printable, integer, enumerated, "
                   "boolean, oid, octets, bits, null, sequence, set, explicit or implicit");
    }
    if (++r->values > POLICY_VALUES_MAX) {
        return conf_error(n, CH_LIMIT, "policy.list", r->diag, "more than %d values",
                          POLICY_VALUES_MAX);
    }
    *out = (struct policy_value){.kind = types[found].kind};
    return read_kind(r, n, types[found].name, out);
}

/* ---- rows ---- */

static bool glob_ok(struct slice s)
{
    return policy_glob_ok(s);
}

/* {oid, critical, from: request, type, max, match, required} */
static enum chancery_err compile_asked(struct policy_bundle *b, const struct conf_node *row,
                                       struct policy_custom *out, struct policy_custom_rule *rule,
                                       struct diag *diag)
{
    const char *from = NULL, *type = NULL;
    int64_t max = 256;
    struct policy_list match = {NULL, 0};
    TRY(conf_string(row, "from", CONF_REQUIRED, &from, diag));
    TRY(conf_string(row, "type", CONF_REQUIRED, &type, diag));
    TRY(conf_int(row, "max", CONF_OPTIONAL, 0, POLICY_CUSTOM_VALUE, &max, diag));
    TRY(conf_bool(row, "required", CONF_OPTIONAL, &rule->required, diag));
    TRY(policy_compile_list(b, row, "match", CONF_OPTIONAL, false, glob_ok, &match, diag));
    size_t i = 0;
    while (i < TYPES && (strcmp(types[i].name, type) != 0 || types[i].kind > POLICY_VALUE_OCTETS)) {
        i++;
    }
    if (i == TYPES || strcmp(from, "request") != 0) {
        return bad(
            conf_get(row, i == TYPES ? "type" : "from"), diag,
            "from: request takes type utf8, ia5, printable, integer, boolean, oid or octets");
    }
    rule->type = types[i].kind;
    rule->max = (size_t)max;
    rule->match = match.at;
    rule->n_match = match.n;
    out->from_request = true;
    bool text = rule->type == POLICY_VALUE_UTF8 || rule->type == POLICY_VALUE_IA5 ||
                rule->type == POLICY_VALUE_PRINTABLE;
    if (match.n > POLICY_MATCHES_MAX || (match.n > 0 && !text)) {
        return bad(conf_get(row, "match"), diag, "\"match\" is for texts and has at most 64 globs");
    }
    return CH_OK;
}

static enum chancery_err compile_fixed(struct policy_bundle *b, const struct conf_node *row,
                                       struct policy_custom *out, struct policy_custom_rule *rule,
                                       struct diag *diag)
{
    const struct conf_node *value = NULL;
    struct reader r = {.b = b, .diag = diag};
    TRY(conf_map(row, "value", CONF_REQUIRED, &value, diag));
    TRY(read_value(&r, value, &out->value));
    enum chancery_err err = policy_want_typed(&b->arena, &out->value, &rule->value);
    return err == CH_LIMIT ? conf_error(value, err, "policy.value", diag,
                                        "a value of more than %d octets", POLICY_CUSTOM_VALUE)
                           : err;
}

static enum chancery_err compile_row(struct policy_bundle *b, const struct conf_node *row,
                                     struct policy_custom *out, struct policy_custom_rule *rule,
                                     struct diag *diag)
{
    const char *oid = NULL;
    TRY(conf_string(row, "oid", CONF_REQUIRED, &oid, diag));
    TRY(policy_compile_oid(b, conf_get(row, "oid"), oid, &out->oid, diag));
    if (policy_extensions_reserved(out->oid)) {
        return conf_error(conf_get(row, "oid"), CH_INVALID, "policy.oid", diag,
                          "%.64s has a key of its own or is not for certificates of a profile",
                          oid);
    }
    TRY(conf_bool(row, "critical", CONF_OPTIONAL, &out->critical, diag));
    if ((conf_get(row, "value") == NULL) == (conf_get(row, "from") == NULL)) {
        return bad(row, diag, "a custom extension has either \"value\" or \"from: request\"");
    }
    TRY(conf_get(row, "from") != NULL ? compile_asked(b, row, out, rule, diag)
                                      : compile_fixed(b, row, out, rule, diag));
    rule->field = arena_printf(&b->arena, "tbs.extensions.%.49s", oid);
    rule->source = policy_compile_source(b, row);
    return rule->field == NULL || rule->source == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_custom_compile(struct policy_bundle *b, const struct conf_node *ext,
                                        struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(ext, "custom", CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    if (list == NULL) {
        return CH_OK;
    }
    struct policy_custom *rows = arena_alloc(&b->arena, n * sizeof *rows);
    struct policy_custom_rule *rules = arena_alloc(&b->arena, n * sizeof *rules);
    if (n == 0 || n > POLICY_CUSTOM_MAX || rows == NULL || rules == NULL) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"custom\" must have 1 to %d entries", POLICY_CUSTOM_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_row(b, conf_at(list, i), &rows[i], &rules[i], diag));
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(rows[k].oid, rows[i].oid)) { /* RFC 5280 4.2 */
                return conf_error(conf_at(list, i), CH_INVALID, "policy.duplicate", diag,
                                  "this extension stands twice");
            }
        }
    }
    p->t.ext.custom = rows;
    p->t.ext.n_custom = n;
    p->ext.custom = rules;
    return CH_OK;
}
