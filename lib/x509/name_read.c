/* Names (RFC 5280 4.1.2.4): RDNSequence ::= SEQUENCE OF SET OF SEQUENCE { type OID, value ANY }. */
#include "x509/x509_int.h"

static const uint8_t oid_surname[] = {0x55, 0x04, 0x04}, oid_street[] = {0x55, 0x04, 0x09};
static const uint8_t oid_title[] = {0x55, 0x04, 0x0c}, oid_postal[] = {0x55, 0x04, 0x11};
static const uint8_t oid_given[] = {0x55, 0x04, 0x2a}, oid_initials[] = {0x55, 0x04, 0x2b};
static const uint8_t oid_generation[] = {0x55, 0x04, 0x2c}, oid_dnq[] = {0x55, 0x04, 0x2e};
static const uint8_t oid_pseudonym[] = {0x55, 0x04, 0x41}, oid_org_id[] = {0x55, 0x04, 0x61};
static const uint8_t oid_uid[] = {0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01};

#define RULE(o, n, k, m)                                                                           \
    if (slice_eq(oid, (o))) {                                                                      \
        return (struct x509_attribute_rule){(n), oid, (k), (m)};                                   \
    }
#define ARRAY(a) slice_of((a), sizeof(a))

/* Upper bounds: RFC 5280 A.1; street, postal code, organization identifier: X.520; UID: RFC
 * 4524 2.20. */
struct x509_attribute_rule x509_attribute_rule(struct slice oid)
{
    RULE(X509_OID_CN, "CN", X509_STRING_DIRECTORY, 64)
    RULE(X509_OID_C, "C", X509_STRING_PRINTABLE, 2)
    RULE(X509_OID_O, "O", X509_STRING_DIRECTORY, 64)
    RULE(X509_OID_OU, "OU", X509_STRING_DIRECTORY, 64)
    RULE(X509_OID_L, "L", X509_STRING_DIRECTORY, 128)
    RULE(X509_OID_ST, "ST", X509_STRING_DIRECTORY, 128)
    RULE(X509_OID_SERIAL_NUMBER, "serialNumber", X509_STRING_PRINTABLE, 64)
    RULE(X509_OID_DC, "DC", X509_STRING_IA5, 63)
    RULE(X509_OID_EMAIL, "emailAddress", X509_STRING_IA5, 255)
    RULE(ARRAY(oid_uid), "UID", X509_STRING_DIRECTORY, 256)
    RULE(ARRAY(oid_street), "STREET", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_postal), "postalCode", X509_STRING_DIRECTORY, 40)
    RULE(ARRAY(oid_title), "title", X509_STRING_DIRECTORY, 64)
    RULE(ARRAY(oid_surname), "SN", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_given), "GN", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_initials), "initials", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_generation), "generationQualifier", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_dnq), "dnQualifier", X509_STRING_PRINTABLE, 64)
    RULE(ARRAY(oid_pseudonym), "pseudonym", X509_STRING_DIRECTORY, 128)
    RULE(ARRAY(oid_org_id), "organizationIdentifier", X509_STRING_DIRECTORY, 256)
    return (struct x509_attribute_rule){NULL, oid, X509_STRING_DIRECTORY, X509_ATTRIBUTE_MAX};
}

/* Reads one AttributeTypeAndValue. */
static enum chancery_err attribute_next(struct der_reader *set, struct slice *oid,
                                        struct der_value *value)
{
    struct der_reader in;
    TRY(der_enter(set, DER_SEQUENCE, &in));
    TRY(der_read_oid(&in, oid));
    TRY(der_next(&in, value));
    return der_finish(&in);
}

/* Calls `fn` for each attribute in order. `last_in_rdn` ends an RDN. Structure is checked, values
 * not. */
typedef enum chancery_err attribute_fn(void *ctx, struct slice oid, const struct der_value *value,
                                       bool last_in_rdn);

static enum chancery_err name_walk(struct slice name_der, attribute_fn *fn, void *ctx)
{
    struct der_reader r = der_reader_of(name_der), rdns;
    TRY(der_enter(&r, DER_SEQUENCE, &rdns));
    TRY(der_finish(&r));
    for (size_t n = 0; !der_at_end(&rdns); n++) {
        struct der_reader set;
        TRY(der_enter(&rdns, DER_SET, &set));
        if (n >= X509_RDNS_MAX || der_at_end(&set)) {
            return n >= X509_RDNS_MAX ? CH_LIMIT : CH_MALFORMED; /* RFC 5280: SIZE (1..MAX) */
        }
        struct slice before = {NULL, 0};
        while (!der_at_end(&set)) {
            struct slice oid, whole = set.rest;
            struct der_value value;
            TRY(attribute_next(&set, &oid, &value));
            whole.len -= set.rest.len;
            if (before.len > 0 && slice_cmp(before, whole) >= 0) {
                return CH_MALFORMED; /* X.690 11.6: ascending; equal attributes name nothing more */
            }
            before = whole;
            TRY(fn(ctx, oid, &value, der_at_end(&set)));
        }
    }
    return CH_OK;
}

static enum chancery_err ignore_attribute(void *ctx, struct slice oid,
                                          const struct der_value *value, bool last_in_rdn)
{
    (void)ctx;
    (void)oid;
    (void)value;
    (void)last_in_rdn;
    return CH_OK;
}

bool x509_name_ok(struct slice name_der)
{
    return name_walk(name_der, ignore_attribute, NULL) == CH_OK;
}

/* ---- judging ---- */

enum chancery_err x509_attribute_check(const struct x509_attribute_rule *rule, struct slice value,
                                       const char *field, struct diag *diag)
{
    if (value.len == 0 || !slice_is_utf8(value)) {
        return x509_refuse(diag, CH_INVALID, field, value.len == 0 ? "name.empty" : "name.utf8",
                           "RFC 5280 4.1.2.4", "the value is %s",
                           value.len == 0 ? "empty" : "not valid UTF-8");
    }
    size_t chars = 0;
    for (size_t pos = 0; pos < value.len; chars++) {
        uint32_t c = x509_utf8_next(value, &pos);
        if (x509_char_hidden(c)) {
            return x509_refuse(
                diag, CH_INVALID, field, "name.character", "RFC 5280 8",
                "the value holds U+%04X, a control, bidirectional or invisible character",
                (unsigned)c);
        }
    }
    if (chars > rule->max || (rule->max == 2 && chars != 2)) {
        return x509_refuse(diag, CH_INVALID, field, "name.length", "RFC 5280 A.1",
                           "the value has %zu characters; %u are allowed", chars, rule->max);
    }
    if ((rule->kind == X509_STRING_PRINTABLE && !x509_printable(value)) ||
        (rule->kind == X509_STRING_IA5 && !x509_ascii(value))) {
        return x509_refuse(diag, CH_INVALID, field, "name.charset", "RFC 5280 A.1",
                           "the value holds characters that %s does not have",
                           rule->kind == X509_STRING_IA5 ? "IA5String" : "PrintableString");
    }
    return CH_OK;
}

struct check {
    const char *field;
    struct diag *diag;
    bool judged; /* diag is filled */
};

static enum chancery_err check_attribute(void *ctx, struct slice oid, const struct der_value *value,
                                         bool last_in_rdn)
{
    struct check *c = ctx;
    (void)last_in_rdn;
    struct x509_attribute_rule rule = x509_attribute_rule(oid);
    char field[sizeof c->diag->field];
    struct buf text;
    buf_init(&text, sizeof field - 1);
    if (buf_add_str(&text, c->field) != CH_OK || buf_add_u8(&text, '.') != CH_OK ||
        (rule.name != NULL ? buf_add_str(&text, rule.name) : der_oid_text(oid, &text)) != CH_OK) {
        text.len = 0;
    }
    memcpy(field, text.ptr == NULL ? (const uint8_t *)"" : text.ptr, text.len);
    field[text.len] = '\0';
    buf_clear(&text);

    c->judged = true;
    uint8_t tag = value->tag;
    bool fits = tag == DER_PRINTABLE || (rule.kind == X509_STRING_DIRECTORY && tag == DER_UTF8) ||
                (rule.kind == X509_STRING_IA5 && tag == DER_IA5);
    /* RFC 5280 4.1.2.4: TeletexString, BMPString, UniversalString only for established subjects.
     * Clients write countryName and e-mail as UTF8String now and then: the content decides, ca
     * writes it anew. */
    if (!fits && tag != DER_UTF8) {
        return x509_refuse(c->diag, CH_INVALID, field, "name.string_type", "RFC 5280 4.1.2.4",
                           "string type %02x is not allowed: use UTF8String or PrintableString",
                           (unsigned)tag);
    }
    if (tag == DER_PRINTABLE && !x509_printable(value->content)) {
        return x509_refuse(c->diag, CH_INVALID, field, "name.charset", "X.680 41.4",
                           "a PrintableString holds characters it does not have");
    }
    return x509_attribute_check(&rule, value->content, field, c->diag);
}

enum chancery_err x509_name_check(struct slice name_der, const char *field, struct diag *diag)
{
    struct check c = {.field = field, .diag = diag};
    enum chancery_err err = name_walk(name_der, check_attribute, &c);
    if (err != CH_OK && (!c.judged || err == CH_MALFORMED || err == CH_LIMIT)) {
        return x509_refuse(diag, err, field, err == CH_LIMIT ? "name.rdns" : "name.der",
                           "RFC 5280 4.1.2.4",
                           err == CH_LIMIT ? "the name has more than %d RDNs"
                                           : "the name is not DER (at most %d RDNs)",
                           X509_RDNS_MAX);
    }
    return err;
}

/* ---- values as UTF-8 ---- */

static enum chancery_err put_code_point(struct buf *out, uint32_t c)
{
    uint8_t raw[3];
    size_t n;
    if (c < 0x80) {
        raw[0] = (uint8_t)c;
        n = 1;
    } else if (c < 0x800) {
        raw[0] = (uint8_t)(0xc0 | c >> 6);
        raw[1] = (uint8_t)(0x80 | (c & 0x3f));
        n = 2;
    } else {
        raw[0] = (uint8_t)(0xe0 | c >> 12);
        raw[1] = (uint8_t)(0x80 | (c >> 6 & 0x3f));
        raw[2] = (uint8_t)(0x80 | (c & 0x3f));
        n = 3;
    }
    return buf_add(out, slice_of(raw, n));
}

/* Appends a string value as UTF-8: BMPString by code unit, TeletexString as Latin-1 (what everyone
 * wrote into it). Other types: CH_UNSUPPORTED. */
static enum chancery_err value_utf8(const struct der_value *v, struct buf *out)
{
    switch (v->tag) {
    case DER_UTF8:
    case DER_PRINTABLE:
    case DER_IA5:
        return slice_is_utf8(v->content) ? buf_add(out, v->content) : CH_MALFORMED;
    case DER_T61:
        for (size_t i = 0; i < v->content.len; i++) {
            TRY(put_code_point(out, v->content.ptr[i]));
        }
        return CH_OK;
    case DER_BMP:
        for (size_t i = 0; i + 1 < v->content.len; i += 2) {
            uint32_t c = (uint32_t)v->content.ptr[i] << 8 | v->content.ptr[i + 1];
            if (c >= 0xd800 && c <= 0xdfff) {
                return CH_MALFORMED;
            }
            TRY(put_code_point(out, c));
        }
        return v->content.len % 2 == 0 ? CH_OK : CH_MALFORMED;
    default:
        return CH_UNSUPPORTED;
    }
}

struct collect {
    struct arena *arena;
    struct x509_rdn *rdns;
    size_t n, cap;
};

static enum chancery_err collect_attribute(void *ctx, struct slice oid,
                                           const struct der_value *value, bool last_in_rdn)
{
    struct collect *c = ctx;
    (void)last_in_rdn;
    if (c->n == c->cap) {
        return CH_LIMIT;
    }
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, value->content.len * 2 + 1);
    TRY(value_utf8(value, &text));
    uint8_t *copy = arena_copy(c->arena, buf_slice(&text));
    if (copy == NULL) {
        return CH_NOMEM;
    }
    c->rdns[c->n++] = (struct x509_rdn){oid, slice_of(copy, text.len)};
    return CH_OK;
}

enum chancery_err x509_name_read(struct slice name_der, struct arena *arena, struct x509_rdn **out,
                                 size_t *out_n)
{
    struct collect c = {.arena = arena, .cap = 2 * X509_RDNS_MAX};
    c.rdns = arena_alloc(arena, c.cap * sizeof *c.rdns);
    if (c.rdns == NULL) {
        return CH_NOMEM;
    }
    TRY(name_walk(name_der, collect_attribute, &c));
    *out = c.rdns;
    *out_n = c.n;
    return CH_OK;
}

enum chancery_err x509_name_attribute(struct slice name_der, struct slice oid, struct arena *arena,
                                      struct slice *out)
{
    struct x509_rdn *rdns;
    size_t n;
    TRY(x509_name_read(name_der, arena, &rdns, &n));
    while (n > 0) {
        if (slice_eq(rdns[--n].oid, oid)) {
            *out = rdns[n].value;
            return CH_OK;
        }
    }
    return CH_NOT_FOUND;
}

/* ---- RFC 4514 text ---- */

static enum chancery_err put_escaped(struct slice utf8, struct buf *out)
{
    for (size_t pos = 0; pos < utf8.len;) {
        size_t start = pos;
        uint32_t c = x509_utf8_next(utf8, &pos);
        bool edge = (start == 0 && (c == ' ' || c == '#')) || (pos == utf8.len && c == ' ');
        if (x509_char_hidden(c)) {
            for (size_t i = start; i < pos; i++) {
                TRY(buf_printf(out, "\\%02X", utf8.ptr[i]));
            }
            continue;
        }
        if (edge || (c < 0x80 && strchr(",+\"\\<>;=", (int)c) != NULL)) {
            TRY(buf_add_u8(out, '\\'));
        }
        TRY(buf_add(out, slice_sub(utf8, start, pos - start)));
    }
    return CH_OK;
}

static enum chancery_err put_attribute(struct slice oid, const struct der_value *value,
                                       struct buf *out)
{
    struct x509_attribute_rule rule = x509_attribute_rule(oid);
    TRY(rule.name != NULL ? buf_add_str(out, rule.name) : der_oid_text(oid, out));
    TRY(buf_add_u8(out, '='));
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, value->content.len * 2 + 1);
    if (rule.name != NULL && value_utf8(value, &text) == CH_OK) {
        return put_escaped(buf_slice(&text), out);
    }
    /* RFC 4514 2.4: types without a short name, and values that are no strings, as #hex of their
     * DER. */
    TRY(buf_add_u8(out, '#'));
    for (size_t i = 0; i < value->whole.len; i++) {
        TRY(buf_printf(out, "%02X", value->whole.ptr[i]));
    }
    return CH_OK;
}

/* RFC 4514 2.1: the last RDN comes first. The text is made from first to last, each RDN in front.
 */
struct text {
    struct buf rdn, all;
};

static enum chancery_err text_attribute(void *ctx, struct slice oid, const struct der_value *value,
                                        bool last_in_rdn)
{
    struct text *t = ctx;
    if (t->rdn.len > 0) {
        TRY(buf_add_u8(&t->rdn, '+'));
    }
    TRY(put_attribute(oid, value, &t->rdn));
    if (!last_in_rdn) {
        return CH_OK;
    }
    if (t->all.len > 0) {
        TRY(buf_add_u8(&t->rdn, ','));
        TRY(buf_add(&t->rdn, buf_slice(&t->all)));
    }
    struct buf swap = t->all;
    t->all = t->rdn;
    t->rdn = swap;
    buf_reset(&t->rdn);
    return CH_OK;
}

#define NAME_TEXT_MAX ((size_t)256 << 10)

enum chancery_err x509_name_text(struct slice name_der, struct buf *out)
{
    struct text t;
    buf_init(&t.rdn, NAME_TEXT_MAX);
    buf_init(&t.all, NAME_TEXT_MAX);
    enum chancery_err err = name_walk(name_der, text_attribute, &t);
    if (err == CH_OK) {
        err = buf_add(out, buf_slice(&t.all));
    }
    buf_clear(&t.rdn);
    buf_clear(&t.all);
    return err;
}
