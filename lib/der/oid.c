/* OBJECT IDENTIFIER content octets (X.690 8.19) and their dotted text. Arcs up to 64 bits. */
#include <inttypes.h>

#include "der/der.h"

enum chancery_err der_oid_text(struct slice oid, struct buf *out)
{
    if (oid.len == 0 || (oid.ptr[oid.len - 1] & 0x80) != 0) {
        return CH_MALFORMED;
    }
    size_t start = out->len;
    uint64_t arc = 0;
    bool first = true, fresh = true;
    for (size_t i = 0; i < oid.len; i++) {
        if ((fresh && oid.ptr[i] == 0x80) || arc > UINT64_MAX >> 7) {
            out->len = start;
            return fresh && oid.ptr[i] == 0x80 ? CH_MALFORMED : CH_LIMIT;
        }
        arc = arc << 7 | (oid.ptr[i] & 0x7fU);
        fresh = (oid.ptr[i] & 0x80) == 0;
        if (!fresh) {
            continue;
        }
        if (first) {
            /* X.690 8.19.4: the first subidentifier is 40 * arc1 + arc2. */
            uint64_t top = arc < 80 ? arc / 40 : 2;
            TRY(buf_printf(out, "%" PRIu64 ".%" PRIu64, top, arc - top * 40));
            first = false;
        } else {
            TRY(buf_printf(out, ".%" PRIu64, arc));
        }
        arc = 0;
    }
    return CH_OK;
}

static enum chancery_err put_arc(struct buf *out, uint64_t arc)
{
    uint8_t raw[10];
    size_t n = sizeof raw;
    raw[--n] = (uint8_t)(arc & 0x7f);
    for (arc >>= 7; arc > 0; arc >>= 7) {
        raw[--n] = (uint8_t)(0x80 | (arc & 0x7f));
    }
    return buf_add(out, slice_of(raw + n, sizeof raw - n));
}

/* Reads one decimal arc without leading zeros and moves *p behind it. */
static bool read_arc(const char **p, uint64_t *out)
{
    const char *s = *p;
    if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9')) {
        return false;
    }
    uint64_t v = 0;
    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');
        if (v > (UINT64_MAX - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *p = s;
    *out = v;
    return true;
}

enum chancery_err der_oid_from_text(const char *text, struct buf *out)
{
    uint64_t top, arc;
    if (text == NULL || !read_arc(&text, &top) || *text++ != '.' || !read_arc(&text, &arc) ||
        top > 2 || (top < 2 && arc > 39) || arc > UINT64_MAX - 80) {
        return CH_MALFORMED;
    }
    size_t start = out->len;
    enum chancery_err err = put_arc(out, top * 40 + arc);
    while (err == CH_OK && *text != '\0') {
        err = *text++ == '.' && read_arc(&text, &arc) ? put_arc(out, arc) : CH_MALFORMED;
    }
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}
