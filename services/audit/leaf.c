/* The audit log's leaf: canonical JSON writer and strict reader. */
#include "leaf.h"

#include <stdlib.h>

static bool in_set(uint8_t c, const char *extra)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != 0 && strchr(extra, c) != NULL);
}

static bool all_in_set(struct slice s, size_t max, const char *extra)
{
    if (s.len == 0 || s.len > max) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!in_set(s.ptr[i], extra)) {
            return false;
        }
    }
    return true;
}

bool audit_action_ok(struct slice action)
{
    return all_in_set(action, AUDIT_ACTION_MAX, "._-");
}

bool audit_producer_ok(struct slice p)
{
    if (p.len == 0 || p.len > AUDIT_PRODUCER_MAX) {
        return false;
    }
    for (size_t i = 0; i < p.len; i++) {
        if (p.ptr[i] <= 0x20 || p.ptr[i] >= 0x7F || p.ptr[i] == '"' || p.ptr[i] == '\\') {
            return false;
        }
    }
    return true;
}

/* ---- writer ---- */

/* Short escapes of RFC 8785 3.2.2.2; 0 when the character has none. */
static char short_escape(uint8_t c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\f':
        return 'f';
    case '\r':
        return 'r';
    default: /* no short form */
        return 0;
    }
}

static enum chancery_err write_string(struct slice s, struct buf *out)
{
    TRY(buf_add_u8(out, '"'));
    size_t from = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        char esc = short_escape(c);
        if (esc == 0 && c >= 0x20) {
            continue;
        }
        TRY(buf_add(out, slice_sub(s, from, i - from)));
        from = i + 1;
        if (esc != 0) {
            TRY(buf_printf(out, "\\%c", esc));
        } else {
            TRY(buf_printf(out, "\\u%04x", c));
        }
    }
    TRY(buf_add(out, slice_sub(s, from, s.len - from)));
    return buf_add_u8(out, '"');
}

static enum chancery_err write_hex(struct slice s, struct buf *out)
{
    char hex[2 * AUDIT_DIGEST_MAX + 1];
    hex_encode(s, hex);
    TRY(buf_add_u8(out, '"'));
    TRY(buf_add_str(out, hex));
    return buf_add_u8(out, '"');
}

static enum chancery_err write_value(const struct audit_field *f, struct buf *out)
{
    switch (f->type) {
    case AUDIT_TEXT:
        return write_string(f->value, out);
    case AUDIT_DIGEST:
        return write_hex(f->value, out);
    case AUDIT_NUMBER:
        return buf_printf(out, "%lld", (long long)f->num);
    }
    return CH_INVALID;
}

static enum chancery_err check_field(const struct audit_field *f, struct diag *diag)
{
    if (!all_in_set(f->name, AUDIT_NAME_MAX, "_")) {
        return diag_set(diag, CH_INVALID, "name", "audit.field.name",
                        "a field name is 1 to %d of a-z, 0-9 and _", AUDIT_NAME_MAX);
    }
    char name[AUDIT_NAME_MAX + 1] = "";
    memcpy(name, f->name.ptr, f->name.len);
    switch (f->type) {
    case AUDIT_TEXT:
        if (f->value.len > AUDIT_TEXT_MAX) {
            return diag_set(diag, CH_LIMIT, name, "audit.field.text",
                            "text is longer than %zu octets", AUDIT_TEXT_MAX);
        }
        if (!slice_is_utf8(f->value) || slice_has_nul(f->value)) {
            return diag_set(diag, CH_INVALID, name, "audit.field.text",
                            "text is not UTF-8 without NUL");
        }
        return CH_OK;
    case AUDIT_DIGEST:
        if (f->value.len > AUDIT_DIGEST_MAX) {
            return diag_set(diag, CH_LIMIT, name, "audit.field.digest",
                            "a digest is longer than %d octets", AUDIT_DIGEST_MAX);
        }
        return CH_OK;
    case AUDIT_NUMBER:
        return CH_OK;
    }
    return diag_set(diag, CH_INVALID, name, "audit.field.value", "the field has no value");
}

static int by_name(const void *a, const void *b)
{
    return slice_cmp(((const struct audit_field *)a)->name, ((const struct audit_field *)b)->name);
}

enum chancery_err audit_fields_write(struct audit_field *fields, size_t n, struct buf *out,
                                     struct diag *diag)
{
    if (n > AUDIT_FIELDS_MAX) {
        return diag_set(diag, CH_LIMIT, "fields", "audit.field.count", "more than %d fields",
                        AUDIT_FIELDS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        TRY(check_field(&fields[i], diag));
    }
    if (n > 1) {
        qsort(fields, n, sizeof *fields, by_name);
    }
    size_t start = out->len;
    TRY(buf_add_u8(out, '{'));
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && slice_eq(fields[i].name, fields[i - 1].name)) {
            return diag_set(diag, CH_INVALID, "fields", "audit.field.twice",
                            "two fields have the same name");
        }
        TRY(i > 0 ? buf_add_u8(out, ',') : CH_OK);
        TRY(write_string(fields[i].name, out));
        TRY(buf_add_u8(out, ':'));
        TRY(write_value(&fields[i], out));
    }
    TRY(buf_add_u8(out, '}'));
    if (out->len - start > AUDIT_ENCODED_MAX) {
        return diag_set(diag, CH_LIMIT, "fields", "audit.entry.size",
                        "the fields are longer than %zu octets encoded", AUDIT_ENCODED_MAX);
    }
    return CH_OK;
}

enum chancery_err audit_leaf_write(const struct audit_leaf *leaf, struct buf *out)
{
    char boot[2 * AUDIT_BOOT + 1];
    hex_encode(slice_of(leaf->boot, AUDIT_BOOT), boot);
    TRY(buf_reserve(out, leaf->f.len + leaf->producer.len + 256));
    TRY(buf_add_str(out, "{\"action\":\""));
    TRY(buf_add(out, leaf->action));
    TRY(buf_add_str(out, "\",\"boot\":\""));
    TRY(buf_add_str(out, boot));
    TRY(buf_add_str(out, "\",\"f\":"));
    TRY(buf_add(out, leaf->f));
    TRY(buf_add_str(out, ",\"producer\":\""));
    TRY(buf_add(out, leaf->producer));
    return buf_printf(out, "\",\"pseq\":%llu,\"ts\":%lld,\"v\":1}",
                      (unsigned long long)leaf->sequence, (long long)leaf->ts_ns);
}

enum chancery_err audit_row_add(struct buf *row, struct slice line)
{
    TRY(buf_add_u32be(row, (uint32_t)line.len));
    return buf_add(row, line);
}

/* ---- reader ---- */

struct cursor {
    const uint8_t *at, *end;
};

static bool take(struct cursor *c, const char *literal)
{
    size_t n = strlen(literal);
    if ((size_t)(c->end - c->at) < n || memcmp(c->at, literal, n) != 0) {
        return false;
    }
    c->at += n;
    return true;
}

/* The six characters \u00xx of a control character without a short form. */
static bool take_long_escape(struct cursor *c)
{
    if (c->end - c->at < 6 || memcmp(c->at, "\\u00", 4) != 0) {
        return false;
    }
    uint8_t v = 0;
    size_t n = 0;
    if (hex_decode(slice_of(c->at + 4, 2), &v, 1, &n) != CH_OK || v >= 0x20 ||
        short_escape(v) != 0 || (c->at[5] >= 'A' && c->at[5] <= 'F')) {
        return false;
    }
    c->at += 6;
    return true;
}

/* A canonical string with its quotes. UTF-8 was checked for the whole line. */
static bool take_string(struct cursor *c, struct slice *out)
{
    const uint8_t *start = c->at;
    if (!take(c, "\"")) {
        return false;
    }
    while (c->at < c->end && *c->at != '"') {
        if (*c->at < 0x20) {
            return false;
        }
        if (*c->at != '\\') {
            c->at++;
        } else if (c->end - c->at >= 2 && c->at[1] != 0 && strchr("\"\\btnfr", c->at[1]) != NULL) {
            c->at += 2;
        } else if (!take_long_escape(c)) {
            return false;
        }
    }
    if (!take(c, "\"")) {
        return false;
    }
    *out = slice_of(start, (size_t)(c->at - start));
    return true;
}

/* A canonical integer: no leading zero, no "-0", within int64. */
static bool take_number(struct cursor *c, struct slice *out_raw, int64_t *out)
{
    const uint8_t *start = c->at;
    bool negative = take(c, "-");
    const uint8_t *digits = c->at;
    int64_t v = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9') {
        int64_t digit = *c->at - '0';
        if (__builtin_mul_overflow(v, 10, &v) ||
            __builtin_add_overflow(v, negative ? -digit : digit, &v)) {
            return false;
        }
        c->at++;
    }
    if (c->at == digits || (digits[0] == '0' && (c->at - digits > 1 || negative))) {
        return false;
    }
    *out_raw = slice_of(start, (size_t)(c->at - start));
    *out = v;
    return true;
}

static struct slice unquote(struct slice raw)
{
    return slice_sub(raw, 1, raw.len - 2);
}

/* One "name":value of an object; `value` is raw. */
static bool take_member(struct cursor *c, struct slice *out_name, struct slice *out_value)
{
    struct slice name;
    int64_t num;
    if (!take_string(c, &name) || !take(c, ":")) {
        return false;
    }
    *out_name = unquote(name);
    if (c->at < c->end && *c->at == '"') {
        return take_string(c, out_value);
    }
    return take_number(c, out_value, &num);
}

static bool take_fields(struct cursor *c, struct slice *out)
{
    const uint8_t *start = c->at;
    struct slice before = {0};
    if (!take(c, "{")) {
        return false;
    }
    size_t n = 0;
    while (c->at < c->end && *c->at != '}') {
        struct slice name;
        struct slice value;
        if ((n > 0 && !take(c, ",")) || !take_member(c, &name, &value) ||
            !all_in_set(name, AUDIT_NAME_MAX, "_") || (n > 0 && slice_cmp(before, name) >= 0) ||
            ++n > AUDIT_FIELDS_MAX) {
            return false;
        }
        before = name;
    }
    if (!take(c, "}")) {
        return false;
    }
    *out = slice_of(start, (size_t)(c->at - start));
    return true;
}

static bool take_boot(struct cursor *c, uint8_t out[AUDIT_BOOT])
{
    struct slice raw;
    size_t n = 0;
    if (!take_string(c, &raw) || raw.len != 2 * AUDIT_BOOT + 2) {
        return false;
    }
    struct slice hex = unquote(raw);
    for (size_t i = 0; i < hex.len; i++) {
        if (hex.ptr[i] >= 'A' && hex.ptr[i] <= 'F') {
            return false;
        }
    }
    return hex_decode(hex, out, AUDIT_BOOT, &n) == CH_OK;
}

static bool take_leaf(struct cursor *c, struct audit_leaf *l)
{
    struct slice raw;
    int64_t pseq;
    if (!take(c, "{\"action\":") || !take_string(c, &raw)) {
        return false;
    }
    l->action = unquote(raw);
    if (!take(c, ",\"boot\":") || !take_boot(c, l->boot) || !take(c, ",\"f\":") ||
        !take_fields(c, &l->f) || !take(c, ",\"producer\":") || !take_string(c, &raw)) {
        return false;
    }
    l->producer = unquote(raw);
    if (!take(c, ",\"pseq\":") || !take_number(c, &raw, &pseq) || !take(c, ",\"ts\":") ||
        !take_number(c, &raw, &l->ts_ns) || !take(c, ",\"v\":1}") || c->at != c->end) {
        return false;
    }
    l->sequence = (uint64_t)pseq;
    return pseq > 0 && l->ts_ns >= 0 && audit_action_ok(l->action) &&
           audit_producer_ok(l->producer) && l->f.len <= AUDIT_ENCODED_MAX;
}

enum chancery_err audit_leaf_read(struct slice line, struct audit_leaf *out, struct diag *diag)
{
    struct audit_leaf l = {0};
    struct cursor c = {line.ptr, line.ptr + line.len};
    if (line.len > AUDIT_LEAF_MAX || !slice_is_utf8(line) || !take_leaf(&c, &l)) {
        return diag_set(diag, CH_MALFORMED, "leaf", "audit.leaf",
                        "the leaf is not canonical (octet %zu)", (size_t)(c.at - line.ptr));
    }
    *out = l;
    return CH_OK;
}

static enum chancery_err find(struct slice f, struct slice name, struct slice *out)
{
    struct cursor c = {f.ptr + 1, f.ptr + f.len};
    while (c.at < c.end && *c.at != '}') {
        struct slice key;
        struct slice value;
        (void)take(&c, ",");
        if (!take_member(&c, &key, &value)) {
            return CH_NOT_FOUND;
        }
        if (slice_eq(key, name)) {
            *out = value;
            return CH_OK;
        }
    }
    return CH_NOT_FOUND;
}

enum chancery_err audit_fields_find(struct slice f, const char *name, struct slice *out)
{
    return find(f, slice_str(name), out);
}

enum chancery_err audit_fields_number(struct slice f, const char *name, int64_t *out)
{
    struct slice raw;
    TRY(audit_fields_find(f, name, &raw));
    struct cursor c = {raw.ptr, raw.ptr + raw.len};
    return take_number(&c, &raw, out) ? CH_OK : CH_MALFORMED;
}

enum chancery_err audit_fields_digest(struct slice f, const char *name, uint8_t *out, size_t size)
{
    struct slice raw;
    TRY(audit_fields_find(f, name, &raw));
    size_t n = 0;
    if (raw.len != 2 * size + 2 || raw.ptr[0] != '"') {
        return CH_MALFORMED;
    }
    return hex_decode(unquote(raw), out, size, &n);
}

bool audit_fields_match(struct slice f, struct slice name, struct slice value)
{
    struct slice raw;
    if (find(f, name, &raw) != CH_OK) {
        return false;
    }
    if (raw.ptr[0] != '"') {
        return slice_eq(raw, value);
    }
    CLEANUP(buf_clear) struct buf quoted;
    buf_init(&quoted, AUDIT_LEAF_MAX);
    return write_string(value, &quoted) == CH_OK && slice_eq(raw, buf_slice(&quoted));
}
