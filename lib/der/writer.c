/* Writer of DER into a buf. der_open leaves one octet for the length; der_close moves the content
 * when the length needs more. Values that are not DER by themselves cannot be produced. */
#include "der/der.h"

static size_t length_size(size_t content)
{
    size_t n = 1;
    if (content >= 0x80) {
        for (size_t v = content; v > 0; v >>= 8) {
            n++;
        }
    }
    return n;
}

/* Writes the length octets of `content` to `out` (room for 9). */
static void encode_length(size_t content, uint8_t *out)
{
    size_t n = length_size(content);
    if (n == 1) {
        out[0] = (uint8_t)content;
        return;
    }
    out[0] = (uint8_t)(0x80 | (n - 1));
    for (size_t i = n - 1; i > 0; i--) {
        out[i] = (uint8_t)content;
        content >>= 8;
    }
}

size_t der_header_size(size_t content)
{
    return 1 + length_size(content);
}

enum chancery_err der_put_header(struct buf *b, uint8_t tag, size_t content)
{
    uint8_t raw[10] = {tag};
    encode_length(content, raw + 1);
    return buf_add(b, slice_of(raw, der_header_size(content)));
}

enum chancery_err der_open(struct buf *b, uint8_t tag, size_t *mark)
{
    const uint8_t raw[2] = {tag, 0};
    size_t at = b->len;
    TRY(buf_add(b, slice_of(raw, sizeof raw)));
    *mark = at;
    return CH_OK;
}

enum chancery_err der_close(struct buf *b, size_t mark)
{
    size_t content = b->len - mark - 2;
    size_t extra = length_size(content) - 1;
    if (extra > 0) {
        TRY(buf_reserve(b, extra));
        memmove(b->ptr + mark + 2 + extra, b->ptr + mark + 2, content);
        b->len += extra;
    }
    encode_length(content, b->ptr + mark + 1);
    return CH_OK;
}

enum chancery_err der_put(struct buf *b, uint8_t tag, struct slice content)
{
    TRY(der_put_header(b, tag, content.len));
    return buf_add(b, content);
}

enum chancery_err der_put_bool(struct buf *b, bool v)
{
    uint8_t octet = v ? 0xff : 0;
    return der_put(b, DER_BOOLEAN, slice_of(&octet, 1));
}

enum chancery_err der_put_unsigned(struct buf *b, struct slice big_endian)
{
    static const uint8_t zero = 0;
    while (big_endian.len > 0 && big_endian.ptr[0] == 0) {
        big_endian = slice_of(big_endian.ptr + 1, big_endian.len - 1);
    }
    bool pad = big_endian.len == 0 || (big_endian.ptr[0] & 0x80) != 0;
    TRY(der_put_header(b, DER_INTEGER, big_endian.len + (pad ? 1 : 0)));
    if (pad) {
        TRY(buf_add(b, slice_of(&zero, 1)));
    }
    return buf_add(b, big_endian);
}

enum chancery_err der_put_uint(struct buf *b, uint64_t v)
{
    uint8_t raw[8];
    for (size_t i = sizeof raw; i > 0; i--) {
        raw[i - 1] = (uint8_t)v;
        v >>= 8;
    }
    return der_put_unsigned(b, slice_of(raw, sizeof raw));
}

enum chancery_err der_put_bits(struct buf *b, struct slice content, unsigned unused)
{
    if (unused > 7 || (content.len == 0 && unused != 0) ||
        (content.len > 0 && (content.ptr[content.len - 1] & ((1U << unused) - 1)) != 0)) {
        return CH_INVALID;
    }
    TRY(der_put_header(b, DER_BIT_STRING, content.len + 1));
    TRY(buf_add_u8(b, (uint8_t)unused));
    return buf_add(b, content);
}
