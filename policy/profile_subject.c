/* `subject` of a profile: the attributes, their order, where values come from. */
#include "policy/glob.h"
#include "policy/policy_int.h"

#define CLAIM_NAME_MAX 64 /* of an evidence, docs/ISSUANCE.md */

static const uint8_t cn[] = {0x55, 4, 3}, sn[] = {0x55, 4, 4}, serial[] = {0x55, 4, 5};
static const uint8_t c[] = {0x55, 4, 6}, l[] = {0x55, 4, 7}, st[] = {0x55, 4, 8};
static const uint8_t street[] = {0x55, 4, 9}, o[] = {0x55, 4, 10}, ou[] = {0x55, 4, 11};
static const uint8_t title[] = {0x55, 4, 12}, postal[] = {0x55, 4, 17}, gn[] = {0x55, 4, 42};
static const uint8_t dnq[] = {0x55, 4, 46}, org_id[] = {0x55, 4, 97};
static const uint8_t uid[] = {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1};
static const uint8_t dc[] = {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25};
static const uint8_t email[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1};

#define OID(a)                                                                                     \
    {                                                                                              \
        (a), sizeof(a)                                                                             \
    }
#define UTF8 0x0c
#define PRINTABLE 0x13
#define IA5 0x16

const struct slice POLICY_OID_CN = OID(cn);

/* Upper bounds: RFC 5280 A.1; street, postal code, organisation id: X.520; UID: RFC 4524 2.20. */
static const struct policy_attribute attributes[] = {
    {"CN", OID(cn), UTF8, 64},
    {"C", OID(c), PRINTABLE, 2},
    {"O", OID(o), UTF8, 64},
    {"OU", OID(ou), UTF8, 64},
    {"L", OID(l), UTF8, 128},
    {"ST", OID(st), UTF8, 128},
    {"serialNumber", OID(serial), PRINTABLE, 64},
    {"DC", OID(dc), IA5, 63},
    {"emailAddress", OID(email), IA5, 255},
    {"UID", OID(uid), UTF8, 256},
    {"STREET", OID(street), UTF8, 128},
    {"postalCode", OID(postal), UTF8, 40},
    {"title", OID(title), UTF8, 64},
    {"SN", OID(sn), UTF8, 128},
    {"GN", OID(gn), UTF8, 128},
    {"dnQualifier", OID(dnq), PRINTABLE, 64},
    {"organizationIdentifier", OID(org_id), UTF8, 256},
};

struct policy_attribute policy_attribute_of(struct slice oid)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (slice_eq(attributes[i].oid, oid)) {
            return attributes[i];
        }
    }
    return (struct policy_attribute){"attribute", oid, UTF8, 256};
}

const struct policy_attribute *policy_attribute_named(const char *name)
{
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        if (strcmp(attributes[i].name, name) == 0) {
            return &attributes[i];
        }
    }
    return NULL;
}

bool policy_attribute_fits(const struct policy_attribute *a, struct slice value)
{
    bool country = slice_eq(a->oid, slice_of(c, sizeof c)); /* ISO 3166 */
    for (size_t i = 0; i < value.len; i++) {
        if (country && (value.ptr[i] < 'A' || value.ptr[i] > 'Z')) {
            return false;
        }
    }
    size_t n = policy_text_characters(value);
    return n > 0 && n <= a->max && (!country || n == 2) &&
           (a->tag != PRINTABLE || policy_text_printable(value)) &&
           (a->tag != IA5 || policy_text_ascii(value));
}

/* ---- rows ---- */

enum chancery_err policy_globs_compile(struct policy_bundle *b, const struct conf_node *map,
                                       const char *key, bool (*ok)(struct slice),
                                       struct policy_list *out, struct diag *diag)
{
    TRY(policy_compile_list(b, map, key, CONF_OPTIONAL, true, ok, out, diag));
    if (out->n > POLICY_GLOBS_MAX) {
        return conf_error(conf_get(map, key), CH_LIMIT, "policy.list", diag,
                          "\"%s\" has at most %d patterns; they are tried one by one", key,
                          POLICY_GLOBS_MAX);
    }
    return CH_OK;
}

static enum chancery_err copy_text(struct policy_bundle *b, const char *text, struct slice *out)
{
    uint8_t *copy = arena_copy(&b->arena, slice_str(text));
    *out = slice_of(copy, strlen(text));
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_fixed(struct policy_bundle *b, const struct conf_node *n,
                                       const struct policy_attribute *a,
                                       struct policy_template_rdn *row, struct diag *diag)
{
    const char *fixed = NULL;
    TRY(conf_string(n, "fixed", CONF_REQUIRED, &fixed, diag));
    if (!policy_text_clean(slice_str(fixed)) || !policy_attribute_fits(a, slice_str(fixed))) {
        return conf_error(conf_get(n, "fixed"), CH_INVALID, "policy.value", diag,
                          "a fixed %s has 1 to %zu characters of its alphabet", a->name, a->max);
    }
    row->from = POLICY_FROM_BUNDLE;
    row->required = true;
    return copy_text(b, fixed, &row->fixed);
}

static enum chancery_err compile_from(struct policy_bundle *b, const struct conf_node *n,
                                      const char *from, struct policy_template_rdn *row,
                                      struct diag *diag)
{
    const char *claim = NULL;
    bool evidence = strcmp(from, "evidence") == 0;
    if ((!evidence && strcmp(from, "request") != 0) || conf_get(n, "fixed") != NULL) {
        return conf_error(n, CH_INVALID, "policy.value", diag,
                          "an attribute has \"fixed: TEXT\", \"from: request\", or \"from: "
                          "evidence\" with \"claim: NAME\"");
    }
    row->from = evidence ? POLICY_FROM_EVIDENCE : POLICY_FROM_REQUEST;
    if (!evidence) {
        return CH_OK; /* a claim is then a key that nobody takes */
    }
    TRY(conf_string(n, "claim", CONF_REQUIRED, &claim, diag));
    struct slice s = slice_str(claim);
    if (s.len == 0 || s.len > CLAIM_NAME_MAX || !policy_text_clean(s)) {
        return conf_error(conf_get(n, "claim"), CH_INVALID, "policy.value", diag,
                          "a claim's name has 1 to %d octets", CLAIM_NAME_MAX);
    }
    return copy_text(b, claim, &row->claim);
}

static enum chancery_err compile_row(struct policy_bundle *b, const struct conf_node *n,
                                     struct policy_template_rdn *row, struct policy_row *rule,
                                     struct diag *diag)
{
    const char *type = NULL, *from = NULL;
    TRY(conf_string(n, "type", CONF_REQUIRED, &type, diag));
    const struct policy_attribute *known = policy_attribute_named(type);
    if (known != NULL) {
        row->oid = known->oid;
    } else {
        TRY(policy_compile_oid(b, conf_get(n, "type"), type, &row->oid, diag));
    }
    struct policy_attribute a = policy_attribute_of(row->oid);
    rule->max = a.max;
    rule->source = policy_compile_source(b, n);
    if (rule->source == NULL) {
        return CH_NOMEM;
    }
    TRY(conf_string(n, "from", CONF_OPTIONAL, &from, diag));
    if (from == NULL) {
        return compile_fixed(b, n, &a, row, diag); /* match, max and required: unknown keys */
    }
    int64_t max = (int64_t)a.max;
    TRY(compile_from(b, n, from, row, diag));
    TRY(conf_int(n, "max", CONF_OPTIONAL, 1, (int64_t)a.max, &max, diag));
    rule->max = (size_t)max;
    TRY(policy_globs_compile(b, n, "match", policy_glob_ok, &rule->match, diag));
    return conf_bool(n, "required", CONF_OPTIONAL, &row->required, diag);
}

enum chancery_err policy_rows_compile(struct policy_bundle *b, const struct conf_node *map,
                                      struct policy_rows *out, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, "attributes", CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    if (n > POLICY_RDNS_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "at most %d attributes",
                          POLICY_RDNS_MAX);
    }
    struct policy_template_rdn *rows = arena_alloc(&b->arena, n * sizeof *rows);
    struct policy_row *rules = arena_alloc(&b->arena, n * sizeof *rules);
    if (rows == NULL || rules == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_row(b, conf_at(list, i), &rows[i], &rules[i], diag));
    }
    *out = (struct policy_rows){rows, rules, n};
    return CH_OK;
}

enum chancery_err policy_subject_compile(struct policy_bundle *b, const struct conf_node *root,
                                         struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *subject = NULL;
    const char *unlisted = "refuse";
    struct policy_rows rows = {.n = 0};
    p->cn_in_names = true;
    TRY(conf_map(root, "subject", CONF_REQUIRED, &subject, diag));
    TRY(policy_rows_compile(b, subject, &rows, diag));
    p->t.subject = rows.at;
    p->t.n_subject = rows.n;
    p->rows = rows.rules;
    TRY(conf_string(subject, "unlisted", CONF_OPTIONAL, &unlisted, diag));
    p->t.drop_unlisted = strcmp(unlisted, "drop") == 0;
    if (!p->t.drop_unlisted && strcmp(unlisted, "refuse") != 0) {
        return conf_error(conf_get(subject, "unlisted"), CH_INVALID, "policy.value", diag,
                          "\"unlisted\" is drop or refuse");
    }
    TRY(conf_bool(subject, "cn_from_first_dns", CONF_OPTIONAL, &p->t.cn_from_first_dns, diag));
    TRY(conf_bool(subject, "cn_in_names", CONF_OPTIONAL, &p->cn_in_names, diag));
    p->subject_source = policy_compile_source(b, subject);
    return p->subject_source == NULL ? CH_NOMEM : CH_OK;
}
