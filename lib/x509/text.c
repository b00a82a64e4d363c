/* Characters in names: which may stand in a certificate, and which only serve to deceive a reader.
 */
#include <stdio.h>

#include "x509/x509_int.h"

uint32_t x509_utf8_next(struct slice text, size_t *pos)
{
    const uint8_t *p = text.ptr + *pos;
    if (p[0] < 0x80) {
        *pos += 1;
        return p[0];
    }
    size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    uint32_t c = p[0] & (0x7fU >> len);
    for (size_t i = 1; i < len; i++) {
        c = c << 6 | (p[i] & 0x3fU);
    }
    *pos += len;
    return c;
}

struct range {
    uint32_t first, last;
};

/* Controls (Cc), the bidirectional controls (UAX 9), invisible formatting (Cf), separators other
 * than space, private use, specials, tags. Ascending. */
static const struct range hidden[] = {
    {0x0000, 0x001f}, {0x007f, 0x00a0},   {0x00ad, 0x00ad},   {0x034f, 0x034f},    {0x061c, 0x061c},
    {0x115f, 0x1160}, {0x1680, 0x1680},   {0x17b4, 0x17b5},   {0x180b, 0x180f},    {0x2000, 0x200f},
    {0x2028, 0x202f}, {0x205f, 0x206f},   {0x3000, 0x3000},   {0x3164, 0x3164},    {0xd800, 0xf8ff},
    {0xfdd0, 0xfdef}, {0xfe00, 0xfe0f},   {0xfeff, 0xfeff},   {0xffa0, 0xffa0},    {0xfff0, 0xfffc},
    {0xfffe, 0xffff}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0x10ffff},
};

bool x509_char_hidden(uint32_t c)
{
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0] && hidden[i].first <= c; i++) {
        if (c <= hidden[i].last) {
            return true;
        }
    }
    return (c & 0xfffe) == 0xfffe; /* non-characters at the end of each plane */
}

bool x509_printable(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!letter && (c == 0 || strchr(" '()+,-./:=?", c) == NULL)) {
            return false;
        }
    }
    return true;
}

bool x509_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] < 0x20 || s.ptr[i] > 0x7e) {
            return false;
        }
    }
    return true;
}

enum chancery_err x509_refuse(struct diag *diag, enum chancery_err err, const char *field,
                              const char *rule, const char *reference, const char *fmt, ...)
{
    char text[sizeof diag->text];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)diag_set(diag, err, field, rule, "%s", text);
    return diag_ref(diag, err, reference);
}
