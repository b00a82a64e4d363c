/* Typed values of custom extensions as DER. */
#include <stdlib.h>

#include "tbs/tbs_int.h"

#define VALUE_MAX ((size_t)8 << 10) /* the language allows 4096 octets */

/* INTEGER or ENUMERATED: the shortest two's complement (X.690 8.3.2). */
static enum chancery_err put_integer(uint8_t tag, int64_t v, struct buf *out)
{
    uint8_t octets[8];
    for (size_t i = 0; i < 8; i++) {
        octets[i] = (uint8_t)((uint64_t)v >> (56 - 8 * i));
    }
    size_t skip = 0;
    while (skip < 7 && ((octets[skip] == 0x00 && octets[skip + 1] < 0x80) ||
                        (octets[skip] == 0xff && octets[skip + 1] >= 0x80))) {
        skip++;
    }
    return der_put(out, tag, slice_of(octets + skip, 8 - skip));
}

static enum chancery_err put_inside(const struct policy_value *v, uint8_t tag, struct buf *out)
{
    size_t mark;
    TRY(der_open(out, tag, &mark));
    for (size_t i = 0; i < v->n_inside; i++) {
        TRY(tbs_value_write(&v->inside[i], out));
    }
    return der_close(out, mark);
}

/* The element with its first octet replaced: [n] IMPLICIT keeps what is inside. */
static enum chancery_err put_implicit(const struct policy_value *v, struct buf *out)
{
    size_t start = out->len;
    TRY(tbs_value_write(&v->inside[0], out));
    uint8_t constructed = out->ptr[start] & 0x20;
    out->ptr[start] = (uint8_t)(DER_CONTEXT(v->number) | constructed);
    return CH_OK;
}

/* Members of a SET: canonical order of tags (X.680 8.6), members with one tag as a SET OF. */
static int in_order(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    int cx = x->ptr[0] >> 6, cy = y->ptr[0] >> 6, nx = x->ptr[0] & 0x1f, ny = y->ptr[0] & 0x1f;
    if (cx != cy) {
        return cx - cy;
    }
    return nx != ny ? nx - ny : slice_cmp(*x, *y);
}

static enum chancery_err put_set(const struct policy_value *v, struct buf *out)
{
    struct buf members CLEANUP(buf_clear);
    buf_init(&members, VALUE_MAX);
    TRY(put_inside(v, DER_SET, &members));
    struct der_reader r = der_reader_of(buf_slice(&members)), in;
    struct slice *list = calloc(v->n_inside + 1, sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    size_t n = 0, mark;
    enum chancery_err err = der_enter(&r, DER_SET, &in);
    while (err == CH_OK && !der_at_end(&in) && n < v->n_inside) {
        struct der_value member;
        err = der_next(&in, &member);
        list[n++] = member.whole;
    }
    if (n > 1) {
        qsort(list, n, sizeof *list, in_order);
    }
    err = err == CH_OK ? der_open(out, DER_SET, &mark) : err;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = buf_add(out, list[i]);
    }
    free(list);
    return err == CH_OK ? der_close(out, mark) : err;
}

/* Recursion is bounded: a value comes from a file whose nesting is. */
enum chancery_err tbs_value_write(const struct policy_value *v, struct buf *out)
{
    switch (v->kind) {
    case POLICY_VALUE_UTF8:
        return der_put(out, DER_UTF8, v->octets);
    case POLICY_VALUE_IA5:
        return der_put(out, DER_IA5, v->octets);
    case POLICY_VALUE_PRINTABLE:
        return der_put(out, DER_PRINTABLE, v->octets);
    case POLICY_VALUE_INTEGER:
        return put_integer(DER_INTEGER, v->number, out);
    case POLICY_VALUE_ENUMERATED:
        return put_integer(DER_ENUMERATED, v->number, out);
    case POLICY_VALUE_BOOLEAN:
        return der_put_bool(out, v->number != 0);
    case POLICY_VALUE_OID:
        return der_put(out, DER_OID, v->octets);
    case POLICY_VALUE_OCTETS:
        return der_put(out, DER_OCTET_STRING, v->octets);
    case POLICY_VALUE_BITS:
        return der_put_bits(out, v->octets, 0);
    case POLICY_VALUE_NULL:
        return der_put(out, DER_NULL, slice_of(NULL, 0));
    case POLICY_VALUE_SEQUENCE:
        return put_inside(v, DER_SEQUENCE, out);
    case POLICY_VALUE_SET:
        return put_set(v, out);
    case POLICY_VALUE_EXPLICIT:
        return put_inside(v, (uint8_t)DER_CONTEXT_CONS(v->number), out);
    case POLICY_VALUE_IMPLICIT:
        return put_implicit(v, out);
    case POLICY_VALUE_NONE:
        break;
    }
    return CH_INVALID;
}
