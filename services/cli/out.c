/* Printing: one JSON value, or a table or record made from it. */
#include "out.h"

#include <stdlib.h>

#include "text.h"

#define OUT_CELL_MAX ((size_t)64 << 10)
#define OUT_TEXT_MAX ((size_t)64 << 20) /* a listing of 100,000 rows stays below */

json_t *out_text(struct slice s)
{
    struct buf b;
    buf_init(&b, 6 * s.len + 1);
    json_t *v = NULL;
    if (slice_is_utf8(s) && !slice_has_nul(s)) {
        v = json_stringn(s.len == 0 ? "" : (const char *)s.ptr, s.len);
    } else if (text_safe(s, &b) == CH_OK) {
        v = json_stringn((const char *)b.ptr, b.len);
    }
    buf_clear(&b);
    return v;
}

json_t *out_hex(struct slice s)
{
    char *hex = malloc(2 * s.len + 1);
    if (hex == NULL) {
        return NULL;
    }
    hex_encode(s, hex);
    json_t *v = json_string(hex);
    free(hex);
    return v;
}

json_t *out_base64(struct slice s)
{
    struct buf b;
    buf_init(&b, 2 * s.len + 8);
    json_t *v = base64_encode(s, &b) == CH_OK ? json_stringn((const char *)b.ptr, b.len) : NULL;
    buf_clear(&b);
    return v;
}

static int out_dump_chunk(const char *data, size_t size, void *ctx)
{
    struct buf *buf = ctx;
    return buf_add(buf, slice_of(data, size)) == CH_OK ? 0 : -1;
}

enum chancery_err out_canonical(const json_t *v, struct buf *buf)
{
    if (json_dump_callback(v, out_dump_chunk, buf, JSON_SORT_KEYS | JSON_COMPACT) != 0) {
        return CH_LIMIT;
    }
    return CH_OK;
}

static enum chancery_err out_json(struct out *o, const json_t *v)
{
    if (json_dumpf(v, o->f, JSON_INDENT(2) | JSON_SORT_KEYS) != 0 || fputc('\n', o->f) == EOF ||
        fflush(o->f) != 0) {
        return CH_IO;
    }
    return CH_OK;
}

static enum chancery_err out_cell(const json_t *v, enum out_kind kind, struct buf *b)
{
    if (json_is_integer(v) && kind == OUT_TIME) {
        char t[TEXT_TIME_SIZE];
        text_time(json_integer_value(v), t);
        return buf_add_str(b, t);
    }
    if (json_is_integer(v)) {
        return buf_printf(b, "%lld", (long long)json_integer_value(v));
    }
    if (json_is_boolean(v)) {
        return buf_add_str(b, json_is_true(v) ? "yes" : "no");
    }
    if (json_is_array(v)) {
        for (size_t i = 0; i < json_array_size(v); i++) {
            TRY(buf_add_str(b, i == 0 ? "" : ", "));
            TRY(out_cell(json_array_get(v, i), kind, b));
        }
        return CH_OK;
    }
    if (json_is_string(v)) {
        return text_safe(slice_of(json_string_value(v), json_string_length(v)), b);
    }
    return CH_OK;
}

/* Appends one padded cell; the last column is not padded. */
static enum chancery_err out_pad(struct buf *line, struct slice cell, size_t width, bool last)
{
    TRY(buf_add(line, cell));
    for (size_t w = text_width(cell); !last && w < width + 2; w++) {
        TRY(buf_add_u8(line, ' '));
    }
    return CH_OK;
}

static enum chancery_err out_rows(json_t *rows, const struct out_column *columns, size_t n,
                                  struct buf *text, struct buf *cell)
{
    size_t width[16] = {0};
    size_t row = 0;
    json_t *object = NULL;
    if (n > 16) {
        return CH_INTERNAL;
    }
    for (size_t c = 0; c < n; c++) {
        width[c] = strlen(columns[c].title);
        json_array_foreach(rows, row, object)
        {
            buf_reset(cell);
            TRY(out_cell(json_object_get(object, columns[c].key), columns[c].kind, cell));
            size_t w = text_width(buf_slice(cell));
            width[c] = w > width[c] ? w : width[c];
        }
    }
    for (size_t c = 0; c < n; c++) {
        TRY(out_pad(text, slice_str(columns[c].title), width[c], c + 1 == n));
    }
    TRY(buf_add_u8(text, '\n'));
    json_array_foreach(rows, row, object)
    {
        for (size_t c = 0; c < n; c++) {
            buf_reset(cell);
            TRY(out_cell(json_object_get(object, columns[c].key), columns[c].kind, cell));
            TRY(out_pad(text, buf_slice(cell), width[c], c + 1 == n));
        }
        TRY(buf_add_u8(text, '\n'));
    }
    return CH_OK;
}

static enum chancery_err out_write(struct out *o, const struct buf *text)
{
    if (text->len > 0 &&
        (fwrite(text->ptr, 1, text->len, o->f) != text->len || fflush(o->f) != 0)) {
        return CH_IO;
    }
    return CH_OK;
}

enum chancery_err out_table(struct out *o, const char *name, json_t *rows, json_t *extra,
                            const struct out_column *columns, size_t n)
{
    enum chancery_err err = rows == NULL ? CH_NOMEM : CH_OK;
    if (err == CH_OK && o->json) {
        json_t *all = extra == NULL ? json_object() : json_incref(extra);
        err = json_object_set(all, name, rows) == 0 ? out_json(o, all) : CH_NOMEM;
        json_decref(all);
    } else if (err == CH_OK) {
        struct buf text, cell;
        buf_init(&text, OUT_TEXT_MAX);
        buf_init(&cell, OUT_CELL_MAX);
        err = out_rows(rows, columns, n, &text, &cell);
        err = err == CH_OK ? out_write(o, &text) : err;
        buf_clear(&text);
        buf_clear(&cell);
    }
    json_decref(rows);
    json_decref(extra);
    return err;
}

static enum chancery_err out_fields(const json_t *object, const struct out_column *fields, size_t n,
                                    struct buf *text, struct buf *cell)
{
    size_t width = 0;
    for (size_t i = 0; i < n; i++) {
        size_t w = strlen(fields[i].title);
        width = json_object_get(object, fields[i].key) != NULL && w > width ? w : width;
    }
    for (size_t i = 0; i < n; i++) {
        const json_t *v = json_object_get(object, fields[i].key);
        if (v == NULL || json_is_null(v)) {
            continue;
        }
        buf_reset(cell);
        TRY(out_cell(v, fields[i].kind, cell));
        TRY(out_pad(text, slice_str(fields[i].title), width, false));
        TRY(buf_add(text, buf_slice(cell)));
        TRY(buf_add_u8(text, '\n'));
    }
    return CH_OK;
}

enum chancery_err out_record(struct out *o, json_t *object, const struct out_column *fields,
                             size_t n)
{
    enum chancery_err err = object == NULL ? CH_NOMEM : CH_OK;
    if (err == CH_OK && o->json) {
        err = out_json(o, object);
    } else if (err == CH_OK) {
        struct buf text, cell;
        buf_init(&text, OUT_TEXT_MAX);
        buf_init(&cell, OUT_CELL_MAX);
        err = out_fields(object, fields, n, &text, &cell);
        err = err == CH_OK ? out_write(o, &text) : err;
        buf_clear(&text);
        buf_clear(&cell);
    }
    json_decref(object);
    return err;
}

void out_note(struct out *o, const char *fmt, ...)
{
    if (o->json) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    (void)vfprintf(o->f, fmt, args);
    va_end(args);
    (void)fputc('\n', o->f);
    (void)fflush(o->f);
}

static void out_error_json(struct out *o, enum chancery_err err, const struct diag *d)
{
    json_t *v = json_pack("{s:{s:s, s:o, s:s, s:o, s:s}}", "error", "code", err_name(err), "field",
                          out_text(slice_str(d->field)), "rule", d->rule, "message",
                          out_text(slice_str(d->text)), "reference", d->reference);
    if (v != NULL) {
        (void)json_dumpf(v, o->err, JSON_COMPACT | JSON_SORT_KEYS);
        (void)fputc('\n', o->err);
    }
    json_decref(v);
}

void out_error(struct out *o, enum chancery_err err, const struct diag *diag)
{
    static const struct diag none;
    const struct diag *d = diag == NULL ? &none : diag;
    if (o->json) {
        out_error_json(o, err, d);
        return;
    }
    struct buf text;
    buf_init(&text, 4096);
    enum chancery_err e = text_safe(slice_str(d->text), &text);
    (void)fprintf(o->err, "chancery: %s: %.*s", err_name(err), e == CH_OK ? (int)text.len : 0,
                  text.len > 0 ? (const char *)text.ptr : "");
    buf_reset(&text);
    if (d->field[0] != '\0' && text_safe(slice_str(d->field), &text) == CH_OK) {
        (void)fprintf(o->err, "\n  field: %.*s", (int)text.len, (const char *)text.ptr);
    }
    if (d->rule[0] != '\0') {
        (void)fprintf(o->err, "\n  rule:  %s", d->rule);
    }
    if (d->reference[0] != '\0') {
        (void)fprintf(o->err, "\n  see:   %s", d->reference);
    }
    (void)fputc('\n', o->err);
    buf_clear(&text);
}
