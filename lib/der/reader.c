/* Reader of strict DER (X.690 8 to 11) over borrowed bytes. Each element is bounded by its parent's
 * slice, so a length can never reach past what was given. No recursion, no allocation. */
#include "der/der.h"

/* Four length octets: 4 GiB, more than any buffer here holds. */
#define DER_LENGTH_OCTETS_MAX 4

/* Universal types have one form in DER (X.690 10.2: strings are primitive). Tag numbers 8
 * (EXTERNAL), 11 (EMBEDDED PDV), 16 and 17 are constructed. */
static bool universal_form_ok(uint8_t tag)
{
    if ((tag & 0xc0) != 0) {
        return true;
    }
    unsigned number = tag & 0x1f;
    bool constructed = (tag & 0x20) != 0;
    bool wants = number == 8 || number == 11 || number == 16 || number == 17;
    return number != 0 && constructed == wants;
}

/* Reads the length octets at the start of `s`; on CH_OK *out_len is the content length and
 * *out_used the octets read. CH_END when they are cut off. */
static enum chancery_err read_length(struct slice s, size_t *out_len, size_t *out_used)
{
    if (s.len == 0) {
        return CH_END;
    }
    uint8_t first = s.ptr[0];
    if (first < 0x80) {
        *out_len = first;
        *out_used = 1;
        return CH_OK;
    }
    /* X.690 10.1: definite form, fewest octets. */
    size_t octets = first & 0x7f;
    if (octets == 0 || octets > DER_LENGTH_OCTETS_MAX || (s.len > 1 && s.ptr[1] == 0)) {
        return CH_MALFORMED;
    }
    if (octets > s.len - 1) {
        return CH_END;
    }
    size_t len = 0;
    for (size_t i = 1; i <= octets; i++) {
        len = len << 8 | s.ptr[i];
    }
    if (len < 0x80) {
        return CH_MALFORMED;
    }
    *out_len = len;
    *out_used = 1 + octets;
    return CH_OK;
}

enum chancery_err der_peek_header(struct slice s, uint8_t *out_tag, size_t *out_header,
                                  size_t *out_content)
{
    if (s.len == 0) {
        return CH_END;
    }
    if ((s.ptr[0] & 0x1f) == 0x1f || !universal_form_ok(s.ptr[0])) {
        return CH_MALFORMED;
    }
    size_t len, used;
    TRY(read_length(slice_of(s.ptr + 1, s.len - 1), &len, &used));
    *out_tag = s.ptr[0];
    *out_header = 1 + used;
    *out_content = len;
    return CH_OK;
}

enum chancery_err der_next(struct der_reader *r, struct der_value *out)
{
    struct slice s = r->rest;
    uint8_t tag;
    size_t header, len;
    if (der_peek_header(s, &tag, &header, &len) != CH_OK || len > s.len - header) {
        return CH_MALFORMED;
    }
    out->tag = tag;
    out->content = slice_of(s.ptr + header, len);
    out->whole = slice_of(s.ptr, header + len);
    r->rest = slice_of(s.ptr + header + len, s.len - header - len);
    return CH_OK;
}

enum chancery_err der_expect(struct der_reader *r, uint8_t tag, struct der_value *out)
{
    if (der_peek_tag(r) != tag) {
        return CH_MALFORMED;
    }
    return der_next(r, out);
}

enum chancery_err der_enter(struct der_reader *r, uint8_t tag, struct der_reader *out)
{
    struct der_value v;
    TRY(der_expect(r, tag, &v));
    *out = der_reader_of(v.content);
    return CH_OK;
}

enum chancery_err der_finish(const struct der_reader *r)
{
    return r->rest.len == 0 ? CH_OK : CH_MALFORMED;
}

enum chancery_err der_read_bool(struct der_reader *r, bool *out)
{
    struct der_value v;
    TRY(der_expect(r, DER_BOOLEAN, &v));
    /* X.690 11.1: TRUE is FF. */
    if (v.content.len != 1 || (v.content.ptr[0] != 0 && v.content.ptr[0] != 0xff)) {
        return CH_MALFORMED;
    }
    *out = v.content.ptr[0] == 0xff;
    return CH_OK;
}

/* X.690 8.3.2: the first nine bits are neither all zero nor all one. */
static bool integer_is_shortest(struct slice c)
{
    if (c.len == 0) {
        return false;
    }
    return c.len == 1 || !((c.ptr[0] == 0 && (c.ptr[1] & 0x80) == 0) ||
                           (c.ptr[0] == 0xff && (c.ptr[1] & 0x80) != 0));
}

enum chancery_err der_read_integer(struct der_reader *r, struct slice *out)
{
    struct der_value v;
    TRY(der_expect(r, DER_INTEGER, &v));
    if (!integer_is_shortest(v.content)) {
        return CH_MALFORMED;
    }
    *out = v.content;
    return CH_OK;
}

enum chancery_err der_read_uint(struct der_reader *r, uint64_t *out)
{
    struct slice c;
    TRY(der_read_integer(r, &c));
    if ((c.ptr[0] & 0x80) != 0) {
        return CH_MALFORMED;
    }
    if (c.ptr[0] == 0) {
        c = slice_sub(c, 1, c.len - 1);
    }
    if (c.len > 8) {
        return CH_MALFORMED;
    }
    uint64_t value = 0;
    for (size_t i = 0; i < c.len; i++) {
        value = value << 8 | c.ptr[i];
    }
    *out = value;
    return CH_OK;
}

enum chancery_err der_read_oid(struct der_reader *r, struct slice *out)
{
    struct der_value v;
    TRY(der_expect(r, DER_OID, &v));
    /* X.690 8.19.2: subidentifiers in fewest octets; the last octet ends one. */
    bool starts = true;
    for (size_t i = 0; i < v.content.len; i++) {
        if (starts && v.content.ptr[i] == 0x80) {
            return CH_MALFORMED;
        }
        starts = (v.content.ptr[i] & 0x80) == 0;
    }
    if (v.content.len == 0 || !starts) {
        return CH_MALFORMED;
    }
    *out = v.content;
    return CH_OK;
}

enum chancery_err der_read_bits(struct der_reader *r, struct slice *out, unsigned *unused)
{
    struct der_value v;
    TRY(der_expect(r, DER_BIT_STRING, &v));
    struct slice c = v.content;
    /* X.690 8.6.2 and 11.2: 0..7 unused bits, all zero, none in an empty string. */
    if (c.len == 0 || c.ptr[0] > 7 || (c.len == 1 && c.ptr[0] != 0) ||
        (c.ptr[c.len - 1] & ((1U << c.ptr[0]) - 1)) != 0) {
        return CH_MALFORMED;
    }
    *unused = c.ptr[0];
    *out = slice_of(c.ptr + 1, c.len - 1);
    return CH_OK;
}
