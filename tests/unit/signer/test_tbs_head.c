/* The TBS head: OpenSSL's certificates and CRLs are read; everything that is not what it should be
 * is not. */
#include "tests_signer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "tbs_head.h"

static struct buf tbs;
static struct signer_tbs_head head;
static struct diag diag;

static int fresh(void **state)
{
    (void)state;
    buf_clear(&tbs);
    buf_init(&tbs, 1 << 20);
    memset(&head, 0, sizeof head);
    diag_clear(&diag);
    return 0;
}

static int clear(void **state)
{
    (void)state;
    buf_clear(&tbs);
    return 0;
}

static enum chancery_err read_as(enum permit_purpose purpose)
{
    return signer_tbs_head_read(buf_slice(&tbs), tbs.len, purpose, &head, &diag);
}

static void expect_refused(enum permit_purpose purpose, enum chancery_err err, const char *rule)
{
    enum chancery_err got = read_as(purpose);
    if (got != err || strcmp(diag.rule, rule) != 0) {
        print_error("%s %s, wanted %s %s\n", err_name(got), diag.rule, err_name(err), rule);
    }
    assert_int_equal(got, err);
    assert_string_equal(diag.rule, rule);
    assert_int_equal(head.kind, PERMIT_PURPOSE_NONE); /* untouched */
}

static void certificate_good_is_read(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    tests_put_certificate(&tbs, &c);
    assert_int_equal(read_as(PERMIT_CERTIFICATE), CH_OK);
    assert_int_equal(head.kind, PERMIT_CERTIFICATE);
    assert_int_equal(head.alg, CRYPTO_ALG_ECDSA_SHA256);
}

static void certificate_as_crl_is_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    tests_put_certificate(&tbs, &c);
    expect_refused(PERMIT_CRL, CH_INVALID, "tbs.kind");
    assert_string_equal(diag.reference, "RFC 5280 5.1.2.1");
}

static void certificate_version_2_is_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    c.version = 1;
    tests_put_certificate(&tbs, &c);
    expect_refused(PERMIT_CERTIFICATE, CH_INVALID, "tbs.kind");
    assert_string_equal(diag.reference, "RFC 5280 4.1.2.1");
}

static void certificate_with_bad_serial_is_refused(void **state)
{
    (void)state;
    static const uint8_t zero[] = {0}, negative[] = {0x80}, padded[] = {0, 1};
    static const uint8_t longest[21] = {1};
    const struct {
        struct slice serial;
        enum chancery_err err;
        const char *rule;
    } rows[] = {
        {slice_of(zero, 1), CH_INVALID, "tbs.serial"},
        {slice_of(negative, 1), CH_INVALID, "tbs.serial"},
        {slice_of(longest, 21), CH_INVALID, "tbs.serial"},
        {slice_of(padded, 2), CH_MALFORMED, "tbs.der"},
        {slice_of(zero, 0), CH_MALFORMED, "tbs.der"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)fresh(NULL);
        struct tests_certificate c = tests_certificate_good();
        c.serial = rows[i].serial;
        tests_put_certificate(&tbs, &c);
        expect_refused(PERMIT_CERTIFICATE, rows[i].err, rows[i].rule);
    }
}

static void unknown_algorithm_is_refused(void **state)
{
    (void)state;
    /* sha1WithRSAEncryption */
    static const uint8_t sha1[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                   0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00};
    struct tests_certificate c = tests_certificate_good();
    c.alg = slice_of(sha1, sizeof sha1);
    tests_put_certificate(&tbs, &c);
    expect_refused(PERMIT_CERTIFICATE, CH_UNSUPPORTED, "tbs.algorithm");
}

static void crl_good_is_read(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    tests_put_crl(&tbs, &c);
    assert_int_equal(read_as(PERMIT_CRL), CH_OK);
    assert_int_equal(head.kind, PERMIT_CRL);
    assert_int_equal(head.this_update_s, c.this_update_s);
}

static void crl_with_generalized_time_is_read(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    c.this_update_s = 2600000000; /* 2052 */
    tests_put_crl(&tbs, &c);
    assert_int_equal(read_as(PERMIT_CRL), CH_OK);
    assert_int_equal(head.this_update_s, c.this_update_s);
}

static void crl_as_certificate_is_refused(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    tests_put_crl(&tbs, &c);
    expect_refused(PERMIT_CERTIFICATE, CH_INVALID, "tbs.kind");
}

/* The trap the reader exists for: serial number 1, version 1. */
static void version_1_certificate_as_crl_is_refused(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    c.sequence_instead_of_time = true;
    tests_put_crl(&tbs, &c);
    expect_refused(PERMIT_CRL, CH_INVALID, "tbs.kind");
    assert_string_equal(diag.reference, "RFC 5280 5.1.2.4");
}

static void crl_of_another_version_is_refused(void **state)
{
    (void)state;
    static const uint64_t versions[] = {0, 2, 1 << 20};
    for (size_t i = 0; i < 3; i++) {
        (void)fresh(NULL);
        struct tests_crl c = tests_crl_good();
        c.version = versions[i];
        tests_put_crl(&tbs, &c);
        expect_refused(PERMIT_CRL, CH_INVALID, "tbs.kind");
    }
}

static void trailing_or_missing_bytes_are_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    tests_put_certificate(&tbs, &c);
    MUST(buf_add_u8(&tbs, 0));
    expect_refused(PERMIT_CERTIFICATE, CH_MALFORMED, "tbs.length");
    tbs.len -= 2;
    expect_refused(PERMIT_CERTIFICATE, CH_MALFORMED, "tbs.length");
}

/* Every cut of the head is refused, none is read past its end. */
static void each_truncation_is_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    struct tests_crl l = tests_crl_good();
    for (int kind = PERMIT_CERTIFICATE; kind <= PERMIT_CRL; kind++) {
        (void)fresh(NULL);
        if (kind == PERMIT_CERTIFICATE) {
            tests_put_certificate(&tbs, &c);
        } else {
            tests_put_crl(&tbs, &l);
        }
        for (size_t cut = 0; cut < 40; cut++) {
            uint8_t copy[64];
            memcpy(copy, tbs.ptr, cut);
            enum chancery_err err = signer_tbs_head_read(slice_of(copy, cut), tbs.len,
                                                         (enum permit_purpose)kind, &head, &diag);
            assert_int_not_equal(err, CH_OK);
        }
    }
}

static void start_of_a_long_stream_is_enough(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    c.rest = 100000;
    tests_put_crl(&tbs, &c);
    struct slice start = slice_of(tbs.ptr, SIGNER_TBS_HEAD_MAX);
    assert_int_equal(signer_tbs_head_read(start, tbs.len, PERMIT_CRL, &head, &diag), CH_OK);
    assert_int_equal(head.this_update_s, c.this_update_s);
    assert_int_equal(signer_tbs_head_read(start, tbs.len + 1, PERMIT_CRL, &head, &diag),
                     CH_MALFORMED);
}

static void not_der_is_refused(void **state)
{
    (void)state;
    static const uint8_t indefinite[] = {0x30, 0x80, 0x02, 0x01, 0x01, 0x00, 0x00};
    static const uint8_t long_form[] = {0x30, 0x81, 0x03, 0x02, 0x01, 0x01};
    static const uint8_t set[] = {0x31, 0x03, 0x02, 0x01, 0x01};
    const struct slice rows[] = {
        {NULL, 0},
        slice_of(indefinite, sizeof indefinite),
        slice_of(long_form, sizeof long_form),
        slice_of(set, sizeof set),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(signer_tbs_head_read(rows[i], rows[i].len, PERMIT_CRL, &head, &diag),
                         CH_MALFORMED);
    }
}

/* ---- what OpenSSL writes ---- */

static void openssl_certificate_and_crl_are_read(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    unsigned char *der = NULL;
    assert_int_equal(X509_set_version(x, X509_VERSION_3), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 4711), 1);
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"x", -1, -1, 0),
        1);
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), 0));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 86400));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    int len = i2d_re_X509_tbs(x, &der);
    assert_true(len > 0);
    assert_int_equal(signer_tbs_head_read(slice_of(der, (size_t)len), (uint64_t)len,
                                          PERMIT_CERTIFICATE, &head, &diag),
                     CH_OK);
    assert_int_equal(head.alg, CRYPTO_ALG_ECDSA_SHA256);
    OPENSSL_free(der);
    der = NULL;

    X509_CRL *crl = X509_CRL_new();
    ASN1_TIME *now = ASN1_TIME_set(NULL, 1800000000);
    assert_int_equal(X509_CRL_set_version(crl, X509_CRL_VERSION_2), 1);
    assert_int_equal(X509_CRL_set_issuer_name(crl, name), 1);
    assert_int_equal(X509_CRL_set1_lastUpdate(crl, now), 1);
    assert_int_equal(X509_CRL_set1_nextUpdate(crl, now), 1);
    assert_true(X509_CRL_sign(crl, key, EVP_sha256()) > 0);
    len = i2d_re_X509_CRL_tbs(crl, &der);
    assert_true(len > 0);
    assert_int_equal(
        signer_tbs_head_read(slice_of(der, (size_t)len), (uint64_t)len, PERMIT_CRL, &head, &diag),
        CH_OK);
    assert_int_equal(head.this_update_s, 1800000000);
    OPENSSL_free(der);
    ASN1_TIME_free(now);
    X509_CRL_free(crl);
    X509_free(x);
    EVP_PKEY_free(key);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fresh, clear)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(certificate_good_is_read),
        TEST(certificate_as_crl_is_refused),
        TEST(certificate_version_2_is_refused),
        TEST(certificate_with_bad_serial_is_refused),
        TEST(unknown_algorithm_is_refused),
        TEST(crl_good_is_read),
        TEST(crl_with_generalized_time_is_read),
        TEST(crl_as_certificate_is_refused),
        TEST(version_1_certificate_as_crl_is_refused),
        TEST(crl_of_another_version_is_refused),
        TEST(trailing_or_missing_bytes_are_refused),
        TEST(each_truncation_is_refused),
        TEST(start_of_a_long_stream_is_enough),
        TEST(not_der_is_refused),
        TEST(openssl_certificate_and_crl_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
