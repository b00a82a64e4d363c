/* lib/x509/name_read.c and name_write.c. */
#include "samples.h"

#include <openssl/bio.h>

#include "x509/x509_int.h"

static void expect(struct slice oid, uint8_t tag, struct slice value, enum chancery_err err,
                   const char *rule)
{
    struct buf name;
    struct diag d = {0};
    buf_init(&name, 1 << 16);
    samples_name(oid, tag, value, &name);
    assert_int_equal(x509_name_check(buf_slice(&name), "csr.subject", &d), err);
    assert_string_equal(d.rule, rule);
    if (err != CH_OK && slice_eq(oid, X509_OID_CN) && rule[5] != 'd') {
        assert_string_equal(d.field, "csr.subject.CN");
    }
    buf_clear(&name);
}

#define TEXT(z) slice_of((z), sizeof(z) - 1)

static void values_accepted_and_refused_by_rule(void **state)
{
    (void)state;
    expect(X509_OID_CN, DER_UTF8, TEXT("host.example"), CH_OK, "");
    expect(X509_OID_CN, DER_UTF8, TEXT("M\xc3\xbcller"), CH_OK, "");
    expect(X509_OID_CN, DER_PRINTABLE, TEXT("host.example"), CH_OK, "");
    expect(X509_OID_CN, DER_PRINTABLE, TEXT("host_example"), CH_INVALID, "name.charset");
    expect(X509_OID_CN, DER_T61, TEXT("host"), CH_INVALID, "name.string_type");
    expect(X509_OID_CN, DER_BMP, TEXT("\0h"), CH_INVALID, "name.string_type");
    expect(X509_OID_CN, DER_IA5, TEXT("host"), CH_INVALID, "name.string_type");
    expect(X509_OID_CN, DER_INTEGER, TEXT("\1"), CH_INVALID, "name.string_type");
    expect(X509_OID_CN, DER_UTF8, TEXT(""), CH_INVALID, "name.empty");
    expect(X509_OID_CN, DER_UTF8, TEXT("\xc0\x80"), CH_INVALID, "name.utf8");
    expect(X509_OID_CN, DER_UTF8, TEXT("good.example\0.evil.example"), CH_INVALID,
           "name.character");
    expect(X509_OID_CN, DER_PRINTABLE, TEXT("a\0b"), CH_INVALID, "name.charset");
    expect(X509_OID_CN, DER_UTF8, TEXT("a\nb"), CH_INVALID, "name.character");
    expect(X509_OID_CN, DER_UTF8, TEXT("a\x7f"), CH_INVALID, "name.character");
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xc2\x85"), CH_INVALID, "name.character");        /* C1 */
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xe2\x80\xaetxt"), CH_INVALID, "name.character"); /* RLO */
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xe2\x81\xa6"), CH_INVALID, "name.character");    /* LRI */
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xd8\x9c"), CH_INVALID, "name.character");        /* ALM */
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xe2\x80\x8b"), CH_INVALID,
           "name.character"); /* zero width space */
    expect(X509_OID_CN, DER_UTF8,
           TEXT("\xef\xbb\xbf"
                "a"),
           CH_INVALID, "name.character"); /* byte order mark */
    expect(X509_OID_CN, DER_UTF8, TEXT("a\xf3\xa0\x80\xa1"), CH_INVALID,
           "name.character"); /* tag character */
    expect(X509_OID_C, DER_PRINTABLE, TEXT("DE"), CH_OK, "");
    expect(X509_OID_C, DER_PRINTABLE, TEXT("DEU"), CH_INVALID, "name.length");
    expect(X509_OID_C, DER_PRINTABLE, TEXT("D"), CH_INVALID, "name.length");
    expect(X509_OID_C, DER_UTF8, TEXT("D\xc3\x89"), CH_INVALID, "name.charset");
    expect(X509_OID_EMAIL, DER_IA5, TEXT("a@b.example"), CH_OK, "");
    expect(X509_OID_DC, DER_IA5, TEXT("example"), CH_OK, "");
    static const char x[65] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    expect(X509_OID_CN, DER_UTF8, slice_of(x, 64), CH_OK, "");
    char y[65];
    memset(y, 'y', sizeof y);
    expect(X509_OID_CN, DER_UTF8, slice_of(y, 65), CH_INVALID, "name.length"); /* ub-common-name */
    char umlauts[130];
    for (size_t i = 0; i < 130; i += 2) {
        memcpy(umlauts + i, "\xc3\xbc", 2);
    }
    expect(X509_OID_CN, DER_UTF8, slice_of(umlauts, 128), CH_OK,
           ""); /* 64 characters in 128 octets */
    expect(X509_OID_CN, DER_UTF8, slice_of(umlauts, 130), CH_INVALID, "name.length");
}

static void structures_that_are_no_name_refused(void **state)
{
    (void)state;
    const struct slice bad[] = {
        SAMPLES_BYTES(0x31, 0),                                     /* SET */
        SAMPLES_BYTES(0x30, 0, 0),                                  /* trailing */
        SAMPLES_BYTES(0x30, 2, 0x31, 0),                            /* empty RDN */
        SAMPLES_BYTES(0x30, 4, 0x31, 2, 0x30, 0),                   /* empty pair */
        SAMPLES_BYTES(0x30, 9, 0x31, 7, 0x30, 5, 6, 3, 0x55, 4, 3), /* no value */
        SAMPLES_BYTES(0x30, 14, 0x31, 12, 0x30, 10, 6, 3, 0x55, 4, 3, 12, 1, 'a', 5,
                      0), /* more in the pair */
        /* A multi-valued RDN out of order, and with one attribute twice. */
        SAMPLES_BYTES(0x30, 22, 0x31, 20, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'b', 0x30, 8, 6, 3,
                      0x55, 4, 3, 12, 1, 'a'),
        SAMPLES_BYTES(0x30, 22, 0x31, 20, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'a', 0x30, 8, 6, 3,
                      0x55, 4, 3, 12, 1, 'a'),
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct diag d = {0};
        assert_int_equal(x509_name_check(bad[i], "csr.subject", &d), CH_MALFORMED);
        assert_string_equal(d.rule, "name.der");
    }
    struct diag d = {0};
    assert_int_equal(
        x509_name_check(SAMPLES_BYTES(0x30, 22, 0x31, 20, 0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'a',
                                      0x30, 8, 6, 3, 0x55, 4, 3, 12, 1, 'b'),
                        "csr.subject", &d),
        CH_OK);
    struct buf many;
    buf_init(&many, 4096);
    for (int i = 0; i < X509_RDNS_MAX + 1; i++) {
        const uint8_t rdn[] = {0x31, 10, 0x30, 8, 6, 3, 0x55, 4, 0x0b, 12, 1, 'a'};
        assert_int_equal(buf_add(&many, slice_of(rdn, sizeof rdn)), CH_OK);
    }
    struct buf name;
    buf_init(&name, 4096);
    samples_tlv(DER_SEQUENCE, buf_slice(&many), &name);
    assert_int_equal(x509_name_check(buf_slice(&name), "csr.subject", &d), CH_LIMIT);
    assert_string_equal(d.rule, "name.rdns");
    buf_clear(&many);
    buf_clear(&name);
}

static void name_written_is_read_back_and_by_openssl(void **state)
{
    (void)state;
    static const uint8_t private_oid[] = {0x2b, 0x06, 0x01, 0x04, 0x01, 0x83, 0x77};
    const struct x509_rdn rdns[] = {{X509_OID_C, TEXT("DE")},
                                    {X509_OID_DC, TEXT("example")},
                                    {X509_OID_DC, TEXT("corp")},
                                    {X509_OID_O, TEXT("M\xc3\xbcller, S\xc3\xb6hne + \"Co\"")},
                                    {X509_OID_OU, TEXT(" padded ")},
                                    {X509_OID_SERIAL_NUMBER, TEXT("A-1")},
                                    {X509_OID_EMAIL, TEXT("a@b.example")},
                                    {slice_of(private_oid, sizeof private_oid), TEXT("x")},
                                    {X509_OID_CN, TEXT("#host")}};
    const size_t n = sizeof rdns / sizeof rdns[0];
    struct buf name, text;
    struct arena arena;
    struct x509_rdn *again;
    size_t again_n;
    struct diag d = {0};
    buf_init(&name, 4096);
    buf_init(&text, 4096);
    arena_init(&arena, 0);
    assert_int_equal(x509_name_write(rdns, n, &name, &d), CH_OK);
    assert_int_equal(x509_name_check(buf_slice(&name), "x", &d), CH_OK);
    assert_int_equal(x509_name_read(buf_slice(&name), &arena, &again, &again_n), CH_OK);
    assert_int_equal(again_n, n);
    for (size_t i = 0; i < n; i++) {
        assert_true(slice_eq(again[i].oid, rdns[i].oid) && slice_eq(again[i].value, rdns[i].value));
    }
    const uint8_t *p = name.ptr;
    X509_NAME *parsed = d2i_X509_NAME(NULL, &p, (long)name.len);
    assert_non_null(parsed);
    assert_int_equal(X509_NAME_entry_count(parsed), (int)n);
    X509_NAME_free(parsed);
    assert_int_equal(x509_name_text(buf_slice(&name), &text), CH_OK);
    assert_true(slice_eq(
        buf_slice(&text),
        slice_str("CN=\\#host,1.3.6.1.4.1.503=#0C0178,emailAddress=a@b.example,serialNumber=A-1,"
                  "OU=\\ padded\\ ,O=M\xc3\xbcller\\, S\xc3\xb6hne \\+ "
                  "\\\"Co\\\",DC=corp,DC=example,C=DE")));
    struct slice dc;
    assert_int_equal(x509_name_attribute(buf_slice(&name), X509_OID_DC, &arena, &dc), CH_OK);
    assert_true(slice_eq(dc, slice_str("corp")));
    assert_int_equal(x509_name_attribute(buf_slice(&name), X509_OID_L, &arena, &dc), CH_NOT_FOUND);
    const struct x509_rdn bad = {X509_OID_C, TEXT("Germany")};
    size_t before = name.len;
    assert_int_equal(x509_name_write(&bad, 1, &name, &d), CH_INVALID);
    assert_string_equal(d.rule, "name.length");
    assert_int_equal(name.len, before);
    arena_clear(&arena);
    buf_clear(&name);
    buf_clear(&text);
}

static void legacy_strings_become_utf8(void **state)
{
    (void)state;
    struct arena arena;
    struct slice v;
    struct buf name, text;
    arena_init(&arena, 0);
    buf_init(&name, 4096);
    buf_init(&text, 4096);
    samples_name(X509_OID_CN, DER_BMP, TEXT("\0M\0\xfc\x20\xac"), &name);
    assert_int_equal(x509_name_attribute(buf_slice(&name), X509_OID_CN, &arena, &v), CH_OK);
    assert_true(slice_eq(v, slice_str("M\xc3\xbc\xe2\x82\xac")));
    buf_reset(&name);
    samples_name(X509_OID_CN, DER_T61, TEXT("M\xfc"), &name);
    assert_int_equal(x509_name_attribute(buf_slice(&name), X509_OID_CN, &arena, &v), CH_OK);
    assert_true(slice_eq(v, slice_str("M\xc3\xbc")));
    buf_reset(&name);
    samples_name(X509_OID_CN, DER_UTF8, TEXT("a\x1b[2J\xe2\x80\xae"),
                 &name); /* terminal escapes, RLO */
    assert_int_equal(x509_name_text(buf_slice(&name), &text), CH_OK);
    assert_true(slice_eq(buf_slice(&text), slice_str("CN=a\\1B[2J\\E2\\80\\AE")));
    arena_clear(&arena);
    buf_clear(&name);
    buf_clear(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_accepted_and_refused_by_rule),
        cmocka_unit_test(structures_that_are_no_name_refused),
        cmocka_unit_test(name_written_is_read_back_and_by_openssl),
        cmocka_unit_test(legacy_strings_become_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
