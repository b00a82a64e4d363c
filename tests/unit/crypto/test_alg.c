/* lib/crypto/alg.c and digest.c: the table against OpenSSL's encodings, digests against FIPS 180
 * vectors. */
#include "cm.h"

#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "crypto/alg.h"

static const struct {
    enum crypto_alg alg;
    const char *key, *param, *digest;
    bool pss;
} rows[] = {
    {CRYPTO_ALG_RSA_SHA256, "RSA", "", "SHA256", false},
    {CRYPTO_ALG_RSA_SHA384, "RSA", "", "SHA384", false},
    {CRYPTO_ALG_RSA_SHA512, "RSA", "", "SHA512", false},
    {CRYPTO_ALG_RSA_PSS_SHA256, "RSA", "", "SHA256", true},
    {CRYPTO_ALG_RSA_PSS_SHA384, "RSA", "", "SHA384", true},
    {CRYPTO_ALG_RSA_PSS_SHA512, "RSA", "", "SHA512", true},
    {CRYPTO_ALG_ECDSA_SHA256, "EC", "P-256", "SHA256", false},
    {CRYPTO_ALG_ECDSA_SHA384, "EC", "P-384", "SHA384", false},
    {CRYPTO_ALG_ECDSA_SHA512, "EC", "P-521", "SHA512", false},
    {CRYPTO_ALG_ED25519, "ED25519", "", NULL, false},
};

/* OpenSSL signs a request with the algorithm; its AlgorithmIdentifier must be ours, octet for
 * octet. */
static void alg_der_is_what_openssl_writes(void **state)
{
    (void)state;
    EVP_PKEY *rsa = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EVP_PKEY *key = rows[i].key[0] == 'R' ? rsa
                        : rows[i].param[0] == '\0'
                            ? EVP_PKEY_Q_keygen(NULL, NULL, rows[i].key)
                            : EVP_PKEY_Q_keygen(NULL, NULL, rows[i].key, rows[i].param);
        assert_non_null(key);
        X509_REQ *req = X509_REQ_new();
        assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
        EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        EVP_PKEY_CTX *pctx = NULL;
        assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, rows[i].digest, NULL, NULL, key, NULL),
                         1);
        if (rows[i].pss) {
            assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
            assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
        }
        assert_true(X509_REQ_sign_ctx(req, ctx) > 0);
        const X509_ALGOR *alg;
        X509_REQ_get0_signature(req, NULL, &alg);
        uint8_t *der = NULL;
        int len = i2d_X509_ALGOR(alg, &der);
        assert_true(slice_eq(crypto_alg_der(rows[i].alg), slice_of(der, (size_t)len)));
        assert_int_equal(crypto_alg_from_der(slice_of(der, (size_t)len)), rows[i].alg);
        assert_int_equal(crypto_alg_from_der(slice_of(der, (size_t)len - 1)), CRYPTO_ALG_NONE);
        OPENSSL_free(der);
        EVP_MD_CTX_free(ctx);
        X509_REQ_free(req);
        if (key != rsa) {
            EVP_PKEY_free(key);
        }
    }
    EVP_PKEY_free(rsa);
}

static void alg_rsa_without_null_refused(void **state)
{
    (void)state;
    static const uint8_t absent[] = {0x30, 0x0b, 0x06, 0x09, 0x2a, 0x86, 0x48,
                                     0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0b};
    static const uint8_t sha1[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                   0xf7, 0x0d, 0x01, 0x01, 0x05, 0x05, 0x00};
    assert_int_equal(crypto_alg_from_der(slice_of(absent, sizeof absent)),
                     CRYPTO_ALG_NONE); /* RFC 4055 5 */
    assert_int_equal(crypto_alg_from_der(slice_of(sha1, sizeof sha1)), CRYPTO_ALG_NONE);
    assert_int_equal(crypto_alg_from_der(slice_of(NULL, 0)), CRYPTO_ALG_NONE);
}

static void names_round_trip_and_defaults_fit(void **state)
{
    (void)state;
    for (int t = CRYPTO_KEY_RSA_2048; t <= CRYPTO_KEY_ED25519; t++) {
        enum crypto_key_type type = (enum crypto_key_type)t;
        assert_int_equal(crypto_key_type_from_name(crypto_key_type_name(type)), type);
        assert_true(crypto_alg_fits(crypto_alg_default(type), type));
    }
    for (int a = CRYPTO_ALG_RSA_SHA256; a <= CRYPTO_ALG_ED25519; a++) {
        enum crypto_alg alg = (enum crypto_alg)a;
        assert_int_equal(crypto_alg_from_name(crypto_alg_name(alg)), alg);
    }
    assert_int_equal(crypto_key_type_from_name("P-224"), CRYPTO_KEY_NONE);
    assert_int_equal(crypto_alg_from_name("none"), CRYPTO_ALG_NONE);
    assert_false(crypto_alg_fits(CRYPTO_ALG_ECDSA_SHA256, CRYPTO_KEY_RSA_2048));
    assert_false(crypto_alg_fits(CRYPTO_ALG_NONE, CRYPTO_KEY_NONE));
    assert_int_equal(crypto_alg_hash(CRYPTO_ALG_ED25519), CRYPTO_HASH_NONE);
}

static void digests_match_fips_180_vectors(void **state)
{
    (void)state;
    static const char *const want[] = {
        "a9993e364706816aba3e25717850c26c9cd0d89d",
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134"
        "c825a7",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3"
        "feebbd"
        "454d4423643ce80e2a9ac94fa54ca49f"};
    for (int h = CRYPTO_HASH_SHA1; h <= CRYPTO_HASH_SHA512; h++) {
        uint8_t out[CRYPTO_HASH_MAX], again[CRYPTO_HASH_MAX];
        char hex[2 * CRYPTO_HASH_MAX + 1];
        enum crypto_hash hash = (enum crypto_hash)h;
        crypto_digest(hash, slice_str("abc"), out);
        hex_encode(slice_of(out, crypto_hash_size(hash)), hex);
        assert_string_equal(hex, want[h - 1]);
        struct crypto_hasher *c = crypto_hasher_new(hash);
        assert_non_null(c);
        crypto_hasher_update(c, slice_str("a"));
        crypto_hasher_update(c, slice_of(NULL, 0));
        crypto_hasher_update(c, slice_str("bc"));
        crypto_hasher_final(c, again);
        crypto_hasher_free(c);
        assert_memory_equal(out, again, crypto_hash_size(hash));
    }
    assert_null(crypto_hasher_new(CRYPTO_HASH_NONE));
    crypto_hasher_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alg_der_is_what_openssl_writes),
        cmocka_unit_test(alg_rsa_without_null_refused),
        cmocka_unit_test(names_round_trip_and_defaults_fit),
        cmocka_unit_test(digests_match_fips_180_vectors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
