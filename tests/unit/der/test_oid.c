/* lib/der/oid.c: text of object identifiers both ways, compared with OpenSSL. */
#include "cm.h"

#include <openssl/objects.h>

#include "der/der.h"

static void oid_texts_match_openssl(void **state)
{
    (void)state;
    static const char *const texts[] = {"0.0",
                                        "0.39",
                                        "1.0",
                                        "1.39",
                                        "2.0",
                                        "2.39",
                                        "2.40",
                                        "2.47",
                                        "2.48",
                                        "2.100.3",
                                        "2.999.1",
                                        "1.2.840.113549.1.1.11",
                                        "2.5.29.17",
                                        "1.3.6.1.4.1.311.21.20",
                                        "2.25.18446744073709551615"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf der, text;
        buf_init(&der, 256);
        buf_init(&text, 256);
        assert_int_equal(der_oid_from_text(texts[i], &der), CH_OK);
        ASN1_OBJECT *obj = OBJ_txt2obj(texts[i], 1);
        assert_non_null(obj);
        assert_true(slice_eq(buf_slice(&der), slice_of(OBJ_get0_data(obj), OBJ_length(obj))));
        ASN1_OBJECT_free(obj);
        assert_int_equal(der_oid_text(buf_slice(&der), &text), CH_OK);
        assert_true(slice_eq(buf_slice(&text), slice_str(texts[i])));
        buf_clear(&der);
        buf_clear(&text);
    }
}

static void oid_texts_that_are_none_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "1",    "1.",   ".1",   "1..2",
        "3.1",  "0.40", "1.40", "1.2.", "1.02",
        "01.2", "1.2a", "1.2 ", "-1.2", "2.25.18446744073709551616"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf der;
        buf_init(&der, 256);
        assert_int_equal(der_oid_from_text(texts[i], &der), CH_MALFORMED);
        assert_int_equal(der.len, 0);
        buf_clear(&der);
    }
    struct buf der;
    buf_init(&der, 256);
    assert_int_equal(der_oid_from_text(NULL, &der), CH_MALFORMED);
}

static void oid_octets_that_are_none_refused(void **state)
{
    (void)state;
    static const uint8_t padded[] = {DER_OID, 3, 0x2a, 0x80, 0x01},
                         cut[] = {DER_OID, 2, 0x2a, 0x86}, empty[] = {DER_OID, 0},
                         good[] = {DER_OID, 3, 0x2a, 0x86, 0x48};
    const struct slice bad[] = {{padded, sizeof padded}, {cut, sizeof cut}, {empty, sizeof empty}};
    struct slice oid;
    for (size_t i = 0; i < 3; i++) {
        struct der_reader r = der_reader_of(bad[i]);
        assert_int_equal(der_read_oid(&r, &oid), CH_MALFORMED);
        struct buf text;
        buf_init(&text, 64);
        assert_int_equal(der_oid_text(slice_sub(bad[i], 2, 9), &text), CH_MALFORMED);
        buf_clear(&text);
    }
    struct der_reader r = der_reader_of(slice_of(good, sizeof good));
    assert_int_equal(der_read_oid(&r, &oid), CH_OK);
    static const uint8_t huge[] = {0x2a, 0xff, 0xff, 0xff, 0xff, 0xff,
                                   0xff, 0xff, 0xff, 0xff, 0x7f};
    struct buf text;
    buf_init(&text, 64);
    assert_int_equal(der_oid_text(slice_of(huge, sizeof huge), &text), CH_LIMIT);
    assert_int_equal(text.len, 0);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oid_texts_match_openssl),
        cmocka_unit_test(oid_texts_that_are_none_refused),
        cmocka_unit_test(oid_octets_that_are_none_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
