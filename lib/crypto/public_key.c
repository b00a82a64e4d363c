/* SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 3279, RFC 5480, RFC 8410), read strictly.
 *
 * The input is DER with exactly one encoding per key, so the accepted octets are the canonical
 * ones. EC keys: a key with the curve's parameters is made once per curve; each public key copies
 * it and sets the encoded point, which OpenSSL checks to be on the curve. All three curves have
 * cofactor 1, so a point on the curve is in the right group (RFC 5480 2.2; SP 800-186 A). */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/public_int.h"
#include "der/der.h"

struct curve {
    enum crypto_key_type type;
    unsigned bits;
    const char *group;
    struct slice alg; /* AlgorithmIdentifier content: id-ecPublicKey, namedCurve */
};

#define EC_OID 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01
static const uint8_t alg_p256[] = {EC_OID, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce,   0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_p384[] = {EC_OID, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t alg_p521[] = {EC_OID, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static const struct curve curves[] = {
    {CRYPTO_KEY_P256, 256, "P-256", {alg_p256, sizeof alg_p256}},
    {CRYPTO_KEY_P384, 384, "P-384", {alg_p384, sizeof alg_p384}},
    {CRYPTO_KEY_P521, 521, "P-521", {alg_p521, sizeof alg_p521}},
};
#define N_CURVES (sizeof curves / sizeof curves[0])

static const uint8_t oid_ec[] = {EC_OID};
static const uint8_t alg_rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                  0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t alg_ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

static EVP_PKEY *templates[N_CURVES];
static pthread_once_t templates_once = PTHREAD_ONCE_INIT;

static void make_templates(void)
{
    for (size_t i = 0; i < N_CURVES; i++) {
        /* The cast drops const only: a UTF8 parameter is not written by fromdata. */
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                             (char *)(uintptr_t)curves[i].group, 0),
            OSSL_PARAM_construct_end(),
        };
        EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
            EVP_PKEY_fromdata(ctx, &templates[i], EVP_PKEY_KEY_PARAMETERS, params) != 1) {
            abort(); /* OpenSSL without NIST curves: nothing here can work */
        }
        EVP_PKEY_CTX_free(ctx);
    }
}

static enum chancery_err ec_key(const struct curve *curve, struct slice point, EVP_PKEY **out,
                                struct diag *diag)
{
    size_t field = (curve->bits + 7) / 8;
    if (point.len != 1 + 2 * field || point.ptr[0] != 0x04) {
        /* RFC 5480 2.2 lets us ask for the uncompressed form, which has one encoding. */
        diag_set(diag, CH_INVALID, "spki.point", "ec.point.form",
                 "the %s point must be uncompressed: 04 and %zu octets", curve->group, 2 * field);
        return diag_ref(diag, CH_INVALID, "RFC 5480 2.2");
    }
    pthread_once(&templates_once, make_templates);
    EVP_PKEY *pkey = EVP_PKEY_new();
    bool copied = pkey != NULL && EVP_PKEY_copy_parameters(pkey, templates[curve - curves]) == 1;
    if (!copied || EVP_PKEY_set1_encoded_public_key(pkey, point.ptr, point.len) != 1) {
        ERR_clear_error();
        EVP_PKEY_free(pkey);
        if (!copied) {
            return diag_set(diag, CH_NOMEM, "spki", "crypto.memory", "out of memory");
        }
        diag_set(diag, CH_INVALID, "spki.point", "ec.point.curve",
                 "the point is not on the curve %s", curve->group);
        return diag_ref(diag, CH_INVALID, "SP 800-56A 5.6.2.3.3");
    }
    *out = pkey;
    return CH_OK;
}

/* Points of small order, by y (RFC 8032 5.1.3, little endian, sign bit cleared): signatures under
 * them verify for messages nobody signed. */
static const uint8_t ed25519_small_order[][32] = {
    {0},
    {1},
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f},
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
     0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
     0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05},
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
     0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
     0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
};

/* Whether y (sign bit cleared) is below 2^255 - 19. */
static bool ed25519_y_reduced(const uint8_t y[32])
{
    if (y[31] != 0x7f || y[0] < 0xed) {
        return true;
    }
    for (size_t i = 1; i < 31; i++) {
        if (y[i] != 0xff) {
            return true;
        }
    }
    return false;
}

static enum chancery_err ed25519_key(struct slice point, EVP_PKEY **out, struct diag *diag)
{
    if (point.len != 32) {
        diag_set(diag, CH_INVALID, "spki.point", "ed25519.size", "an Ed25519 key has 32 octets");
        return diag_ref(diag, CH_INVALID, "RFC 8410 4");
    }
    uint8_t y[32];
    memcpy(y, point.ptr, sizeof y);
    y[31] &= 0x7f;
    bool weak = !ed25519_y_reduced(y);
    for (size_t i = 0; i < sizeof ed25519_small_order / sizeof ed25519_small_order[0]; i++) {
        weak = weak || memcmp(y, ed25519_small_order[i], sizeof y) == 0;
    }
    if (weak) {
        diag_set(diag, CH_INVALID, "spki.point", "ed25519.point",
                 "the Ed25519 point has small order or is not reduced");
        return diag_ref(diag, CH_INVALID, "RFC 8032 5.1.3");
    }
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, point.ptr, point.len);
    if (pkey == NULL) {
        ERR_clear_error();
        return diag_set(diag, CH_CRYPTO, "spki", "ed25519.point",
                        "OpenSSL refused the Ed25519 key");
    }
    *out = pkey;
    return CH_OK;
}

/* RSAPublicKey ::= SEQUENCE { modulus INTEGER, publicExponent INTEGER } (RFC 8017 A.1.1). */
static enum chancery_err rsa_read(struct slice bits, struct slice *n, struct slice *e)
{
    struct der_reader r = der_reader_of(bits), in;
    TRY(der_enter(&r, DER_SEQUENCE, &in));
    TRY(der_finish(&r));
    TRY(der_read_integer(&in, n));
    TRY(der_read_integer(&in, e));
    TRY(der_finish(&in));
    if ((n->ptr[0] & 0x80) != 0 || (e->ptr[0] & 0x80) != 0) {
        return CH_MALFORMED; /* negative */
    }
    if (n->ptr[0] == 0) {
        *n = slice_sub(*n, 1, n->len);
    }
    if (e->ptr[0] == 0) {
        *e = slice_sub(*e, 1, e->len);
    }
    return CH_OK;
}

static enum chancery_err rsa_key(struct crypto_public *k, struct slice bits, struct diag *diag)
{
    enum chancery_err err = rsa_read(bits, &k->rsa_n, &k->rsa_e);
    if (err != CH_OK) {
        diag_set(diag, err, "spki.key", "spki.der", "the RSAPublicKey is not DER");
        return diag_ref(diag, err, "RFC 8017 A.1.1");
    }
    TRY(crypto_rsa_check(k->rsa_n, k->rsa_e, diag));
    k->bits = crypto_bit_length(k->rsa_n);
    k->type = k->bits == 2048   ? CRYPTO_KEY_RSA_2048
              : k->bits == 3072 ? CRYPTO_KEY_RSA_3072
              : k->bits == 4096 ? CRYPTO_KEY_RSA_4096
                                : CRYPTO_KEY_RSA_OTHER;
    err = crypto_rsa_pkey(k->rsa_n, k->rsa_e, &k->pkey);
    return err == CH_OK ? err
                        : diag_set(diag, err, "spki.key", "rsa.key", "OpenSSL refused the RSA key");
}

static enum chancery_err key_of(struct crypto_public *k, struct slice alg, struct slice bits,
                                struct diag *diag)
{
    if (slice_eq(alg, slice_of(alg_rsa, sizeof alg_rsa))) {
        return rsa_key(k, bits, diag);
    }
    if (slice_eq(alg, slice_of(alg_ed25519, sizeof alg_ed25519))) {
        k->type = CRYPTO_KEY_ED25519;
        k->bits = 255;
        return ed25519_key(bits, &k->pkey, diag);
    }
    for (size_t i = 0; i < N_CURVES; i++) {
        if (slice_eq(alg, curves[i].alg)) {
            k->type = curves[i].type;
            k->bits = curves[i].bits;
            return ec_key(&curves[i], bits, &k->pkey, diag);
        }
    }
    bool ec = slice_eq(slice_sub(alg, 0, sizeof oid_ec), slice_of(oid_ec, sizeof oid_ec));
    return diag_set(diag, CH_UNSUPPORTED, "spki.algorithm", ec ? "ec.curve" : "spki.algorithm",
                    ec ? "only the named curves P-256, P-384 and P-521 are supported"
                       : "the key algorithm is not supported: use RSA (with NULL parameters), "
                         "ECDSA or Ed25519");
}

/* Splits SEQUENCE { SEQUENCE algorithm, BIT STRING } without judging either part. */
static enum chancery_err spki_split(struct slice spki, struct slice *alg, struct slice *bits)
{
    struct der_reader r = der_reader_of(spki), in;
    struct der_value v;
    unsigned unused;
    TRY(der_enter(&r, DER_SEQUENCE, &in));
    TRY(der_finish(&r));
    TRY(der_expect(&in, DER_SEQUENCE, &v));
    *alg = v.content;
    TRY(der_read_bits(&in, bits, &unused));
    TRY(der_finish(&in));
    return unused == 0 ? CH_OK : CH_MALFORMED;
}

/* The largest RSA modulus with room for its headers. */
#define SPKI_MAX 4096

enum chancery_err crypto_public_from_spki(struct slice spki, struct crypto_public **out,
                                          struct diag *diag)
{
    if (spki.len > SPKI_MAX) {
        return diag_set(diag, CH_LIMIT, "spki", "spki.size",
                        "the key has %zu octets, at most %d are read", spki.len, SPKI_MAX);
    }
    struct crypto_public *k = calloc(1, sizeof *k + spki.len);
    if (k == NULL) {
        return diag_set(diag, CH_NOMEM, "spki", "crypto.memory", "out of memory");
    }
    atomic_init(&k->refs, 1);
    k->spki_len = spki.len;
    if (spki.len > 0) {
        memcpy(k->spki, spki.ptr, spki.len);
    }
    struct slice alg, bits;
    enum chancery_err err = spki_split(slice_of(k->spki, k->spki_len), &alg, &bits);
    if (err != CH_OK) {
        diag_set(diag, err, "spki", "spki.der", "the SubjectPublicKeyInfo is not DER");
        (void)diag_ref(diag, err, "RFC 5280 4.1");
    } else {
        err = key_of(k, alg, bits, diag);
    }
    if (err != CH_OK) {
        crypto_public_free(k);
        return err;
    }
    crypto_sha256(crypto_public_spki(k), k->spki_sha256);
    *out = k;
    return CH_OK;
}

struct crypto_public *crypto_public_ref(const struct crypto_public *k)
{
    /* Only the counter changes; what a holder can see of the key is immutable. */
    struct crypto_public *mutable_k = (struct crypto_public *)(uintptr_t)k;
    if (mutable_k != NULL) {
        atomic_fetch_add_explicit(&mutable_k->refs, 1, memory_order_relaxed);
    }
    return mutable_k;
}

void crypto_public_free(struct crypto_public *k)
{
    if (k != NULL && atomic_fetch_sub_explicit(&k->refs, 1, memory_order_acq_rel) == 1) {
        EVP_PKEY_free(k->pkey);
        crypto_fixed_free(k->fixed);
        free(k);
    }
}

void crypto_public_prepare(struct crypto_public *k)
{
    struct slice alg, bits;
    if (k->type == CRYPTO_KEY_P256 && k->fixed == NULL &&
        spki_split(crypto_public_spki(k), &alg, &bits) == CH_OK) {
        k->fixed = crypto_fixed_new(bits);
    }
}

enum crypto_key_type crypto_public_type(const struct crypto_public *k)
{
    return k->type;
}

unsigned crypto_public_bits(const struct crypto_public *k)
{
    return k->bits;
}

struct slice crypto_public_spki(const struct crypto_public *k)
{
    return slice_of(k->spki, k->spki_len);
}

const uint8_t *crypto_public_spki_sha256(const struct crypto_public *k)
{
    return k->spki_sha256;
}

struct slice crypto_public_rsa_n(const struct crypto_public *k)
{
    return k->rsa_n;
}

struct slice crypto_public_rsa_e(const struct crypto_public *k)
{
    return k->rsa_e;
}

void *crypto_public_evp(const struct crypto_public *k)
{
    return k->pkey;
}
