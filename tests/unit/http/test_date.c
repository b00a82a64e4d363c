#include "cm.h"

#include "http/http.h"

static void date_known_instants_format(void **state)
{
    (void)state;
    char out[32];
    http_date(784111777, out); /* RFC 9110 5.6.7's own example */
    assert_string_equal(out, "Sun, 06 Nov 1994 08:49:37 GMT");
    http_date(0, out);
    assert_string_equal(out, "Thu, 01 Jan 1970 00:00:00 GMT");
    http_date(1709210096, out);
    assert_string_equal(out, "Thu, 29 Feb 2024 12:34:56 GMT");
}

static void date_round_trip_holds(void **state)
{
    (void)state;
    for (int64_t t = 0; t < 4102444800; t += 86399 * 17) {
        char out[32];
        http_date(t, out);
        assert_int_equal(http_date_parse(slice_str(out)), t);
    }
}

static void date_hostile_text_is_no_date(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "Sunday, 06-Nov-94 08:49:37 GMT",
                                      "Sun Nov  6 08:49:37 1994",
                                      "Mon, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 UTC",
                                      "Sun, 06 Nov 1994 24:49:37 GMT",
                                      "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Sun, 6  Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:49:37 GMT ",
                                      "Sun, 00 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 1994 08:60:37 GMT",
                                      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxx"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(http_date_parse(slice_str(bad[i])), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(date_known_instants_format),
        cmocka_unit_test(date_round_trip_holds),
        cmocka_unit_test(date_hostile_text_is_no_date),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
