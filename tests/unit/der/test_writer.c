/* lib/der/writer.c: round trips with the reader, and lengths at every step of their size. */
#include "cm.h"

#include "der/der.h"

static void close_every_length_size_round_trips(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x10000, 0x123456};
    static uint8_t content[0x123456];
    memset(content, 0x5a, sizeof content);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct buf b;
        size_t outer, inner;
        buf_init(&b, sizeof content + 64);
        assert_int_equal(der_open(&b, DER_SEQUENCE, &outer), CH_OK);
        assert_int_equal(der_open(&b, DER_OCTET_STRING, &inner), CH_OK);
        assert_int_equal(buf_add(&b, slice_of(content, sizes[i])), CH_OK);
        assert_int_equal(der_close(&b, inner), CH_OK);
        assert_int_equal(der_put_uint(&b, 7), CH_OK);
        assert_int_equal(der_close(&b, outer), CH_OK);
        struct der_reader r = der_reader_of(buf_slice(&b)), in;
        struct der_value v;
        uint64_t seven;
        assert_int_equal(der_enter(&r, DER_SEQUENCE, &in), CH_OK);
        assert_int_equal(der_finish(&r), CH_OK);
        assert_int_equal(der_expect(&in, DER_OCTET_STRING, &v), CH_OK);
        assert_true(slice_eq(v.content, slice_of(content, sizes[i])));
        assert_int_equal(v.whole.len, der_header_size(sizes[i]) + sizes[i]);
        assert_int_equal(der_read_uint(&in, &seven), CH_OK);
        assert_int_equal(seven, 7);
        buf_clear(&b);
    }
}

static void put_uint_round_trips(void **state)
{
    (void)state;
    for (unsigned shift = 0; shift < 64; shift++) {
        for (int delta = -1; delta <= 1; delta++) {
            uint64_t v = ((uint64_t)1 << shift) + (uint64_t)(int64_t)delta, again;
            struct buf b;
            buf_init(&b, 32);
            assert_int_equal(der_put_uint(&b, v), CH_OK);
            struct der_reader r = der_reader_of(buf_slice(&b));
            assert_int_equal(der_read_uint(&r, &again), CH_OK);
            assert_true(v == again);
            buf_clear(&b);
        }
    }
}

static void put_unsigned_cuts_zeros_and_adds_the_sign_octet(void **state)
{
    (void)state;
    const uint8_t in[] = {0, 0, 0x80, 1}, want[] = {2, 3, 0, 0x80, 1};
    struct buf b;
    buf_init(&b, 32);
    assert_int_equal(der_put_unsigned(&b, slice_of(in, sizeof in)), CH_OK);
    assert_true(slice_eq(buf_slice(&b), slice_of(want, sizeof want)));
    buf_clear(&b);
}

static void put_bits_that_no_reader_takes_refused(void **state)
{
    (void)state;
    const uint8_t one = 1;
    struct buf b;
    buf_init(&b, 32);
    assert_int_equal(der_put_bits(&b, slice_of(&one, 1), 1), CH_INVALID);
    assert_int_equal(der_put_bits(&b, slice_of(NULL, 0), 1), CH_INVALID);
    assert_int_equal(der_put_bits(&b, slice_of(&one, 1), 8), CH_INVALID);
    assert_int_equal(b.len, 0);
    buf_clear(&b);
}

static void writer_stops_at_the_limit_of_its_buffer(void **state)
{
    (void)state;
    static const uint8_t content[200];
    struct buf b;
    size_t mark;
    buf_init(&b, 202); /* one octet short of tag, two length octets and content */
    assert_int_equal(der_open(&b, DER_SEQUENCE, &mark), CH_OK);
    assert_int_equal(buf_add(&b, slice_of(content, sizeof content)), CH_OK);
    assert_int_equal(der_close(&b, mark), CH_LIMIT);
    buf_clear(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(close_every_length_size_round_trips),
        cmocka_unit_test(put_uint_round_trips),
        cmocka_unit_test(put_unsigned_cuts_zeros_and_adds_the_sign_octet),
        cmocka_unit_test(put_bits_that_no_reader_takes_refused),
        cmocka_unit_test(writer_stops_at_the_limit_of_its_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
