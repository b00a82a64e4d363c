/* lib/x509/cert_read.c: certificates that OpenSSL makes are read with the same fields. */
#include "samples.h"

#include <openssl/x509v3.h>

static void add(X509 *cert, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, cert, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static X509 *openssl_cert(EVP_PKEY *key, bool v3, bool ed)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_NAME_new();
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const uint8_t *)"Root", -1, -1, 0),
        1);
    assert_int_equal(X509_set_issuer_name(cert, name), 1);
    assert_int_equal(X509_set_subject_name(cert, name), 1);
    X509_NAME_free(name);
    assert_int_equal(ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), 0x80000000000000ffU), 1);
    ASN1_TIME_set(X509_getm_notBefore(cert), 1700000000);
    ASN1_TIME_set(X509_getm_notAfter(cert), 2600000000);
    assert_int_equal(X509_set_pubkey(cert, key), 1);
    if (v3) {
        assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
        add(cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:1");
        add(cert, NID_subject_key_identifier, "hash");
        add(cert, NID_authority_key_identifier, "keyid:always");
        add(cert, NID_subject_alt_name, "DNS:Mixed.Case.example,IP:192.0.2.1");
        add(cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    }
    assert_true(X509_sign(cert, key, ed ? NULL : EVP_sha256()) > 0);
    return cert;
}

static void certificates_of_every_key_type_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < samples_n_types; i++) {
        EVP_PKEY *key = samples_key(samples_types[i]);
        for (int v3 = 0; v3 <= 1; v3++) {
            X509 *cert = openssl_cert(key, v3 == 1, samples_types[i] == CRYPTO_KEY_ED25519);
            uint8_t *der = NULL;
            int len = i2d_X509(cert, &der);
            struct arena arena;
            struct x509_cert c;
            struct diag d = {0};
            arena_init(&arena, 0);
            assert_int_equal(x509_cert_read(slice_of(der, (size_t)len), &arena, &c, &d), CH_OK);
            assert_true(slice_eq(c.serial, SAMPLES_BYTES(0x80, 0, 0, 0, 0, 0, 0, 0xff)));
            assert_true(c.not_before_s == 1700000000 && c.not_after_s == 2600000000);
            assert_true(slice_eq(c.issuer, c.subject));
            assert_int_equal(c.is_ca, v3);
            assert_int_equal(c.n_extensions, v3 == 1 ? 5 : 0);
            assert_int_equal(c.n_sans, v3 == 1 ? 2 : 0);
            assert_int_equal(c.ski.len, v3 == 1 ? 20 : 0);
            assert_true(slice_eq(c.ski, c.aki));
            struct crypto_public *k;
            bool valid;
            assert_int_equal(crypto_public_from_spki(c.spki, &k, &d), CH_OK);
            assert_int_equal(crypto_verify(k, c.alg, c.tbs, c.signature, &valid, &d), CH_OK);
            assert_true(valid);
            crypto_public_free(k);
            for (size_t n = 0; n < (size_t)len; n++) {
                assert_int_not_equal(x509_cert_read(slice_of(der, n), &arena, &c, NULL), CH_OK);
            }
            arena_clear(&arena);
            OPENSSL_free(der);
            X509_free(cert);
        }
        EVP_PKEY_free(key);
    }
}

static void certificate_with_two_algorithms_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = samples_key(CRYPTO_KEY_P256);
    X509 *cert = openssl_cert(key, true, false);
    uint8_t *der = NULL;
    int len = i2d_X509(cert, &der);
    struct arena arena;
    struct x509_cert c;
    struct diag d = {0};
    arena_init(&arena, 0);
    assert_int_equal(x509_cert_read(slice_of(der, (size_t)len), &arena, &c, &d), CH_OK);
    size_t outer = (size_t)(c.tbs.ptr - der) + c.tbs.len;
    der[outer + 11] ^= 1; /* last octet of the outer algorithm */
    assert_int_equal(x509_cert_read(slice_of(der, (size_t)len), &arena, &c, &d), CH_INVALID);
    assert_string_equal(d.rule, "certificate.algorithm"); /* RFC 5280 4.1.1.2 */
    arena_clear(&arena);
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificates_of_every_key_type_read),
        cmocka_unit_test(certificate_with_two_algorithms_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
