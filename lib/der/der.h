/* Strict DER (X.690 8 to 11): a reader over borrowed bytes and a writer into a buf.
 *
 * The reader takes definite, shortest-form lengths only, one-octet tags only, and never reads past
 * its slice. Values keep pointing into the input. No allocation. For the measured hot paths;
 * everything else uses OpenSSL. */
#ifndef CHANCERY_DER_DER_H
#define CHANCERY_DER_DER_H

#include "base/bytes.h"

enum {
    DER_BOOLEAN = 0x01,
    DER_INTEGER = 0x02,
    DER_BIT_STRING = 0x03,
    DER_OCTET_STRING = 0x04,
    DER_NULL = 0x05,
    DER_OID = 0x06,
    DER_ENUMERATED = 0x0a,
    DER_UTF8 = 0x0c,
    DER_SEQUENCE = 0x30,
    DER_SET = 0x31,
    DER_PRINTABLE = 0x13,
    DER_T61 = 0x14,
    DER_IA5 = 0x16,
    DER_UTC_TIME = 0x17,
    DER_GENERALIZED_TIME = 0x18,
    DER_BMP = 0x1e,
};
#define DER_CONTEXT(n) (0x80 | (n))      /* primitive [n] */
#define DER_CONTEXT_CONS(n) (0xa0 | (n)) /* constructed [n] */

struct der_reader {
    struct slice rest;
};
struct der_value {
    uint8_t tag;
    struct slice content; /* inside tag and length */
    struct slice whole;   /* with them */
};

static inline struct der_reader der_reader_of(struct slice s)
{
    return (struct der_reader){s};
}
static inline bool der_at_end(const struct der_reader *r)
{
    return r->rest.len == 0;
}
/* der_peek_tag returns the next tag, 0 at the end. */
static inline uint8_t der_peek_tag(const struct der_reader *r)
{
    return r->rest.len == 0 ? 0 : r->rest.ptr[0];
}

/* der_peek_header reads tag and length of the element at the start of `s`, which may be cut off:
 * CH_END when more octets are needed to know them, CH_MALFORMED when they are not DER. For streams.
 */
enum chancery_err der_peek_header(struct slice s, uint8_t *out_tag, size_t *out_header,
                                  size_t *out_content) MUST_CHECK;

/* der_next reads any element; der_expect one with `tag`; CH_MALFORMED otherwise. */
enum chancery_err der_next(struct der_reader *r, struct der_value *out) MUST_CHECK;
enum chancery_err der_expect(struct der_reader *r, uint8_t tag, struct der_value *out) MUST_CHECK;
/* der_enter reads an element with `tag` and returns a reader over its content. */
enum chancery_err der_enter(struct der_reader *r, uint8_t tag, struct der_reader *out) MUST_CHECK;
/* der_finish: CH_MALFORMED when bytes trail. */
enum chancery_err der_finish(const struct der_reader *r) MUST_CHECK;
/* der_read_bool: FF or 00 only. der_read_uint: non-negative INTEGER, shortest, up to 8 octets.
 * der_read_integer: content octets of a shortest-form INTEGER (sign octet included). */
enum chancery_err der_read_bool(struct der_reader *r, bool *out) MUST_CHECK;
enum chancery_err der_read_uint(struct der_reader *r, uint64_t *out) MUST_CHECK;
enum chancery_err der_read_integer(struct der_reader *r, struct slice *out) MUST_CHECK;
/* der_read_oid: content octets, checked to be well formed (X.690 8.19). */
enum chancery_err der_read_oid(struct der_reader *r, struct slice *out) MUST_CHECK;
/* der_read_bits: BIT STRING; content and number of unused bits, which must be zero bits. */
enum chancery_err der_read_bits(struct der_reader *r, struct slice *out,
                                unsigned *unused) MUST_CHECK;
/* der_read_time: UTCTime (1950..2049) or GeneralizedTime (from 2050) as RFC 5280 4.1.2.5 wants. */
enum chancery_err der_read_time(struct der_reader *r, int64_t *out_s) MUST_CHECK;

/* ---- writer ----
 * der_open writes tag and a placeholder; der_close patches the length (moving content when the
 * length needs more octets). Nest freely. */
enum chancery_err der_open(struct buf *b, uint8_t tag, size_t *mark) MUST_CHECK;
enum chancery_err der_close(struct buf *b, size_t mark) MUST_CHECK;
enum chancery_err der_put(struct buf *b, uint8_t tag, struct slice content) MUST_CHECK;
enum chancery_err der_put_bool(struct buf *b,
                               bool v) MUST_CHECK; /* TRUE or FALSE, no DEFAULT logic */
enum chancery_err der_put_uint(struct buf *b, uint64_t v) MUST_CHECK;
/* der_put_unsigned: INTEGER from unsigned big-endian octets (leading zeros cut, sign octet added).
 */
enum chancery_err der_put_unsigned(struct buf *b, struct slice big_endian) MUST_CHECK;
enum chancery_err der_put_bits(struct buf *b, struct slice content, unsigned unused) MUST_CHECK;
enum chancery_err der_put_time(struct buf *b, int64_t t_s) MUST_CHECK;
/* der_header_size: octets of tag + length for `content` octets. */
size_t der_header_size(size_t content);
/* der_put_header writes tag and length only (streams whose content follows). */
enum chancery_err der_put_header(struct buf *b, uint8_t tag, size_t content) MUST_CHECK;
/* der_oid_text writes "1.2.840" of OID content octets; der_oid_from_text the reverse. */
enum chancery_err der_oid_text(struct slice oid, struct buf *out) MUST_CHECK;
enum chancery_err der_oid_from_text(const char *text, struct buf *out) MUST_CHECK;

#endif
