/* SubjectPublicKeyInfo (RFC 5280 4.1.2.7, RFC 3279, RFC 5480, RFC 8410), read strictly and judged
 * without making a key of it.
 *
 * The input is DER with exactly one encoding per key, so the accepted octets are the canonical
 * ones. All three curves have cofactor 1, so a point on the curve is in the right group (RFC 5480
 * 2.2; SP 800-186 A). Thread-safe. */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include "crypto/public_int.h"
#include "der/der.h"

struct curve {
    enum crypto_key_type type;
    unsigned bits;
    int nid;
    const char *name;
    struct slice alg; /* AlgorithmIdentifier content: id-ecPublicKey, namedCurve */
};

#define EC_OID 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01
static const uint8_t alg_p256[] = {EC_OID, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                   0xce,   0x3d, 0x03, 0x01, 0x07};
static const uint8_t alg_p384[] = {EC_OID, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22};
static const uint8_t alg_p521[] = {EC_OID, 0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23};
static const struct curve curves[] = {
    {CRYPTO_KEY_P256, 256, NID_X9_62_prime256v1, "P-256", {alg_p256, sizeof alg_p256}},
    {CRYPTO_KEY_P384, 384, NID_secp384r1, "P-384", {alg_p384, sizeof alg_p384}},
    {CRYPTO_KEY_P521, 521, NID_secp521r1, "P-521", {alg_p521, sizeof alg_p521}},
};
#define N_CURVES (sizeof curves / sizeof curves[0])

static const uint8_t oid_ec[] = {EC_OID};
static const uint8_t alg_rsa[] = {0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7,
                                  0x0d, 0x01, 0x01, 0x01, 0x05, 0x00};
static const uint8_t alg_ed25519[] = {0x06, 0x03, 0x2b, 0x65, 0x70};

static EC_GROUP *groups[N_CURVES];
static pthread_once_t groups_once = PTHREAD_ONCE_INIT;

static void make_groups(void)
{
    for (size_t i = 0; i < N_CURVES; i++) {
        groups[i] = EC_GROUP_new_by_curve_name(curves[i].nid);
        if (groups[i] == NULL) {
            abort(); /* OpenSSL without NIST curves: nothing here can work */
        }
    }
}

static enum chancery_err off_curve(const struct curve *curve, struct diag *diag)
{
    diag_set(diag, CH_INVALID, "spki.point", "ec.point.curve", "the point is not on the curve %s",
             curve->name);
    return diag_ref(diag, CH_INVALID, "SP 800-56A 5.6.2.3.3");
}

enum chancery_err crypto_point_off_curve(enum crypto_key_type type, struct diag *diag)
{
    size_t i = 0;
    while (i < N_CURVES - 1 && curves[i].type != type) {
        i++;
    }
    return off_curve(&curves[i], diag);
}

static enum chancery_err point_on_curve(const struct curve *curve, struct slice point,
                                        struct diag *diag)
{
    pthread_once(&groups_once, make_groups);
    const EC_GROUP *g = groups[curve - curves];
    EC_POINT *p = EC_POINT_new(g);
    if (p == NULL) {
        return diag_set(diag, CH_NOMEM, "spki", "crypto.memory", "out of memory");
    }
    bool on = EC_POINT_oct2point(g, p, point.ptr, point.len, NULL) == 1; /* checks the equation */
    EC_POINT_free(p);
    if (!on) {
        ERR_clear_error();
        return off_curve(curve, diag);
    }
    return CH_OK;
}

static enum chancery_err ec_check(const struct curve *curve, struct slice point, bool check_point,
                                  struct crypto_key_facts *out, struct diag *diag)
{
    size_t field = (curve->bits + 7) / 8;
    if (point.len != 1 + 2 * field || point.ptr[0] != 0x04) {
        /* RFC 5480 2.2 lets us ask for the uncompressed form, which has one encoding. */
        diag_set(diag, CH_INVALID, "spki.point", "ec.point.form",
                 "the %s point must be uncompressed: 04 and %zu octets", curve->name, 2 * field);
        return diag_ref(diag, CH_INVALID, "RFC 5480 2.2");
    }
    if (check_point) {
        TRY(point_on_curve(curve, point, diag));
    }
    out->type = curve->type;
    out->bits = curve->bits;
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

static enum chancery_err ed25519_check(struct slice point, struct crypto_key_facts *out,
                                       struct diag *diag)
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
    out->type = CRYPTO_KEY_ED25519;
    out->bits = 255;
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

static enum chancery_err rsa_check(struct slice bits, struct crypto_key_facts *out,
                                   struct diag *diag)
{
    enum chancery_err err = rsa_read(bits, &out->rsa_n, &out->rsa_e);
    if (err != CH_OK) {
        diag_set(diag, err, "spki.key", "spki.der", "the RSAPublicKey is not DER");
        return diag_ref(diag, err, "RFC 8017 A.1.1");
    }
    TRY(crypto_rsa_check(out->rsa_n, out->rsa_e, diag));
    out->bits = crypto_bit_length(out->rsa_n);
    out->type = out->bits == 2048   ? CRYPTO_KEY_RSA_2048
                : out->bits == 3072 ? CRYPTO_KEY_RSA_3072
                : out->bits == 4096 ? CRYPTO_KEY_RSA_4096
                                    : CRYPTO_KEY_RSA_OTHER;
    return CH_OK;
}

static enum chancery_err check(struct slice alg, struct slice bits, bool check_point,
                               struct crypto_key_facts *out, struct diag *diag)
{
    if (slice_eq(alg, slice_of(alg_rsa, sizeof alg_rsa))) {
        return rsa_check(bits, out, diag);
    }
    if (slice_eq(alg, slice_of(alg_ed25519, sizeof alg_ed25519))) {
        return ed25519_check(bits, out, diag);
    }
    for (size_t i = 0; i < N_CURVES; i++) {
        if (slice_eq(alg, curves[i].alg)) {
            return ec_check(&curves[i], bits, check_point, out, diag);
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

enum chancery_err crypto_spki_parse(struct slice spki, bool check_point,
                                    struct crypto_key_facts *out, struct diag *diag)
{
    struct slice alg;
    struct crypto_key_facts facts = {.type = CRYPTO_KEY_NONE};
    if (spki.len > CRYPTO_SPKI_MAX) {
        return diag_set(diag, CH_LIMIT, "spki", "spki.size",
                        "the key has %zu octets, at most %d are read", spki.len, CRYPTO_SPKI_MAX);
    }
    enum chancery_err err = spki_split(spki, &alg, &facts.bits_content);
    if (err != CH_OK) {
        diag_set(diag, err, "spki", "spki.der", "the SubjectPublicKeyInfo is not DER");
        return diag_ref(diag, err, "RFC 5280 4.1");
    }
    TRY(check(alg, facts.bits_content, check_point, &facts, diag));
    *out = facts;
    return CH_OK;
}

enum chancery_err crypto_spki_read(struct slice spki, struct crypto_key_facts *out,
                                   struct diag *diag)
{
    return crypto_spki_parse(spki, true, out, diag);
}
