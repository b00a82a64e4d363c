/* services/cli: numbers, durations, dates, serials, safe text. */
#include "cm.h"

#include "text.h"

static void text_uint_takes_digits_only(void **state)
{
    (void)state;
    uint64_t v = 9;
    assert_true(text_uint("18446744073709551615", &v));
    assert_true(v == UINT64_MAX);
    assert_false(text_uint("18446744073709551616", &v));
    assert_false(text_uint("", &v));
    assert_false(text_uint("+1", &v));
    assert_false(text_uint("1 ", &v));
}

static void text_duration_wants_units_in_order(void **state)
{
    (void)state;
    int64_t s = 0;
    assert_true(text_duration("30d", &s));
    assert_int_equal(s, 30 * 86400);
    assert_true(text_duration("1d2h3m4s", &s));
    assert_int_equal(s, 86400 + 7200 + 180 + 4);
    const char *bad[] = {"", "30", "d", "2h1d", "1d1d", "-1d", "1w", "99999999999d", "1d ", "1 d"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_duration(bad[i], &s));
    }
}

static void text_date_reads_utc_and_refuses_wrong_days(void **state)
{
    (void)state;
    int64_t s = 0;
    assert_true(text_date("2026-11-21", &s));
    assert_int_equal(s, 1795219200);
    assert_true(text_date("2026-11-21T10:11:12Z", &s));
    assert_int_equal(s, 1795219200 + 10 * 3600 + 11 * 60 + 12);
    assert_true(text_date("2028-02-29", &s));
    const char *bad[] = {"2026-02-29",
                         "2026-04-31",
                         "2026-13-01",
                         "2026-1-1",
                         "2026-11-21T10:00:00",
                         "2026-11-21 10:00:00Z",
                         "2026-11-21T24:00:00Z",
                         "2026-11-21x",
                         ""};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_date(bad[i], &s));
    }
    char t[TEXT_TIME_SIZE];
    text_time(1795219200, t);
    assert_string_equal(t, "2026-11-21T00:00:00Z");
    text_time(0, t);
    assert_string_equal(t, "-");
    text_time(INT64_MAX, t);
    assert_string_equal(t, "-");
}

static void text_serial_reads_hex_with_and_without_colons(void **state)
{
    (void)state;
    uint8_t out[TEXT_SERIAL_MAX];
    size_t len = 0;
    struct diag d = {0};
    assert_int_equal(text_serial("3f8A01", out, &len, &d), CH_OK);
    assert_int_equal(len, 3);
    assert_memory_equal(out, "\x3f\x8a\x01", 3);
    assert_int_equal(text_serial("00:ff:01", out, &len, &d), CH_OK);
    assert_int_equal(len, 2);
    assert_memory_equal(out, "\xff\x01", 2);
    assert_int_equal(text_serial("00", out, &len, &d), CH_OK);
    assert_int_equal(len, 1);
    assert_int_equal(text_serial("00ffffffffffffffffffffffffffffffffffffffff", out, &len, &d),
                     CH_OK);
    assert_int_equal(len, 20);
    const char *bad[] = {"",
                         "1",
                         "xy",
                         ":01",
                         "01:",
                         "01::02",
                         "0:1",
                         "01 02",
                         "0x01",
                         "01ffffffffffffffffffffffffffffffffffffffff",
                         "ffffffffffffffffffffffffffffffffffffffffffffffff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(text_serial(bad[i], out, &len, &d), CH_INVALID);
    }
}

static void text_name_keeps_paths_and_case_out(void **state)
{
    (void)state;
    assert_true(text_name_ok("issuing-1", 63, "-"));
    const char *bad[] = {"", "-a", "a/b", "..", "A", "a b", "a.b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(text_name_ok(bad[i], 63, "-"));
    }
    assert_true(text_name_ok("abc", 3, ""));
    assert_false(text_name_ok("abcd", 3, ""));
}

static void text_safe_shows_what_would_move_the_cursor_or_reorder(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(text_safe(slice_str("a\x1b[2J\n\xe2\x80\xae\xc3\xa4\xff\xc2\x9b"), &b), CH_OK);
    assert_int_equal(buf_add_u8(&b, 0), CH_OK);
    assert_string_equal((const char *)b.ptr, "a\\u{1b}[2J\\u{a}\\u{202e}\xc3\xa4\\xff\\u{9b}");
    buf_clear(&b);
    assert_int_equal(text_width(slice_str("\xc3\xa4"
                                          "bc")),
                     3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_uint_takes_digits_only),
        cmocka_unit_test(text_duration_wants_units_in_order),
        cmocka_unit_test(text_date_reads_utc_and_refuses_wrong_days),
        cmocka_unit_test(text_serial_reads_hex_with_and_without_colons),
        cmocka_unit_test(text_name_keeps_paths_and_case_out),
        cmocka_unit_test(text_safe_shows_what_would_move_the_cursor_or_reorder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
