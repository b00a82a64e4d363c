/* lib/x509/tbs_write.c and ext.c: certificates under issuers of every key type verify with OpenSSL,
 * which reads the same fields and writes the same octets. */
#include "samples.h"

#include <openssl/x509v3.h>

#define TEXT(z) slice_of((z), sizeof(z) - 1)
enum { N_EXT = 9 };

struct parts {
    struct buf values[N_EXT];
    struct x509_extension ext[N_EXT];
    uint8_t ski[20];
};

static void make_extensions(struct slice spki, struct parts *p)
{
    const struct x509_san sans[] = {{3, TEXT("a.example")}, {8, SAMPLES_BYTES(192, 0, 2, 1)}};
    const struct slice eku[] = {X509_EKU_SERVER_AUTH, X509_EKU_CLIENT_AUTH};
    const struct x509_policy policies[] = {
        {SAMPLES_BYTES(0x67, 0x81, 0x0c, 0x01, 0x02, 0x01), NULL}};
    const struct slice oids[N_EXT] = {X509_EXT_AKI,   X509_EXT_SKI, X509_EXT_KEY_USAGE,
                                      X509_EXT_BASIC, X509_EXT_EKU, X509_EXT_SAN,
                                      X509_EXT_CDP,   X509_EXT_AIA, X509_EXT_POLICIES};
    for (size_t i = 0; i < N_EXT; i++) {
        buf_init(&p->values[i], 4096);
    }
    x509_ski(spki, p->ski);
    assert_int_equal(x509_ext_aki(slice_of(p->ski, 20), &p->values[0]), CH_OK);
    assert_int_equal(x509_ext_ski(spki, &p->values[1]), CH_OK);
    assert_int_equal(x509_ext_key_usage(1U << 0 | 1U << 2, &p->values[2]), CH_OK);
    assert_int_equal(x509_ext_basic(false, -1, &p->values[3]), CH_OK);
    assert_int_equal(x509_ext_eku(eku, 2, &p->values[4]), CH_OK);
    assert_int_equal(x509_ext_san(sans, 2, &p->values[5]), CH_OK);
    assert_int_equal(x509_ext_cdp("http://crl.example/i/3.crl", &p->values[6]), CH_OK);
    assert_int_equal(x509_ext_aia("http://ocsp.example", "http://aia.example/i.cer", &p->values[7]),
                     CH_OK);
    assert_int_equal(x509_ext_policies(policies, 1, &p->values[8]), CH_OK);
    for (size_t i = 0; i < N_EXT; i++) {
        p->ext[i] = (struct x509_extension){oids[i], i == 2 || i == 3, buf_slice(&p->values[i])};
    }
}

static void free_parts(struct parts *p)
{
    for (size_t i = 0; i < N_EXT; i++) {
        buf_clear(&p->values[i]);
    }
}

static void expect_openssl_reads(X509 *cert, const struct parts *p)
{
    assert_int_equal(X509_get_version(cert), X509_VERSION_3);
    assert_int_equal(X509_check_host(cert, "a.example", 0, 0, NULL), 1);
    assert_int_equal(X509_check_ip_asc(cert, "192.0.2.1", 0), 1);
    assert_int_equal(X509_get_key_usage(cert), KU_DIGITAL_SIGNATURE | KU_KEY_ENCIPHERMENT);
    assert_int_equal(X509_get_extended_key_usage(cert), XKU_SSL_SERVER | XKU_SSL_CLIENT);
    assert_int_equal(X509_check_ca(cert), 0);
    const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(cert);
    assert_int_equal(ski->length, 20);
    assert_memory_equal(ski->data, p->ski, 20);
    assert_int_equal(X509_get0_authority_key_id(cert)->length, 20);
    CRL_DIST_POINTS *cdp = X509_get_ext_d2i(cert, NID_crl_distribution_points, NULL, NULL);
    assert_non_null(cdp);
    const GENERAL_NAME *url =
        sk_GENERAL_NAME_value(sk_DIST_POINT_value(cdp, 0)->distpoint->name.fullname, 0);
    assert_int_equal(url->type, GEN_URI);
    assert_memory_equal(url->d.ia5->data, "http://crl.example/i/3.crl", 26);
    CRL_DIST_POINTS_free(cdp);
    STACK_OF(OPENSSL_STRING) *ocsp = X509_get1_ocsp(cert);
    assert_string_equal(sk_OPENSSL_STRING_value(ocsp, 0), "http://ocsp.example");
    X509_email_free(ocsp);
    int critical = -1;
    CERTIFICATEPOLICIES *policies =
        X509_get_ext_d2i(cert, NID_certificate_policies, &critical, NULL);
    assert_int_equal(sk_POLICYINFO_num(policies), 1);
    assert_int_equal(critical, 0);
    CERTIFICATEPOLICIES_free(policies);
}

static void certificates_of_every_issuer_key_verify(void **state)
{
    (void)state;
    EVP_PKEY *subject_key = samples_key(CRYPTO_KEY_P256);
    struct buf spki, subject, issuer;
    buf_init(&spki, 4096);
    buf_init(&subject, 4096);
    buf_init(&issuer, 4096);
    samples_spki(subject_key, &spki);
    const struct x509_rdn cn = {X509_OID_CN, TEXT("a.example")},
                          ca = {X509_OID_CN, TEXT("Issuing 1")};
    assert_int_equal(x509_name_write(&cn, 1, &subject, NULL), CH_OK);
    assert_int_equal(x509_name_write(&ca, 1, &issuer, NULL), CH_OK);
    struct parts parts;
    make_extensions(buf_slice(&spki), &parts);
    const uint8_t serial[16] = {0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    for (size_t i = 0; i < samples_n_types; i++) {
        EVP_PKEY *key = samples_key(samples_types[i]);
        enum crypto_alg alg = crypto_alg_default(samples_types[i]);
        for (int pss = 0; pss <= (samples_types[i] == CRYPTO_KEY_RSA_2048 ? 1 : 0); pss++) {
            alg = pss == 1 ? CRYPTO_ALG_RSA_PSS_SHA256 : alg;
            const struct x509_tbs t = {slice_of(serial, 16), alg,        buf_slice(&issuer),
                                       1700000000,           2600000000, buf_slice(&subject),
                                       buf_slice(&spki),     parts.ext,  N_EXT};
            struct buf tbs, sig, der;
            buf_init(&tbs, X509_TBS_MAX);
            buf_init(&sig, 1024);
            buf_init(&der, X509_TBS_MAX);
            assert_int_equal(x509_tbs_write(&t, &tbs), CH_OK);
            samples_sign(key, alg, buf_slice(&tbs), &sig);
            assert_int_equal(x509_assemble(buf_slice(&tbs), alg, buf_slice(&sig), &der), CH_OK);
            const uint8_t *p = der.ptr;
            X509 *cert = d2i_X509(NULL, &p, (long)der.len);
            assert_non_null(cert);
            assert_ptr_equal(p, der.ptr + der.len);
            assert_int_equal(X509_verify(cert, key), 1);
            expect_openssl_reads(cert, &parts);
            uint8_t *again = NULL;
            int len = i2d_re_X509_tbs(cert, &again); /* re-encodes from the parsed fields */
            assert_true(slice_eq(slice_of(again, (size_t)len), buf_slice(&tbs)));
            OPENSSL_free(again);
            X509_free(cert);
            buf_clear(&tbs);
            buf_clear(&sig);
            buf_clear(&der);
        }
        EVP_PKEY_free(key);
    }
    free_parts(&parts);
    buf_clear(&spki);
    buf_clear(&subject);
    buf_clear(&issuer);
    EVP_PKEY_free(subject_key);
}

static void tbs_with_bad_fields_refused(void **state)
{
    (void)state;
    const uint8_t serial[21] = {1};
    const struct x509_tbs good = {slice_of(serial, 16),
                                  CRYPTO_ALG_ECDSA_SHA256,
                                  SAMPLES_BYTES(0x30, 0),
                                  1000,
                                  2000,
                                  SAMPLES_BYTES(0x30, 0),
                                  SAMPLES_BYTES(0x30, 0),
                                  NULL,
                                  0};
    struct buf out;
    buf_init(&out, X509_TBS_MAX);
    struct x509_tbs t = good;
    assert_int_equal(x509_tbs_write(&t, &out), CH_OK);
    size_t len = out.len;
    t.serial = slice_of(serial, 21); /* RFC 5280 4.1.2.2: at most 20 octets */
    assert_int_equal(x509_tbs_write(&t, &out), CH_INVALID);
    t.serial = slice_of(serial + 1, 4); /* zero */
    assert_int_equal(x509_tbs_write(&t, &out), CH_INVALID);
    t = good;
    t.not_after_s = 999;
    assert_int_equal(x509_tbs_write(&t, &out), CH_INVALID);
    t = good;
    t.alg = CRYPTO_ALG_NONE;
    assert_int_equal(x509_tbs_write(&t, &out), CH_INVALID);
    assert_int_equal(out.len, len);
    buf_clear(&out);
}

static void extension_values_by_rule(void **state)
{
    (void)state;
    static const struct {
        unsigned bits;
        struct slice want;
    } usages[] = {{1, {(const uint8_t *)"\x03\x02\x07\x80", 4}},
                  {1U << 5 | 1U << 6, {(const uint8_t *)"\x03\x02\x01\x06", 4}},
                  {1U << 8, {(const uint8_t *)"\x03\x03\x07\x00\x80", 5}}};
    struct buf out;
    buf_init(&out, 4096);
    for (size_t i = 0; i < 3; i++) {
        buf_reset(&out);
        assert_int_equal(x509_ext_key_usage(usages[i].bits, &out), CH_OK);
        assert_true(slice_eq(buf_slice(&out), usages[i].want));
    }
    assert_int_equal(x509_ext_key_usage(0, &out), CH_INVALID);
    assert_int_equal(x509_ext_key_usage(1U << 9, &out), CH_INVALID);
    buf_reset(&out);
    assert_int_equal(x509_ext_basic(true, 0, &out), CH_OK);
    assert_true(slice_eq(buf_slice(&out), SAMPLES_BYTES(0x30, 6, 1, 1, 0xff, 2, 1, 0)));
    assert_int_equal(x509_ext_basic(false, 0, &out), CH_INVALID);
    assert_int_equal(x509_ext_eku(NULL, 0, &out), CH_INVALID);
    assert_int_equal(x509_ext_policies(NULL, 0, &out), CH_INVALID);
    assert_int_equal(x509_ext_aia(NULL, NULL, &out), CH_INVALID);
    buf_clear(&out);
}

static void shard_is_the_first_four_octets(void **state)
{
    (void)state;
    const uint8_t serial[] = {0x01, 0x02, 0x03, 0x04, 0x05};
    assert_int_equal(x509_shard(slice_of(serial, 5), 1000), 0x01020304 % 1000);
    assert_int_equal(x509_shard(slice_of(serial, 2), 1000), 0x0102 % 1000);
    const uint8_t high[] = {0xff, 0xff, 0xff, 0xff};
    assert_int_equal(x509_shard(slice_of(high, 4), 64), 0x7fffffff % 64);
    assert_int_equal(x509_shard(slice_of(high, 4), 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_of_every_issuer_key_verify),
        cmocka_unit_test(tbs_with_bad_fields_refused),
        cmocka_unit_test(extension_values_by_rule),
        cmocka_unit_test(shard_is_the_first_four_octets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
