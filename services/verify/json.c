/* JSON reader (RFC 8259, integers only) and canonical writer (RFC 8785 for what it can hold). */
#include "json.h"

struct reader {
    struct slice in;
    size_t at;
    struct arena *arena;
};

static void skip_space(struct reader *r)
{
    while (r->at < r->in.len && memchr(" \t\r\n", r->in.ptr[r->at], 4) != NULL) {
        r->at++;
    }
}

static bool next_is(const struct reader *r, char c)
{
    return r->at < r->in.len && r->in.ptr[r->at] == (uint8_t)c;
}

static bool accept(struct reader *r, char c)
{
    bool yes = next_is(r, c);
    r->at += yes ? 1 : 0;
    return yes;
}

static bool accept_word(struct reader *r, const char *word)
{
    size_t n = strlen(word);
    if (r->in.len - r->at < n || memcmp(r->in.ptr + r->at, word, n) != 0) {
        return false;
    }
    r->at += n;
    return true;
}

static enum chancery_err read_unit(struct reader *r, uint32_t *out)
{
    uint8_t raw[2];
    size_t n = 0;
    if (r->in.len - r->at < 4 || hex_decode(slice_sub(r->in, r->at, 4), raw, 2, &n) != CH_OK) {
        return CH_MALFORMED;
    }
    r->at += 4;
    *out = (uint32_t)raw[0] << 8 | raw[1];
    return CH_OK;
}

static void put_utf8(uint32_t v, uint8_t *out, size_t *len)
{
    if (v < 0x80) {
        out[(*len)++] = (uint8_t)v;
    } else if (v < 0x800) {
        out[(*len)++] = (uint8_t)(0xC0 | v >> 6);
        out[(*len)++] = (uint8_t)(0x80 | (v & 0x3F));
    } else if (v < 0x10000) {
        out[(*len)++] = (uint8_t)(0xE0 | v >> 12);
        out[(*len)++] = (uint8_t)(0x80 | (v >> 6 & 0x3F));
        out[(*len)++] = (uint8_t)(0x80 | (v & 0x3F));
    } else {
        out[(*len)++] = (uint8_t)(0xF0 | v >> 18);
        out[(*len)++] = (uint8_t)(0x80 | (v >> 12 & 0x3F));
        out[(*len)++] = (uint8_t)(0x80 | (v >> 6 & 0x3F));
        out[(*len)++] = (uint8_t)(0x80 | (v & 0x3F));
    }
}

/* Behind a backslash. Six characters of input make at most three octets, twelve make four. */
static enum chancery_err read_escape(struct reader *r, uint8_t *out, size_t *len)
{
    static const char from[] = "\"\\/bfnrt";
    static const char to[] = "\"\\/\b\f\n\r\t";
    if (r->at >= r->in.len) {
        return CH_MALFORMED;
    }
    uint8_t c = r->in.ptr[r->at++];
    const char *simple = c == 0 ? NULL : strchr(from, c);
    if (simple != NULL) {
        out[(*len)++] = (uint8_t)to[simple - from];
        return CH_OK;
    }
    uint32_t v = 0;
    if (c != 'u') {
        return CH_MALFORMED;
    }
    TRY(read_unit(r, &v));
    if (v >= 0xD800 && v < 0xDC00) {
        uint32_t low = 0;
        if (!accept_word(r, "\\u")) {
            return CH_MALFORMED;
        }
        TRY(read_unit(r, &low));
        if (low < 0xDC00 || low > 0xDFFF) {
            return CH_MALFORMED;
        }
        v = 0x10000 + ((v - 0xD800) << 10) + (low - 0xDC00);
    } else if (v >= 0xDC00 && v < 0xE000) {
        return CH_MALFORMED;
    }
    put_utf8(v, out, len);
    return CH_OK;
}

static enum chancery_err read_text(struct reader *r, struct slice *out)
{
    if (!accept(r, '"')) {
        return CH_MALFORMED;
    }
    const uint8_t *end = r->in.ptr + r->at;
    size_t longest = 0;
    while (r->at + longest < r->in.len && end[longest] != '"') {
        longest += end[longest] == '\\' ? 2 : 1;
    }
    uint8_t *text = arena_alloc(r->arena, longest + 4);
    if (text == NULL) {
        return CH_NOMEM;
    }
    size_t len = 0;
    while (r->at < r->in.len && r->in.ptr[r->at] != '"') {
        uint8_t c = r->in.ptr[r->at++];
        if (c < 0x20) {
            return CH_MALFORMED;
        }
        if (c != '\\') {
            text[len++] = c;
        } else {
            TRY(read_escape(r, text, &len));
        }
    }
    *out = slice_of(text, len);
    return accept(r, '"') ? CH_OK : CH_MALFORMED;
}

static enum chancery_err read_number(struct reader *r, struct verify_json *v)
{
    size_t start = r->at;
    bool negative = accept(r, '-');
    size_t digits = r->at;
    while (r->at < r->in.len && r->in.ptr[r->at] >= '0' && r->in.ptr[r->at] <= '9') {
        int64_t d = r->in.ptr[r->at] - '0';
        if (__builtin_mul_overflow(v->num, 10, &v->num) ||
            __builtin_add_overflow(v->num, negative ? -d : d, &v->num)) {
            return CH_MALFORMED;
        }
        r->at++;
    }
    v->kind = VERIFY_JSON_NUMBER;
    bool leading_zero = r->at - digits > 1 && r->in.ptr[digits] == '0';
    if (r->at == digits || leading_zero || next_is(r, '.') || next_is(r, 'e') || next_is(r, 'E')) {
        r->at = start;
        return CH_MALFORMED;
    }
    return CH_OK;
}

static enum chancery_err read_value(struct reader *r, unsigned depth, struct verify_json **out);

static enum chancery_err read_children(struct reader *r, unsigned depth, bool named, char end,
                                       struct verify_json *v)
{
    struct verify_json **tail = &v->first;
    skip_space(r);
    if (accept(r, end)) {
        return CH_OK;
    }
    do {
        struct slice name = {0};
        skip_space(r);
        if (named) {
            TRY(read_text(r, &name));
            skip_space(r);
            if (!accept(r, ':')) {
                return CH_MALFORMED;
            }
            for (const struct verify_json *c = v->first; c != NULL; c = c->next) {
                if (slice_eq(c->name, name)) {
                    return CH_MALFORMED;
                }
            }
        }
        TRY(read_value(r, depth + 1, tail));
        (*tail)->name = name;
        tail = &(*tail)->next;
        skip_space(r);
    } while (accept(r, ','));
    return accept(r, end) ? CH_OK : CH_MALFORMED;
}

static enum chancery_err read_value(struct reader *r, unsigned depth, struct verify_json **out)
{
    if (depth > VERIFY_JSON_DEPTH) {
        return CH_LIMIT;
    }
    struct verify_json *v = arena_alloc(r->arena, sizeof *v);
    if (v == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = CH_OK;
    skip_space(r);
    if (accept(r, '{')) {
        v->kind = VERIFY_JSON_OBJECT;
        err = read_children(r, depth, true, '}', v);
    } else if (accept(r, '[')) {
        v->kind = VERIFY_JSON_LIST;
        err = read_children(r, depth, false, ']', v);
    } else if (next_is(r, '"')) {
        v->kind = VERIFY_JSON_TEXT;
        err = read_text(r, &v->text);
    } else if (accept_word(r, "true")) {
        v->kind = VERIFY_JSON_BOOL;
        v->num = 1;
    } else if (accept_word(r, "false")) {
        v->kind = VERIFY_JSON_BOOL;
    } else if (accept_word(r, "null")) {
        v->kind = VERIFY_JSON_NULL;
    } else {
        err = read_number(r, v);
    }
    if (err == CH_OK) {
        *out = v;
    }
    return err;
}

enum chancery_err verify_json_read(struct slice text, struct arena *arena, struct verify_json **out,
                                   size_t *out_at)
{
    struct reader r = {.in = text, .arena = arena};
    struct verify_json *v = NULL;
    enum chancery_err err = slice_is_utf8(text) ? read_value(&r, 0, &v) : CH_MALFORMED;
    if (err == CH_OK) {
        skip_space(&r);
        err = r.at == text.len ? CH_OK : CH_MALFORMED;
    }
    if (err == CH_OK) {
        *out = v;
    } else {
        *out_at = r.at;
    }
    return err;
}

/* ---- writer ---- */

static enum chancery_err write_text(struct slice s, struct buf *out)
{
    static const char from[] = "\"\\\b\f\n\r\t";
    static const char to[] = "\"\\bfnrt";
    TRY(buf_add_u8(out, '"'));
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        const char *simple = c == 0 ? NULL : strchr(from, c);
        if (simple != NULL) {
            TRY(buf_printf(out, "\\%c", to[simple - from]));
        } else if (c < 0x20) {
            TRY(buf_printf(out, "\\u%04x", c));
        } else {
            TRY(buf_add_u8(out, c));
        }
    }
    return buf_add_u8(out, '"');
}

/* Merge sort of siblings by name. */
static struct verify_json *sorted(struct verify_json *list)
{
    if (list == NULL || list->next == NULL) {
        return list;
    }
    struct verify_json *slow = list;
    for (struct verify_json *fast = list->next; fast != NULL && fast->next != NULL;
         fast = fast->next->next) {
        slow = slow->next;
    }
    struct verify_json *b = sorted(slow->next);
    slow->next = NULL;
    struct verify_json *a = sorted(list);
    struct verify_json *head = NULL;
    struct verify_json **tail = &head;
    while (a != NULL && b != NULL) {
        struct verify_json **least = slice_cmp(a->name, b->name) <= 0 ? &a : &b;
        *tail = *least;
        *least = (*least)->next;
        tail = &(*tail)->next;
    }
    *tail = a != NULL ? a : b;
    return head;
}

static enum chancery_err write_children(struct verify_json *v, struct buf *out)
{
    bool named = v->kind == VERIFY_JSON_OBJECT;
    if (named) {
        v->first = sorted(v->first);
    }
    TRY(buf_add_u8(out, named ? '{' : '['));
    for (struct verify_json *c = v->first; c != NULL; c = c->next) {
        TRY(c == v->first ? CH_OK : buf_add_u8(out, ','));
        if (named) {
            TRY(write_text(c->name, out));
            TRY(buf_add_u8(out, ':'));
        }
        TRY(verify_json_write(c, out));
    }
    return buf_add_u8(out, named ? '}' : ']');
}

enum chancery_err verify_json_write(struct verify_json *v, struct buf *out)
{
    switch (v->kind) {
    case VERIFY_JSON_NULL:
        return buf_add_str(out, "null");
    case VERIFY_JSON_BOOL:
        return buf_add_str(out, v->num != 0 ? "true" : "false");
    case VERIFY_JSON_NUMBER:
        return buf_printf(out, "%lld", (long long)v->num);
    case VERIFY_JSON_TEXT:
        return write_text(v->text, out);
    case VERIFY_JSON_LIST:
    case VERIFY_JSON_OBJECT:
        return write_children(v, out);
    case VERIFY_JSON_NONE:
        break;
    }
    return CH_INTERNAL;
}

const struct verify_json *verify_json_get(const struct verify_json *object, const char *name)
{
    if (object == NULL || object->kind != VERIFY_JSON_OBJECT) {
        return NULL;
    }
    for (const struct verify_json *c = object->first; c != NULL; c = c->next) {
        if (slice_eq(c->name, slice_str(name))) {
            return c;
        }
    }
    return NULL;
}
