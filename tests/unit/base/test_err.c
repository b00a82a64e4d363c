/* lib/base/err: names are stable and reversible, diagnostics are cut, never overrun. */
#include "cm.h"

#include "base/err.h"

#include <string.h>

static void err_name_every_code_round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < CH_ERR_COUNT; i++) {
        assert_int_equal(err_from_name(err_name((enum chancery_err)i)), i);
    }
    assert_string_equal(err_name((enum chancery_err)999), "INTERNAL");
    assert_int_equal(err_from_name("NO_SUCH"), CH_INTERNAL);
    assert_int_equal(err_from_name(NULL), CH_INTERNAL);
}

static void diag_set_long_text_is_cut(void **state)
{
    (void)state;
    char longer[1000];
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    struct diag d;
    assert_int_equal(diag_set(&d, CH_INVALID, longer, longer, "%s", longer), CH_INVALID);
    assert_int_equal(strlen(d.field), sizeof d.field - 1);
    assert_int_equal(strlen(d.rule), sizeof d.rule - 1);
    assert_int_equal(strlen(d.text), sizeof d.text - 1);
    assert_string_equal(d.reference, "");
    assert_int_equal(diag_ref(&d, CH_INVALID, "RFC 5280 4.1"), CH_INVALID);
    assert_string_equal(d.reference, "RFC 5280 4.1");
}

static void diag_set_null_returns_the_error(void **state)
{
    (void)state;
    assert_int_equal(diag_set(NULL, CH_LIMIT, "f", "r", "t"), CH_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_name_every_code_round_trips),
        cmocka_unit_test(diag_set_long_text_is_cut),
        cmocka_unit_test(diag_set_null_returns_the_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
