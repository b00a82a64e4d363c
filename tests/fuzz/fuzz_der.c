/* DER reader: every element stays inside its parent; what was read can be written to the same
 * octets. */
#include <stdlib.h>

#include "der/der.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(struct slice s, unsigned depth)
{
    struct der_reader r = der_reader_of(s);
    struct der_value v;
    while (!der_at_end(&r) && der_next(&r, &v) == CH_OK) {
        if (v.whole.ptr < s.ptr || v.whole.ptr + v.whole.len > s.ptr + s.len) {
            abort();
        }
        struct buf out;
        buf_init(&out, v.whole.len);
        if (der_put(&out, v.tag, v.content) != CH_OK || !slice_eq(buf_slice(&out), v.whole)) {
            abort();
        }
        buf_clear(&out);
        if ((v.tag & 0x20) != 0 && depth < 32) {
            walk(v.content, depth + 1);
        }
    }
}

static void values(struct slice s)
{
    struct der_reader r = der_reader_of(s);
    uint64_t number;
    int64_t time_s;
    struct slice content;
    unsigned unused;
    bool flag;
    struct buf out;
    buf_init(&out, 4096);
    if (der_read_uint(&r, &number) == CH_OK && der_put_uint(&out, number) != CH_OK) {
        abort();
    }
    r = der_reader_of(s);
    buf_reset(&out);
    if (der_read_time(&r, &time_s) == CH_OK &&
        (der_put_time(&out, time_s) != CH_OK ||
         !slice_eq(buf_slice(&out), slice_sub(s, 0, out.len)))) {
        abort();
    }
    r = der_reader_of(s);
    buf_reset(&out);
    if (der_read_oid(&r, &content) == CH_OK && content.len < 200 &&
        der_oid_text(content, &out) == CH_OK) {
        struct buf again;
        buf_init(&again, 4096);
        if (buf_add_u8(&out, 0) != CH_OK ||
            der_oid_from_text((const char *)out.ptr, &again) != CH_OK ||
            !slice_eq(buf_slice(&again), content)) {
            abort();
        }
        buf_clear(&again);
    }
    r = der_reader_of(s);
    (void)!der_read_bits(&r, &content, &unused);
    r = der_reader_of(s);
    (void)!der_read_bool(&r, &flag);
    buf_clear(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    walk(slice_of(data, size), 0);
    values(slice_of(data, size));
    return 0;
}
