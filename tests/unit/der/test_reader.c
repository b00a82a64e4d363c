/* lib/der/reader.c: what strict DER is, by acceptance and refusal. */
#include "cm.h"

#include "der/der.h"

#define S(...) slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static enum chancery_err next(struct slice s)
{
    struct der_reader r = der_reader_of(s);
    struct der_value v;
    return der_next(&r, &v);
}

static void next_short_and_long_form_lengths(void **state)
{
    (void)state;
    static uint8_t big[4 + 0x123] = {DER_OCTET_STRING, 0x82, 0x01, 0x23};
    struct der_reader r = der_reader_of(slice_of(big, sizeof big));
    struct der_value v;
    assert_int_equal(der_next(&r, &v), CH_OK);
    assert_int_equal(v.content.len, 0x123);
    assert_int_equal(v.whole.len, sizeof big);
    assert_true(der_at_end(&r));
    assert_int_equal(next(S(DER_OCTET_STRING, 0)), CH_OK);
    static uint8_t medium[3 + 0x80] = {DER_OCTET_STRING, 0x81, 0x80};
    assert_int_equal(next(slice_of(medium, sizeof medium)), CH_OK);
}

static void next_lengths_that_are_not_der_refused(void **state)
{
    (void)state;
    assert_int_equal(next(S(DER_OCTET_STRING, 0x80, 0, 0)), CH_MALFORMED);    /* indefinite */
    assert_int_equal(next(S(DER_OCTET_STRING, 0x81, 1, 0xaa)), CH_MALFORMED); /* long form of 1 */
    assert_int_equal(next(S(DER_OCTET_STRING, 0x82, 0, 1, 0xaa)), CH_MALFORMED); /* leading zero */
    assert_int_equal(next(S(DER_OCTET_STRING, 0xff, 1)), CH_MALFORMED);          /* reserved */
    assert_int_equal(next(S(DER_OCTET_STRING, 0x85, 1, 0, 0, 0, 0)),
                     CH_MALFORMED); /* over 4 octets */
    assert_int_equal(next(S(DER_OCTET_STRING, 0x84, 0xff, 0xff, 0xff, 0xff)),
                     CH_MALFORMED); /* beyond end */
    assert_int_equal(next(S(DER_OCTET_STRING, 2, 0)), CH_MALFORMED);
    assert_int_equal(next(S(DER_OCTET_STRING)), CH_MALFORMED);
    assert_int_equal(next(slice_of(NULL, 0)), CH_MALFORMED);
}

static void next_tags_that_are_not_der_refused(void **state)
{
    (void)state;
    assert_int_equal(next(S(0x1f, 0x21, 0)), CH_MALFORMED); /* multi-octet tag */
    assert_int_equal(next(S(0x00, 0x00)), CH_MALFORMED);    /* end-of-contents */
    assert_int_equal(next(S(0x10, 0x00)), CH_MALFORMED);    /* primitive SEQUENCE */
    assert_int_equal(next(S(0x24, 0x00)), CH_MALFORMED);    /* constructed OCTET STRING */
    assert_int_equal(next(S(0x23, 0x00)), CH_MALFORMED);    /* constructed BIT STRING */
    assert_int_equal(next(S(0xa0, 0x00)), CH_OK);
    assert_int_equal(next(S(0x80, 0x00)), CH_OK);
}

static void peek_header_says_when_octets_are_missing(void **state)
{
    (void)state;
    uint8_t tag;
    size_t header, content;
    const uint8_t raw[] = {DER_SEQUENCE, 0x82, 0x12, 0x34};
    for (size_t n = 0; n < sizeof raw; n++) {
        assert_int_equal(der_peek_header(slice_of(raw, n), &tag, &header, &content), CH_END);
    }
    assert_int_equal(der_peek_header(slice_of(raw, 4), &tag, &header, &content), CH_OK);
    assert_int_equal(tag, DER_SEQUENCE);
    assert_int_equal(header, 4);
    assert_int_equal(content, 0x1234);
    assert_int_equal(der_peek_header(S(DER_SEQUENCE, 0x82, 0), &tag, &header, &content),
                     CH_MALFORMED);
}

static void enter_and_finish_bound_nesting(void **state)
{
    (void)state;
    struct der_reader r = der_reader_of(S(DER_SEQUENCE, 3, DER_INTEGER, 1, 5, DER_NULL, 0)), in;
    uint64_t v;
    assert_int_equal(der_enter(&r, DER_SEQUENCE, &in), CH_OK);
    assert_int_equal(der_read_uint(&in, &v), CH_OK);
    assert_int_equal(v, 5);
    assert_int_equal(der_finish(&in), CH_OK);
    assert_int_equal(der_finish(&r), CH_MALFORMED); /* NULL trails */
    r = der_reader_of(
        S(DER_SEQUENCE, 2, DER_INTEGER, 5, 5, 5, 5, 5, 5)); /* child longer than parent */
    assert_int_equal(der_enter(&r, DER_SEQUENCE, &in), CH_OK);
    assert_int_equal(der_read_uint(&in, &v), CH_MALFORMED);
}

static enum chancery_err integer(struct slice s, uint64_t *v)
{
    struct der_reader r = der_reader_of(s);
    return der_read_uint(&r, v);
}

static void integers_have_one_form(void **state)
{
    (void)state;
    uint64_t v;
    assert_int_equal(integer(S(2, 1, 0), &v), CH_OK);
    assert_int_equal(v, 0);
    assert_int_equal(integer(S(2, 2, 0, 0x80), &v), CH_OK);
    assert_int_equal(v, 0x80);
    assert_int_equal(integer(S(2, 9, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), &v),
                     CH_OK);
    assert_true(v == UINT64_MAX);
    assert_int_equal(integer(S(2, 0), &v), CH_MALFORMED);             /* empty */
    assert_int_equal(integer(S(2, 2, 0, 1), &v), CH_MALFORMED);       /* padded */
    assert_int_equal(integer(S(2, 1, 0x80), &v), CH_MALFORMED);       /* negative */
    assert_int_equal(integer(S(2, 2, 0xff, 0x80), &v), CH_MALFORMED); /* padded negative */
    assert_int_equal(integer(S(2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0), &v), CH_MALFORMED);
    struct der_reader r = der_reader_of(S(2, 2, 0xff, 0x7f));
    struct slice c;
    assert_int_equal(der_read_integer(&r, &c), CH_OK);
}

static enum chancery_err boolean(struct slice s, bool *v)
{
    struct der_reader r = der_reader_of(s);
    return der_read_bool(&r, v);
}

static void booleans_are_00_or_ff(void **state)
{
    (void)state;
    bool v;
    assert_int_equal(boolean(S(1, 1, 0xff), &v), CH_OK);
    assert_true(v);
    assert_int_equal(boolean(S(1, 1, 0), &v), CH_OK);
    assert_false(v);
    assert_int_equal(boolean(S(1, 1, 1), &v), CH_MALFORMED); /* X.690 11.1 */
    assert_int_equal(boolean(S(1, 2, 0, 0), &v), CH_MALFORMED);
    assert_int_equal(boolean(S(1, 0), &v), CH_MALFORMED);
}

static enum chancery_err bits(struct slice s)
{
    struct der_reader r = der_reader_of(s);
    struct slice c;
    unsigned unused;
    return der_read_bits(&r, &c, &unused);
}

static void bit_strings_have_zero_unused_bits(void **state)
{
    (void)state;
    assert_int_equal(bits(S(3, 1, 0)), CH_OK);
    assert_int_equal(bits(S(3, 2, 7, 0x80)), CH_OK);
    assert_int_equal(bits(S(3, 2, 7, 0x81)), CH_MALFORMED); /* X.690 11.2.1 */
    assert_int_equal(bits(S(3, 2, 8, 0)), CH_MALFORMED);
    assert_int_equal(bits(S(3, 1, 1)), CH_MALFORMED); /* unused bits of nothing */
    assert_int_equal(bits(S(3, 0)), CH_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(next_short_and_long_form_lengths),
        cmocka_unit_test(next_lengths_that_are_not_der_refused),
        cmocka_unit_test(next_tags_that_are_not_der_refused),
        cmocka_unit_test(peek_header_says_when_octets_are_missing),
        cmocka_unit_test(enter_and_finish_bound_nesting),
        cmocka_unit_test(integers_have_one_form),
        cmocka_unit_test(booleans_are_00_or_ff),
        cmocka_unit_test(bit_strings_have_zero_unused_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
