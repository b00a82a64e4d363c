/* services/cli: tables, records, JSON and errors. */
#include "cm.h"

#include "out.h"

static char out[8192], err[8192];
static struct out o;

static void begin(bool json)
{
    memset(out, 0, sizeof out);
    memset(err, 0, sizeof err);
    o.f = fmemopen(out, sizeof out - 1, "w");
    o.err = fmemopen(err, sizeof err - 1, "w");
    o.json = json;
}

static void end(void)
{
    (void)fclose(o.f);
    (void)fclose(o.err);
}

static const struct out_column COLUMNS[] = {
    {"SERIAL", "serial", OUT_TEXT}, {"AT", "at_s", OUT_TIME}, {"NAMES", "names", OUT_TEXT}};

static json_t *rows(void)
{
    return json_pack("[{s:s, s:i, s:[s,s]}, {s:s, s:i, s:[]}]", "serial", "0a", "at_s", 1, "names",
                     "DNS:a", "DNS:\xc3\xa4\x1b", "serial", "ffffffff", "at_s", 0, "names");
}

static void out_table_aligns_and_escapes(void **state)
{
    (void)state;
    begin(false);
    assert_int_equal(out_table(&o, "rows", rows(), NULL, COLUMNS, 3), CH_OK);
    end();
    assert_string_equal(out, "SERIAL    AT                    NAMES\n"
                             "0a        1970-01-01T00:00:01Z  DNS:a, DNS:\xc3\xa4\\u{1b}\n"
                             "ffffffff  -                     \n");
}

static void out_table_as_json_holds_all_members(void **state)
{
    (void)state;
    begin(true);
    assert_int_equal(out_table(&o, "rows", rows(), json_pack("{s:b}", "more", 1), COLUMNS, 3),
                     CH_OK);
    end();
    json_t *v = json_loads(out, 0, NULL);
    assert_non_null(v);
    assert_int_equal(json_array_size(json_object_get(v, "rows")), 2);
    assert_true(json_is_true(json_object_get(v, "more")));
    json_decref(v);
}

static void out_record_shows_present_members_only(void **state)
{
    (void)state;
    begin(false);
    assert_int_equal(out_record(&o, json_pack("{s:s, s:i}", "serial", "0a", "at_s", 1), COLUMNS, 3),
                     CH_OK);
    end();
    assert_string_equal(out, "SERIAL  0a\nAT      1970-01-01T00:00:01Z\n");
}

static void out_error_has_code_field_rule_reference(void **state)
{
    (void)state;
    struct diag d = {0};
    (void)diag_set(&d, CH_REFUSED, "csr.subject\x07", "rsa.modulus", "too \"small\"");
    (void)diag_ref(&d, CH_REFUSED, "RFC 5280 4.1");
    begin(true);
    out_error(&o, CH_REFUSED, &d);
    end();
    json_t *v = json_loads(err, 0, NULL);
    const json_t *e = json_object_get(v, "error");
    assert_string_equal(json_string_value(json_object_get(e, "code")), "REFUSED");
    assert_string_equal(json_string_value(json_object_get(e, "message")), "too \"small\"");
    assert_string_equal(json_string_value(json_object_get(e, "rule")), "rsa.modulus");
    assert_string_equal(json_string_value(json_object_get(e, "reference")), "RFC 5280 4.1");
    json_decref(v);
    begin(false);
    out_error(&o, CH_REFUSED, &d);
    end();
    assert_non_null(strstr(err, "REFUSED: too \"small\""));
    assert_null(strchr(err, '\x07'));
}

static void out_text_of_broken_utf8_stays_json(void **state)
{
    (void)state;
    json_t *v = out_text(slice_of("a\0\xff", 3));
    assert_string_equal(json_string_value(v), "a\\u{0}\\xff");
    json_decref(v);
}

static void out_canonical_sorts_without_blanks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    json_t *v = json_pack("{s:i, s:{s:b, s:s}}", "b", 1, "a", "y", 1, "x", "/\xc3\xa4");
    assert_int_equal(out_canonical(v, &b), CH_OK);
    assert_true(
        slice_eq(buf_slice(&b), slice_str("{\"a\":{\"x\":\"/\xc3\xa4\",\"y\":true},\"b\":1}")));
    buf_clear(&b);
    buf_init(&b, 5);
    assert_int_equal(out_canonical(v, &b), CH_LIMIT);
    buf_clear(&b);
    json_decref(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(out_table_aligns_and_escapes),
        cmocka_unit_test(out_table_as_json_holds_all_members),
        cmocka_unit_test(out_record_shows_present_members_only),
        cmocka_unit_test(out_error_has_code_field_rule_reference),
        cmocka_unit_test(out_text_of_broken_utf8_stays_json),
        cmocka_unit_test(out_canonical_sorts_without_blanks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
