/* pkcs11: URIs: what RFC 7512 allows and we take, what it allows and we refuse, and what it
 * forbids. */
#include "cm.h"

#include "hsm/uri.h"

static enum chancery_err parse(const char *text, struct hsm_uri *out, struct diag *diag)
{
    diag_clear(diag);
    return hsm_uri_parse(slice_str(text), out, diag);
}

static void uri_token_and_object_are_read(void **state)
{
    (void)state;
    struct hsm_uri u;
    struct diag d;
    assert_int_equal(
        parse("pkcs11:token=chancery-ca;object=issuing-1;type=private;id=%01%aB%FF", &u, &d),
        CH_OK);
    assert_string_equal(u.token, "chancery-ca");
    assert_string_equal(u.object, "issuing-1");
    assert_int_equal(u.type, HSM_URI_TYPE_PRIVATE);
    assert_int_equal(u.id_len, 3);
    assert_memory_equal(u.id, "\x01\xab\xff", 3);
}

static void uri_rfc7512_examples_are_read(void **state)
{
    (void)state;
    struct hsm_uri u;
    struct diag d;
    /* RFC 7512 3. */
    assert_int_equal(parse("pkcs11:", &u, &d), CH_OK);
    assert_int_equal(parse("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;"
                           "manufacturer=Snake%20Oil,%20Inc.;model=1.0;"
                           "object=my-certificate;type=public;id=%69%95%3E%5C%F4%BD%EC%91;serial=",
                           &u, &d),
                     CH_INVALID); /* the empty serial */
    assert_int_equal(parse("pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;"
                           "manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=key",
                           &u, &d),
                     CH_OK);
    assert_string_equal(u.token, "The Software PKCS#11 Softtoken");
    assert_string_equal(u.manufacturer, "Snake Oil, Inc.");
}

struct negative {
    const char *text;
    enum chancery_err err;
    const char *rule;
};

static void uri_bad_text_is_refused(void **state)
{
    (void)state;
    static const struct negative rows[] = {
        {"", CH_MALFORMED, "hsm.uri.scheme"},
        {"pkcs12:token=a", CH_MALFORMED, "hsm.uri.scheme"},
        {"PKCS11:token=a", CH_MALFORMED, "hsm.uri.scheme"},
        {"pkcs11:token", CH_MALFORMED, "hsm.uri.pair"},
        {"pkcs11:token=a;", CH_MALFORMED, "hsm.uri.pair"},
        {"pkcs11:;token=a", CH_MALFORMED, "hsm.uri.pair"},
        {"pkcs11:token=a;;object=b", CH_MALFORMED, "hsm.uri.pair"},
        {"pkcs11:token=", CH_INVALID, "hsm.uri.empty"},
        {"pkcs11:token=a;token=b", CH_INVALID, "hsm.uri.duplicate"},
        {"pkcs11:token=%4", CH_MALFORMED, "hsm.uri.escape"},
        {"pkcs11:token=%4g", CH_MALFORMED, "hsm.uri.escape"},
        {"pkcs11:token=%", CH_MALFORMED, "hsm.uri.escape"},
        {"pkcs11:token=a b", CH_MALFORMED, "hsm.uri.character"},
        {"pkcs11:token=a/b", CH_MALFORMED, "hsm.uri.character"},
        {"pkcs11:token=a#b", CH_MALFORMED, "hsm.uri.character"},
        {"pkcs11:token=\xc3\xa4", CH_MALFORMED, "hsm.uri.character"},
        {"pkcs11:token=%00", CH_INVALID, "hsm.uri.control"},
        {"pkcs11:token=a%0ab", CH_INVALID, "hsm.uri.control"},
        {"pkcs11:token=%ff", CH_INVALID, "hsm.uri.utf8"},
        {"pkcs11:token=012345678901234567890123456789012", CH_LIMIT, "hsm.uri.size"},
        {"pkcs11:serial=01234567890123456", CH_LIMIT, "hsm.uri.size"},
        {"pkcs11:token=a?pin-value=1234", CH_UNSUPPORTED, "hsm.uri.query"},
        {"pkcs11:token=a?pin-source=file:/x", CH_UNSUPPORTED, "hsm.uri.query"},
        {"pkcs11:token=a?", CH_UNSUPPORTED, "hsm.uri.query"},
        {"pkcs11:slot-id=1", CH_UNSUPPORTED, "hsm.uri.attribute"},
        {"pkcs11:library-version=3", CH_UNSUPPORTED, "hsm.uri.attribute"},
        {"pkcs11:x-vendor=3", CH_UNSUPPORTED, "hsm.uri.attribute"},
        {"pkcs11:Token=a", CH_UNSUPPORTED, "hsm.uri.attribute"},
        {"pkcs11:=a", CH_UNSUPPORTED, "hsm.uri.attribute"},
        {"pkcs11:type=cert", CH_UNSUPPORTED, "hsm.uri.type"},
        {"pkcs11:type=PRIVATE", CH_UNSUPPORTED, "hsm.uri.type"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct hsm_uri u;
        struct diag d;
        memset(&u, 0x5a, sizeof u);
        struct hsm_uri before = u;
        enum chancery_err err = parse(rows[i].text, &u, &d);
        if (err != rows[i].err || strcmp(d.rule, rows[i].rule) != 0) {
            print_error("%s: %s %s\n", rows[i].text, err_name(err), d.rule);
        }
        assert_int_equal(err, rows[i].err);
        assert_string_equal(d.rule, rows[i].rule);
        assert_memory_equal(&u, &before, sizeof u); /* untouched on failure */
    }
}

static void uri_nul_inside_is_refused(void **state)
{
    (void)state;
    struct hsm_uri u;
    struct diag d;
    static const char text[] = "pkcs11:token=a\0b";
    assert_int_equal(hsm_uri_parse(slice_of(text, sizeof text - 1), &u, &d), CH_MALFORMED);
}

static void uri_written_form_reads_back(void **state)
{
    (void)state;
    struct hsm_uri u = {
        .token = "A token; with = and %", .object = "k\xc3\xa4y", .id = {0, 1, 255}};
    struct hsm_uri back;
    struct diag d;
    struct buf text;
    u.id_len = 3;
    u.type = HSM_URI_TYPE_PRIVATE;
    buf_init(&text, HSM_URI_MAX);
    assert_int_equal(hsm_uri_write(&u, &text), CH_OK);
    assert_int_equal(hsm_uri_parse(buf_slice(&text), &back, &d), CH_OK);
    assert_string_equal(back.token, u.token);
    assert_string_equal(back.object, u.object);
    assert_int_equal(back.id_len, 3);
    assert_memory_equal(back.id, u.id, 3);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uri_token_and_object_are_read),
        cmocka_unit_test(uri_rfc7512_examples_are_read),
        cmocka_unit_test(uri_bad_text_is_refused),
        cmocka_unit_test(uri_nul_inside_is_refused),
        cmocka_unit_test(uri_written_form_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
