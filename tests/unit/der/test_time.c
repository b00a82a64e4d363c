/* lib/der/time.c: the two forms of RFC 5280 4.1.2.5, compared with timegm over the whole range. */
#include "cm.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "der/der.h"

static enum chancery_err read_text(uint8_t tag, const char *text, int64_t *out)
{
    uint8_t raw[64] = {tag, (uint8_t)strlen(text)};
    memcpy(raw + 2, text, strlen(text));
    struct der_reader r = der_reader_of(slice_of(raw, strlen(text) + 2));
    return der_read_time(&r, out);
}

static void times_over_the_range_match_the_c_library(void **state)
{
    (void)state;
    for (int64_t t = -631152000; t <= 253402300799; t += 86400 * 13 + 3723) {
        struct buf b;
        buf_init(&b, 32);
        assert_int_equal(der_put_time(&b, t), CH_OK);
        time_t c = (time_t)t;
        struct tm tm;
        char want[32];
        assert_non_null(gmtime_r(&c, &tm));
        bool utc = tm.tm_year < 150;
        assert_int_not_equal(strftime(want, sizeof want, "%Y%m%d%H%M%SZ", &tm), 0);
        assert_int_equal(b.ptr[0], utc ? DER_UTC_TIME : DER_GENERALIZED_TIME);
        assert_true(slice_eq(slice_sub(buf_slice(&b), 2, b.len), slice_str(want + (utc ? 2 : 0))));
        struct der_reader r = der_reader_of(buf_slice(&b));
        int64_t again;
        assert_int_equal(der_read_time(&r, &again), CH_OK);
        assert_true(again == t);
        buf_clear(&b);
    }
}

static void times_outside_the_range_refused(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 32);
    assert_int_equal(der_put_time(&b, 253402300800), CH_INVALID);
    assert_int_equal(der_put_time(&b, -631152001), CH_INVALID);
    buf_clear(&b);
}

static void times_in_other_forms_refused(void **state)
{
    (void)state;
    int64_t t;
    assert_int_equal(read_text(DER_UTC_TIME, "491231235959Z", &t), CH_OK);
    assert_int_equal(read_text(DER_UTC_TIME, "240229000000Z", &t), CH_OK);
    assert_int_equal(read_text(DER_GENERALIZED_TIME, "20500101000000Z", &t), CH_OK);
    static const char *const utc[] = {
        "2402290000Z",   "240229000000",  "240229000000+0000", "240230000000Z", "230229000000Z",
        "241301000000Z", "240001000000Z", "240101240000Z",     "240101006000Z", "240101000060Z",
        "24010100000 Z", "240100000000Z", "240101000000z",     "-40101000000Z", ""};
    for (size_t i = 0; i < sizeof utc / sizeof utc[0]; i++) {
        assert_int_equal(read_text(DER_UTC_TIME, utc[i], &t), CH_MALFORMED);
    }
    /* RFC 5280 4.1.2.5.2: no fractions, seconds present, Zulu; through 2049 UTCTime is a must. */
    static const char *const general[] = {"20491231235959Z", "20500101000000.5Z", "205001010000Z",
                                          "21000229000000Z", "20500101000000+0000"};
    for (size_t i = 0; i < sizeof general / sizeof general[0]; i++) {
        assert_int_equal(read_text(DER_GENERALIZED_TIME, general[i], &t), CH_MALFORMED);
    }
    assert_int_equal(read_text(DER_IA5, "240229000000Z", &t), CH_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_over_the_range_match_the_c_library),
        cmocka_unit_test(times_outside_the_range_refused),
        cmocka_unit_test(times_in_other_forms_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
