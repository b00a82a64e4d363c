/* lib/crypto/verify.c: signatures that OpenSSL made verify; changed ones, other algorithms and
 * other keys do not. RFC 6979 and RFC 8032 vectors. */
#include "cm.h"

#include <openssl/err.h>
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
    {CRYPTO_ALG_ECDSA_SHA256, "EC", "P-384", "SHA256", false},
    {CRYPTO_ALG_ECDSA_SHA384, "EC", "P-384", "SHA384", false},
    {CRYPTO_ALG_ECDSA_SHA512, "EC", "P-521", "SHA512", false},
    {CRYPTO_ALG_ED25519, "ED25519", "", NULL, false},
};
#define ROWS (sizeof rows / sizeof rows[0])

struct sample {
    struct crypto_public *key;
    uint8_t sig[600];
    size_t sig_len;
};

static const char message[] = "chancery test message";

static void sign(size_t i, int saltlen, struct sample *out)
{
    EVP_PKEY *key = rows[i].key[0] == 'R' ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                    : rows[i].param[0] == '\0'
                        ? EVP_PKEY_Q_keygen(NULL, NULL, rows[i].key)
                        : EVP_PKEY_Q_keygen(NULL, NULL, rows[i].key, rows[i].param);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    assert_int_equal(EVP_DigestSignInit_ex(ctx, &pctx, rows[i].digest, NULL, NULL, key, NULL), 1);
    if (rows[i].pss) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, saltlen), 1);
    }
    out->sig_len = sizeof out->sig;
    assert_int_equal(
        EVP_DigestSign(ctx, out->sig, &out->sig_len, (const uint8_t *)message, sizeof message), 1);
    EVP_MD_CTX_free(ctx);
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_int_equal(crypto_public_from_spki(slice_of(der, (size_t)len), &out->key, NULL), CH_OK);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

static bool verify(const struct sample *s, enum crypto_alg a, struct slice msg, struct slice sig)
{
    bool valid = true;
    assert_int_equal(crypto_verify(s->key, a, msg, sig, &valid, NULL), CH_OK);
    assert_int_equal(ERR_peek_error(), 0);
    return valid;
}

static void signatures_of_every_algorithm(void **state)
{
    (void)state;
    const struct slice msg = {(const uint8_t *)message, sizeof message};
    for (size_t i = 0; i < ROWS; i++) {
        struct sample s;
        sign(i, RSA_PSS_SALTLEN_DIGEST, &s);
        struct slice sig = {s.sig, s.sig_len};
        assert_true(verify(&s, rows[i].alg, msg, sig));
        assert_false(verify(&s, rows[i].alg, slice_sub(msg, 0, msg.len - 1), sig));
        assert_false(verify(&s, rows[i].alg, msg, slice_sub(sig, 0, sig.len - 1)));
        assert_false(verify(&s, rows[i].alg, msg, slice_of(NULL, 0)));
        s.sig[s.sig_len] = 0;
        assert_false(
            verify(&s, rows[i].alg, msg, slice_of(s.sig, s.sig_len + 1))); /* trailing octet */
        for (size_t at = 0; at < s.sig_len; at += 7) {
            s.sig[at] ^= 0x10;
            assert_false(verify(&s, rows[i].alg, msg, sig));
            s.sig[at] ^= 0x10;
        }
        for (size_t j = 0; j < ROWS; j++) {
            bool valid = true;
            enum chancery_err err = crypto_verify(s.key, rows[j].alg, msg, sig, &valid, NULL);
            assert_int_equal(valid, rows[j].alg == rows[i].alg);
            assert_int_equal(
                err, crypto_alg_fits(rows[j].alg, crypto_public_type(s.key)) ? CH_OK : CH_INVALID);
        }
        crypto_public_free(s.key);
    }
}

static void pss_with_another_salt_length_refused(void **state)
{
    (void)state;
    struct sample s;
    sign(3, 20, &s);
    assert_false(verify(&s, CRYPTO_ALG_RSA_PSS_SHA256, slice_of(message, sizeof message),
                        slice_of(s.sig, s.sig_len)));
    crypto_public_free(s.key);
}

static void digest_of_wrong_size_refused(void **state)
{
    (void)state;
    struct sample s;
    uint8_t digest[64] = {0};
    bool valid = true;
    sign(6, 0, &s);
    assert_int_equal(crypto_verify_digest(s.key, CRYPTO_ALG_ECDSA_SHA256, slice_of(digest, 31),
                                          slice_of(s.sig, s.sig_len), &valid, NULL),
                     CH_INVALID);
    assert_false(valid);
    crypto_public_free(s.key);
}

static size_t unhex(const char *hex, uint8_t *out, size_t cap)
{
    size_t len;
    assert_int_equal(hex_decode(slice_str(hex), out, cap, &len), CH_OK);
    return len;
}

/* RFC 6979 A.2.5: P-256, SHA-256, message "sample"; raw r and s as a token returns them. */
static void ecdsa_rfc_6979_vector_in_raw_form(void **state)
{
    (void)state;
    uint8_t spki[128], raw[64];
    size_t n = unhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004"
                     "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
                     "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
                     spki, sizeof spki);
    unhex("efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
          "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
          raw, sizeof raw);
    struct crypto_public *k;
    struct buf sig;
    bool valid;
    buf_init(&sig, 128);
    assert_int_equal(crypto_public_from_spki(slice_of(spki, n), &k, NULL), CH_OK);
    assert_int_equal(crypto_ecdsa_raw_to_der(slice_of(raw, 64), &sig), CH_OK);
    assert_int_equal(crypto_verify(k, CRYPTO_ALG_ECDSA_SHA256, slice_str("sample"), buf_slice(&sig),
                                   &valid, NULL),
                     CH_OK);
    assert_true(valid);
    memset(raw, 0, 32);
    assert_int_equal(crypto_ecdsa_raw_to_der(slice_of(raw, 64), &sig), CH_INVALID);
    assert_int_equal(crypto_ecdsa_raw_to_der(slice_of(raw, 63), &sig), CH_INVALID);
    assert_int_equal(crypto_ecdsa_raw_to_der(slice_of(raw, 0), &sig), CH_INVALID);
    crypto_public_free(k);
    buf_clear(&sig);
}

/* RFC 8032 7.1, test 3. */
static void ed25519_rfc_8032_vector(void **state)
{
    (void)state;
    uint8_t spki[64], sig[64];
    size_t n = unhex("302a300506032b6570032100"
                     "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                     spki, sizeof spki);
    unhex("6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
          "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
          sig, sizeof sig);
    struct crypto_public *k;
    bool valid;
    assert_int_equal(crypto_public_from_spki(slice_of(spki, n), &k, NULL), CH_OK);
    assert_int_equal(crypto_verify(k, CRYPTO_ALG_ED25519, slice_of("\xaf\x82", 2),
                                   slice_of(sig, 64), &valid, NULL),
                     CH_OK);
    assert_true(valid);
    crypto_public_free(k);
}

/* ---- prepared keys ---- */

static struct crypto_public *p256_key(EVP_PKEY *key)
{
    struct crypto_public *k = NULL;
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_int_equal(crypto_public_from_spki(slice_of(der, (size_t)len), &k, NULL), CH_OK);
    OPENSSL_free(der);
    return k;
}

/* Both answer the same; says what. */
static bool both(const struct crypto_public *plain, const struct crypto_public *prepared,
                 struct slice digest, struct slice sig)
{
    bool a = true, b = true;
    assert_int_equal(crypto_verify_digest(plain, CRYPTO_ALG_ECDSA_SHA256, digest, sig, &a, NULL),
                     CH_OK);
    assert_int_equal(crypto_verify_digest(prepared, CRYPTO_ALG_ECDSA_SHA256, digest, sig, &b, NULL),
                     CH_OK);
    assert_int_equal(a, b);
    assert_int_equal(ERR_peek_error(), 0);
    return b;
}

static struct slice sign_digest(EVP_PKEY *key, struct slice digest, uint8_t sig[80])
{
    size_t len = 80;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_sign_init(ctx), 1);
    assert_int_equal(EVP_PKEY_sign(ctx, sig, &len, digest.ptr, digest.len), 1);
    EVP_PKEY_CTX_free(ctx);
    return slice_of(sig, len);
}

/* Valid signatures, and each of them with every octet changed. */
static void prepared_key_judges_as_openssl_does(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 12; round++) {
        EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        struct crypto_public *plain = p256_key(key), *prepared = p256_key(key);
        crypto_public_prepare(prepared);
        crypto_public_prepare(prepared); /* once is enough, twice does no harm */
        uint8_t sig[80], d[32];
        memset(d, round == 0 ? 0 : round == 1 ? 0xff : (int)round, sizeof d);
        struct slice digest = slice_of(d, sizeof d), s = sign_digest(key, digest, sig);
        assert_true(both(plain, prepared, digest, s));
        for (size_t i = 0; i < s.len; i++) {
            sig[i] ^= (uint8_t)(1u << (round % 8));
            assert_false(both(plain, prepared, digest, s));
            sig[i] ^= (uint8_t)(1u << (round % 8));
        }
        assert_false(both(plain, prepared, digest, slice_sub(s, 0, s.len - 1)));
        d[round] ^= 1;
        assert_false(both(plain, prepared, digest, s));
        EVP_PKEY_free(key);
        crypto_public_free(plain);
        crypto_public_free(prepared);
    }
}

#define ORDER                                                                                      \
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,      \
        0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63,  \
        0x25

/* r and s outside 1..n-1, signs, padding and trailing octets. */
static void prepared_key_refuses_extreme_signatures(void **state)
{
    (void)state;
    static const uint8_t sigs[][72] = {
        {8, 0x30, 6, 2, 1, 0, 2, 1, 0},
        {8, 0x30, 6, 2, 1, 0, 2, 1, 1},
        {8, 0x30, 6, 2, 1, 1, 2, 1, 0},
        {8, 0x30, 6, 2, 1, 1, 2, 1, 1},
        {8, 0x30, 6, 2, 1, 0xff, 2, 1, 1},
        {9, 0x30, 7, 2, 2, 0, 1, 2, 1, 1},
        {9, 0x30, 6, 2, 1, 1, 2, 1, 1, 0},
        {40, 0x30, 38, 2, 33, 0, ORDER, 0x51, 2, 1, 1},
        {40, 0x30, 38, 2, 33, 0, ORDER, 0x52, 2, 1, 1},
        {40, 0x30, 38, 2, 1, 1, 2, 33, 0, ORDER, 0x51},
        {40, 0x30, 38, 2, 1, 1, 2, 33, 0, ORDER, 0x50},
        {40, 0x30, 38, 2, 1, 1, 2, 33, 0, ORDER, 0x52},
    };
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    struct crypto_public *plain = p256_key(key), *prepared = p256_key(key);
    crypto_public_prepare(prepared);
    static const uint8_t zero[32];
    for (size_t i = 0; i < sizeof sigs / sizeof sigs[0]; i++) {
        struct slice s = slice_of(sigs[i] + 1, sigs[i][0]);
        assert_false(both(plain, prepared, slice_of(zero, 32), s));
    }
    EVP_PKEY_free(key);
    crypto_public_free(plain);
    crypto_public_free(prepared);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures_of_every_algorithm),
        cmocka_unit_test(pss_with_another_salt_length_refused),
        cmocka_unit_test(digest_of_wrong_size_refused),
        cmocka_unit_test(ecdsa_rfc_6979_vector_in_raw_form),
        cmocka_unit_test(ed25519_rfc_8032_vector),
        cmocka_unit_test(prepared_key_judges_as_openssl_does),
        cmocka_unit_test(prepared_key_refuses_extreme_signatures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
