/* Slices, arenas, buffers, hex and base64. */
#include "base/bytes.h"

#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>

int slice_cmp(struct slice a, struct slice b)
{
    size_t n = a.len < b.len ? a.len : b.len;
    int c = n == 0 ? 0 : memcmp(a.ptr, b.ptr, n);
    if (c != 0) {
        return c;
    }
    return (a.len > b.len) - (a.len < b.len);
}

struct slice slice_sub(struct slice s, size_t from, size_t len)
{
    if (from > s.len) {
        from = s.len;
    }
    if (len > s.len - from) {
        len = s.len - from;
    }
    return slice_of(from == 0 ? s.ptr : s.ptr + from, len);
}

/* Length of the UTF-8 sequence at p (at most n bytes), 0 when it is not well formed.
 * RFC 3629 section 4, the table of well-formed sequences. */
static size_t utf8_sequence(const uint8_t *p, size_t n)
{
    uint8_t c = p[0];
    if (c < 0x80) {
        return 1;
    }
    size_t len = c >= 0xc2 && c <= 0xdf   ? 2
                 : (c & 0xf0) == 0xe0     ? 3
                 : c >= 0xf0 && c <= 0xf4 ? 4
                                          : 0;
    if (len == 0 || len > n) {
        return 0;
    }
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

bool slice_is_utf8(struct slice s)
{
    for (size_t i = 0; i < s.len;) {
        size_t len = utf8_sequence(s.ptr + i, s.len - i);
        if (len == 0) {
            return false;
        }
        i += len;
    }
    return true;
}

/* ---- arena ---- */

struct arena_block {
    struct arena_block *next;
    size_t cap, used;
    alignas(16) uint8_t data[];
};

#define ARENA_FIRST_BLOCK ((size_t)16 << 10)

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena){.max = max};
}

static struct arena_block *arena_grow(struct arena *a, size_t size)
{
    size_t cap = a->head == NULL ? ARENA_FIRST_BLOCK : a->head->cap * 2;
    if (cap > ((size_t)1 << 20)) {
        cap = (size_t)1 << 20;
    }
    if (cap < size) {
        cap = size;
    }
    struct arena_block *block = malloc(sizeof *block + cap);
    if (block == NULL) {
        return NULL;
    }
    block->next = a->head;
    block->cap = cap;
    block->used = 0;
    a->head = block;
    return block;
}

void *arena_alloc(struct arena *a, size_t size)
{
    size_t max = a->max == 0 ? ARENA_DEFAULT_MAX : a->max;
    if (size > max || a->used > max - size) {
        return NULL;
    }
    size_t rounded = (size + 15) & ~(size_t)15;
    struct arena_block *block = a->head;
    if (block == NULL || block->cap - block->used < rounded) {
        block = arena_grow(a, rounded);
        if (block == NULL) {
            return NULL;
        }
    }
    void *p = block->data + block->used;
    block->used += rounded;
    a->used += size;
    memset(p, 0, rounded);
    return p;
}

uint8_t *arena_copy(struct arena *a, struct slice s)
{
    uint8_t *p = s.len == SIZE_MAX ? NULL : arena_alloc(a, s.len + 1);
    if (p != NULL && s.len > 0) {
        memcpy(p, s.ptr, s.len);
    }
    return p;
}

char *arena_str(struct arena *a, struct slice s)
{
    return (char *)arena_copy(a, s);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *p = n < 0 ? NULL : arena_alloc(a, (size_t)n + 1);
    if (p != NULL) {
        (void)vsnprintf(p, (size_t)n + 1, fmt, again);
    }
    va_end(again);
    return p;
}

void arena_reset(struct arena *a)
{
    while (a->head != NULL && a->head->next != NULL) {
        struct arena_block *block = a->head;
        a->head = block->next;
        free(block);
    }
    if (a->head != NULL) {
        a->head->used = 0;
    }
    a->used = 0;
}

void arena_clear(struct arena *a)
{
    while (a->head != NULL) {
        struct arena_block *block = a->head;
        a->head = block->next;
        free(block);
    }
    a->used = 0;
}

/* ---- buf ---- */

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf){.max = max};
}

void buf_clear(struct buf *b)
{
    free(b->ptr);
    *b = (struct buf){.max = b->max};
}

enum chancery_err buf_reserve(struct buf *b, size_t more)
{
    if (more > b->max || b->len > b->max - more) {
        return CH_LIMIT;
    }
    size_t need = b->len + more;
    if (need <= b->cap) {
        return CH_OK;
    }
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        cap = cap > SIZE_MAX / 2 ? need : cap * 2;
    }
    if (cap > b->max) {
        cap = b->max;
    }
    uint8_t *p = realloc(b->ptr, cap);
    if (p == NULL) {
        return CH_NOMEM;
    }
    b->ptr = p;
    b->cap = cap;
    return CH_OK;
}

enum chancery_err buf_add(struct buf *b, struct slice s)
{
    TRY(buf_reserve(b, s.len));
    if (s.len > 0) {
        memcpy(b->ptr + b->len, s.ptr, s.len);
        b->len += s.len;
    }
    return CH_OK;
}

enum chancery_err buf_add_str(struct buf *b, const char *s)
{
    return buf_add(b, slice_str(s));
}

enum chancery_err buf_add_u8(struct buf *b, uint8_t v)
{
    return buf_add(b, slice_of(&v, 1));
}

enum chancery_err buf_add_u16be(struct buf *b, uint16_t v)
{
    uint8_t raw[2] = {(uint8_t)(v >> 8), (uint8_t)v};
    return buf_add(b, slice_of(raw, sizeof raw));
}

enum chancery_err buf_add_u32be(struct buf *b, uint32_t v)
{
    uint8_t raw[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    return buf_add(b, slice_of(raw, sizeof raw));
}

enum chancery_err buf_add_u64be(struct buf *b, uint64_t v)
{
    TRY(buf_add_u32be(b, (uint32_t)(v >> 32)));
    return buf_add_u32be(b, (uint32_t)v);
}

enum chancery_err buf_printf(struct buf *b, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    va_list again;
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    /* vsnprintf writes a NUL past the text, so one byte more is reserved and not counted. */
    enum chancery_err err = n < 0 ? CH_INTERNAL : buf_reserve(b, (size_t)n + 1);
    if (err == CH_OK) {
        (void)vsnprintf((char *)b->ptr + b->len, (size_t)n + 1, fmt, again);
        b->len += (size_t)n;
    }
    va_end(again);
    return err;
}

/* ---- text encodings ---- */

void hex_encode(struct slice s, char *out)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < s.len; i++) {
        out[2 * i] = digits[s.ptr[i] >> 4];
        out[2 * i + 1] = digits[s.ptr[i] & 15];
    }
    out[2 * s.len] = '\0';
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

enum chancery_err hex_decode(struct slice hex, uint8_t *out, size_t cap, size_t *out_len)
{
    if (hex.len % 2 != 0) {
        return CH_MALFORMED;
    }
    if (hex.len / 2 > cap) {
        return CH_LIMIT;
    }
    for (size_t i = 0; i < hex.len; i += 2) {
        int high = hex_digit(hex.ptr[i]);
        int low = hex_digit(hex.ptr[i + 1]);
        if (high < 0 || low < 0) {
            return CH_MALFORMED;
        }
        out[i / 2] = (uint8_t)(high << 4 | low);
    }
    *out_len = hex.len / 2;
    return CH_OK;
}

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

enum chancery_err base64_encode(struct slice s, struct buf *out)
{
    if (s.len > SIZE_MAX / 4 * 3 - 3) {
        return CH_LIMIT;
    }
    TRY(buf_reserve(out, (s.len + 2) / 3 * 4));
    for (size_t i = 0; i < s.len; i += 3) {
        size_t have = s.len - i < 3 ? s.len - i : 3;
        uint32_t v = (uint32_t)s.ptr[i] << 16;
        v |= have > 1 ? (uint32_t)s.ptr[i + 1] << 8 : 0;
        v |= have > 2 ? (uint32_t)s.ptr[i + 2] : 0;
        uint8_t *p = out->ptr + out->len;
        p[0] = (uint8_t)base64_alphabet[v >> 18];
        p[1] = (uint8_t)base64_alphabet[v >> 12 & 63];
        p[2] = (uint8_t)(have > 1 ? base64_alphabet[v >> 6 & 63] : '=');
        p[3] = (uint8_t)(have > 2 ? base64_alphabet[v & 63] : '=');
        out->len += 4;
    }
    return CH_OK;
}

static int base64_value(uint8_t c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

enum chancery_err base64_decode(struct slice text, struct buf *out)
{
    if (text.len % 4 != 0) {
        return CH_MALFORMED;
    }
    for (size_t i = 0; i < text.len; i += 4) {
        const uint8_t *p = text.ptr + i;
        bool last = i + 4 == text.len;
        size_t pad = last && p[3] == '=' ? (p[2] == '=' ? 2 : 1) : 0;
        uint32_t v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k >= 4 - pad ? 0 : base64_value(p[k]);
            if (digit < 0) {
                return CH_MALFORMED;
            }
            v = v << 6 | (uint32_t)digit;
        }
        uint8_t raw[3] = {(uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
        /* Unused bits must be zero, or two texts would mean the same bytes. */
        if ((pad == 1 && raw[2] != 0) || (pad == 2 && (raw[1] != 0 || raw[2] != 0))) {
            return CH_MALFORMED;
        }
        TRY(buf_add(out, slice_of(raw, 3 - pad)));
    }
    return CH_OK;
}
