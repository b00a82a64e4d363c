/* lib/crypto/public_key.c and rsa.c: keys that OpenSSL made are read; each way to be wrong is
 * refused. */
#include "cm.h"

#include <pthread.h>
#include <stdlib.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/alg.h"
#include "der/der.h"

struct spki {
    uint8_t raw[4200];
    size_t len;
};

static void export_spki(EVP_PKEY *key, struct spki *out)
{
    uint8_t *p = out->raw;
    assert_true(i2d_PUBKEY(key, NULL) < (int)sizeof out->raw);
    out->len = (size_t)i2d_PUBKEY(key, &p);
}

static struct slice slice(const struct spki *s)
{
    return slice_of(s->raw, s->len);
}

static void expect_refused(struct slice spki, enum chancery_err err, const char *rule)
{
    struct crypto_public *k = NULL;
    struct diag d = {0};
    assert_int_equal(crypto_public_from_spki(spki, &k, &d), err);
    assert_string_equal(d.rule, rule);
    assert_null(k);
    assert_int_equal(ERR_peek_error(), 0);
    struct crypto_key_facts facts = {.bits = 7}; /* the same judgement without a key */
    struct diag again = {0};
    assert_int_equal(crypto_spki_read(spki, &facts, &again), err);
    assert_string_equal(again.rule, rule);
    assert_int_equal(facts.bits, 7);
    assert_int_equal(ERR_peek_error(), 0);
}

static EVP_PKEY *generate(enum crypto_key_type t)
{
    switch (t) {
    case CRYPTO_KEY_RSA_2048:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
    case CRYPTO_KEY_RSA_3072:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072);
    case CRYPTO_KEY_RSA_OTHER:
        return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
    case CRYPTO_KEY_P256:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    case CRYPTO_KEY_P384:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    case CRYPTO_KEY_P521:
        return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
    default:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
}

static void spki_of_every_type_equals_openssl(void **state)
{
    (void)state;
    static const struct {
        enum crypto_key_type type;
        unsigned bits;
    } rows[] = {{CRYPTO_KEY_RSA_2048, 2048},  {CRYPTO_KEY_RSA_3072, 3072},
                {CRYPTO_KEY_RSA_OTHER, 1024}, {CRYPTO_KEY_P256, 256},
                {CRYPTO_KEY_P384, 384},       {CRYPTO_KEY_P521, 521},
                {CRYPTO_KEY_ED25519, 255}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        EVP_PKEY *key = generate(rows[i].type);
        struct spki s;
        struct crypto_public *k;
        export_spki(key, &s);
        assert_int_equal(crypto_public_from_spki(slice(&s), &k, NULL), CH_OK);
        struct crypto_key_facts facts;
        assert_int_equal(crypto_spki_read(slice(&s), &facts, NULL), CH_OK);
        assert_int_equal(facts.type, crypto_public_type(k));
        assert_int_equal(facts.bits, crypto_public_bits(k));
        assert_true(slice_eq(facts.rsa_n, crypto_public_rsa_n(k)));
        assert_int_equal(crypto_public_type(k), rows[i].type);
        assert_int_equal(crypto_public_bits(k), rows[i].bits);
        assert_true(slice_eq(crypto_public_spki(k), slice(&s)));
        uint8_t digest[32];
        crypto_sha256(slice(&s), digest);
        assert_memory_equal(digest, crypto_public_spki_sha256(k), 32);
        assert_int_equal(EVP_PKEY_eq(key, crypto_public_evp(k)), 1);
        assert_int_equal(crypto_public_rsa_n(k).len,
                         rows[i].type <= CRYPTO_KEY_RSA_OTHER ? rows[i].bits / 8 : 0);
        struct crypto_public *second = crypto_public_ref(k);
        crypto_public_free(k);
        assert_int_equal(crypto_public_bits(second), rows[i].bits);
        crypto_public_free(second);
        EVP_PKEY_free(key);
    }
    crypto_public_free(NULL);
}

/* Every prefix, one octet more, and every changed structural octet. */
static void spki_cut_or_extended_refused(void **state)
{
    (void)state;
    for (enum crypto_key_type t = CRYPTO_KEY_P256; t <= CRYPTO_KEY_ED25519; t++) {
        EVP_PKEY *key = generate(t);
        struct spki s;
        export_spki(key, &s);
        for (size_t n = 0; n < s.len; n++) {
            struct crypto_public *k;
            assert_int_not_equal(crypto_public_from_spki(slice_of(s.raw, n), &k, NULL), CH_OK);
        }
        s.raw[s.len] = 0;
        expect_refused(slice_of(s.raw, s.len + 1), CH_MALFORMED, "spki.der");
        EVP_PKEY_free(key);
    }
}

static void ec_point_off_the_curve_refused(void **state)
{
    (void)state;
    for (enum crypto_key_type t = CRYPTO_KEY_P256; t <= CRYPTO_KEY_P521; t++) {
        EVP_PKEY *key = generate(t);
        struct spki s;
        export_spki(key, &s);
        s.raw[s.len - 1] ^= 1;
        expect_refused(slice(&s), CH_INVALID, "ec.point.curve");
        s.raw[s.len - 1] ^= 1;
        size_t point = s.len - 1 - 2 * ((size_t)(EVP_PKEY_get_bits(key) + 7) / 8);
        memset(s.raw + point + 1, 0, s.len - point - 1); /* (0, 0) */
        expect_refused(slice(&s), CH_INVALID, "ec.point.curve");
        memset(s.raw + point + 1, 0xff, s.len - point - 1); /* coordinates beyond the field */
        expect_refused(slice(&s), CH_INVALID, "ec.point.curve");
        s.raw[point] = 0x06; /* hybrid form */
        expect_refused(slice(&s), CH_INVALID, "ec.point.form");
        EVP_PKEY_free(key);
    }
}

static void ec_compressed_infinite_or_unnamed_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = generate(CRYPTO_KEY_P256);
    struct spki s;
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                    "compressed"),
                     1);
    export_spki(key, &s);
    expect_refused(slice(&s), CH_INVALID, "ec.point.form");
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT,
                                                    "uncompressed"),
                     1);
    assert_int_equal(EVP_PKEY_set_utf8_string_param(key, OSSL_PKEY_PARAM_EC_ENCODING, "explicit"),
                     1);
    export_spki(key, &s);
    expect_refused(slice(&s), CH_UNSUPPORTED, "ec.curve"); /* RFC 5480 2.1.1: namedCurve only */
    EVP_PKEY_free(key);
    static const uint8_t infinity[] = {0x30, 0x19, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                       0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x02, 0x00, 0x00};
    expect_refused(slice_of(infinity, sizeof infinity), CH_INVALID, "ec.point.form");
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "secp256k1");
    export_spki(other, &s);
    expect_refused(slice(&s), CH_UNSUPPORTED, "ec.curve");
    EVP_PKEY_free(other);
    other = EVP_PKEY_Q_keygen(NULL, NULL, "ED448");
    export_spki(other, &s);
    expect_refused(slice(&s), CH_UNSUPPORTED, "spki.algorithm");
    EVP_PKEY_free(other);
}

static void ed25519_small_order_refused(void **state)
{
    (void)state;
    uint8_t raw[44] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    expect_refused(slice_of(raw, sizeof raw), CH_INVALID, "ed25519.point"); /* y = 0 */
    raw[12] = 1;
    expect_refused(slice_of(raw, sizeof raw), CH_INVALID, "ed25519.point"); /* identity */
    raw[43] = 0x80;
    expect_refused(slice_of(raw, sizeof raw), CH_INVALID,
                   "ed25519.point"); /* identity, sign bit set */
    memset(raw + 12, 0xff, 32);
    raw[43] = 0x7f;
    for (unsigned low = 0xec; low <= 0xff; low++) { /* p - 1 (order 2), and every y not below p */
        raw[12] = (uint8_t)low;
        expect_refused(slice_of(raw, sizeof raw), CH_INVALID, "ed25519.point");
    }
    static const uint8_t order_8[] = {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f,
                                      0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
                                      0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6,
                                      0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a};
    memcpy(raw + 12, order_8, 32);
    expect_refused(slice_of(raw, sizeof raw), CH_INVALID, "ed25519.point");
}

/* Writes an RSA SPKI with the given numbers, so that numbers no library would make can be tried. */
static struct slice rsa_spki(struct buf *b, struct slice n, struct slice e)
{
    static const uint8_t alg[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
    struct buf key;
    size_t mark;
    buf_init(&key, 8192);
    assert_int_equal(der_open(&key, DER_SEQUENCE, &mark), CH_OK);
    assert_int_equal(der_put_unsigned(&key, n), CH_OK);
    assert_int_equal(der_put_unsigned(&key, e), CH_OK);
    assert_int_equal(der_close(&key, mark), CH_OK);
    buf_reset(b);
    assert_int_equal(der_open(b, DER_SEQUENCE, &mark), CH_OK);
    assert_int_equal(buf_add(b, slice_of(alg, sizeof alg)), CH_OK);
    assert_int_equal(der_put_bits(b, buf_slice(&key), 0), CH_OK);
    assert_int_equal(der_close(b, mark), CH_OK);
    buf_clear(&key);
    return buf_slice(b);
}

static void rsa_numbers_that_are_no_key_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = generate(CRYPTO_KEY_RSA_2048);
    BIGNUM *bn = NULL;
    uint8_t n[256];
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_RSA_N, &bn), 1);
    assert_int_equal(BN_bn2bin(bn, n), 256);
    struct buf b;
    buf_init(&b, 8192);
    const struct slice good_n = {n, sizeof n};
    const uint8_t one = 1, two = 2, three = 3, f4[] = {1, 0, 1};
    struct crypto_public *k;
    assert_int_equal(crypto_public_from_spki(rsa_spki(&b, good_n, slice_of(f4, 3)), &k, NULL),
                     CH_OK);
    crypto_public_free(k);
    assert_int_equal(crypto_public_from_spki(rsa_spki(&b, good_n, slice_of(&three, 1)), &k, NULL),
                     CH_OK);
    crypto_public_free(k);
    expect_refused(rsa_spki(&b, good_n, slice_of(&one, 1)), CH_INVALID, "rsa.exponent.small");
    expect_refused(rsa_spki(&b, good_n, slice_of(NULL, 0)), CH_INVALID, "rsa.exponent.small");
    expect_refused(rsa_spki(&b, good_n, slice_of(&two, 1)), CH_INVALID, "rsa.exponent.even");
    uint8_t large_e[33] = {1};
    large_e[32] = 1;
    expect_refused(rsa_spki(&b, good_n, slice_of(large_e, 33)), CH_INVALID, "rsa.exponent.large");
    expect_refused(rsa_spki(&b, slice_of(n, 60), slice_of(f4, 3)), CH_INVALID, "rsa.modulus.size");
    expect_refused(rsa_spki(&b, slice_of(NULL, 0), slice_of(f4, 3)), CH_INVALID,
                   "rsa.modulus.size");
    n[255] ^= 1;
    expect_refused(rsa_spki(&b, good_n, slice_of(f4, 3)), CH_INVALID, "rsa.modulus.even");
    n[255] ^= 1;
    /* The nearest odd multiples of the smallest, a middle and the largest tried prime. */
    static const BN_ULONG primes[] = {3, 373, 751};
    for (size_t i = 0; i < 3; i++) {
        BIGNUM *m = BN_dup(bn);
        uint8_t raw[256];
        assert_int_equal(BN_sub_word(m, BN_mod_word(m, primes[i])), 1);
        if (!BN_is_odd(m)) {
            assert_int_equal(BN_sub_word(m, primes[i]), 1);
        }
        assert_int_equal(BN_bn2bin(m, raw), 256);
        expect_refused(rsa_spki(&b, slice_of(raw, 256), slice_of(f4, 3)), CH_INVALID,
                       "rsa.modulus.small_factor");
        BN_free(m);
    }
    BN_free(bn);
    EVP_PKEY_free(key);
    buf_clear(&b);
}

static void rsa_encodings_that_are_not_canonical_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = generate(CRYPTO_KEY_RSA_OTHER);
    struct spki s;
    export_spki(key, &s);
    /* 30 81 9f 30 0d 06 09 .. 05 00 03 81 8d 00 30 81 89 02 81 81 00 <128> 02 03 01 00 01 */
    static const size_t structural[] = {0, 2, 3, 4, 5, 6, 16, 17, 18, 20, 21, 22, 24, 25, 27};
    for (size_t i = 0; i < sizeof structural / sizeof structural[0]; i++) {
        struct crypto_public *k;
        s.raw[structural[i]] ^= 1;
        assert_int_not_equal(crypto_public_from_spki(slice(&s), &k, NULL), CH_OK);
        s.raw[structural[i]] ^= 1;
    }
    memmove(s.raw + 16, s.raw + 18, s.len - 18); /* parameters left out */
    s.raw[2] = (uint8_t)(s.raw[2] - 2);
    s.raw[4] = 0x0b;
    expect_refused(slice_of(s.raw, s.len - 2), CH_UNSUPPORTED, "spki.algorithm");
    EVP_PKEY_free(key);
    static uint8_t long_key[5000];
    expect_refused(slice_of(long_key, sizeof long_key), CH_LIMIT, "spki.size");
}

static void *read_many(void *arg)
{
    const struct spki *s = arg;
    for (int i = 0; i < 200; i++) {
        struct crypto_public *k;
        if (crypto_public_from_spki(slice(s), &k, NULL) != CH_OK) {
            return arg;
        }
        crypto_public_free(k);
    }
    return NULL;
}

static void spki_read_by_several_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    struct spki s[4];
    for (size_t i = 0; i < 4; i++) {
        EVP_PKEY *key = generate((enum crypto_key_type)(CRYPTO_KEY_P256 + (int)(i % 3)));
        export_spki(key, &s[i]);
        EVP_PKEY_free(key);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, &s[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spki_of_every_type_equals_openssl),
        cmocka_unit_test(spki_cut_or_extended_refused),
        cmocka_unit_test(ec_point_off_the_curve_refused),
        cmocka_unit_test(ec_compressed_infinite_or_unnamed_refused),
        cmocka_unit_test(ed25519_small_order_refused),
        cmocka_unit_test(rsa_numbers_that_are_no_key_refused),
        cmocka_unit_test(rsa_encodings_that_are_not_canonical_refused),
        cmocka_unit_test(spki_read_by_several_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
