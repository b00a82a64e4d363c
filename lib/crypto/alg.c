/* The table of algorithms: names, hash, key family, and the exact AlgorithmIdentifier octets. */
#include "crypto/alg.h"

struct key_row {
    enum crypto_key_type type;
    const char *name;
    enum crypto_alg alg; /* what issuers with that key use */
};

static const struct key_row key_rows[] = {
    {CRYPTO_KEY_RSA_2048, "RSA-2048", CRYPTO_ALG_RSA_SHA256},
    {CRYPTO_KEY_RSA_3072, "RSA-3072", CRYPTO_ALG_RSA_SHA256},
    {CRYPTO_KEY_RSA_4096, "RSA-4096", CRYPTO_ALG_RSA_SHA384},
    {CRYPTO_KEY_RSA_OTHER, "RSA-other", CRYPTO_ALG_RSA_SHA256},
    {CRYPTO_KEY_P256, "P-256", CRYPTO_ALG_ECDSA_SHA256},
    {CRYPTO_KEY_P384, "P-384", CRYPTO_ALG_ECDSA_SHA384},
    {CRYPTO_KEY_P521, "P-521", CRYPTO_ALG_ECDSA_SHA512},
    {CRYPTO_KEY_ED25519, "Ed25519", CRYPTO_ALG_ED25519},
};

/* AlgorithmIdentifier octets. RSA: RFC 4055 5 (NULL parameters); PSS: RFC 4055 3.1 (explicit hash,
 * MGF1 and salt length); ECDSA: RFC 5758 3.2 (no parameters); Ed25519: RFC 8410 3. */
#define RSA_ALG(x)                                                                                 \
    0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, (x), 0x05, 0x00
#define HASH_ALG(x)                                                                                \
    0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, (x), 0x05, 0x00
#define PSS_ALG(x, salt)                                                                           \
    0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a, 0x30, 0x34,      \
        0xa0, 0x0f, HASH_ALG(x), 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, \
        0x0d, 0x01, 0x01, 0x08, HASH_ALG(x), 0xa2, 0x03, 0x02, 0x01, (salt)
#define ECDSA_ALG(x) 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, (x)

static const uint8_t rsa_256[] = {RSA_ALG(0x0b)}, rsa_384[] = {RSA_ALG(0x0c)};
static const uint8_t rsa_512[] = {RSA_ALG(0x0d)};
static const uint8_t pss_256[] = {PSS_ALG(0x01, 32)}, pss_384[] = {PSS_ALG(0x02, 48)};
static const uint8_t pss_512[] = {PSS_ALG(0x03, 64)};
static const uint8_t ecdsa_256[] = {ECDSA_ALG(0x02)}, ecdsa_384[] = {ECDSA_ALG(0x03)};
static const uint8_t ecdsa_512[] = {ECDSA_ALG(0x04)};
static const uint8_t ed25519[] = {0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70};

enum family { FAMILY_NONE = 0, FAMILY_RSA, FAMILY_EC, FAMILY_ED25519 };

struct alg_row {
    enum crypto_alg alg;
    const char *name;
    enum family family;
    enum crypto_hash hash;
    const uint8_t *der;
    size_t der_len;
};
#define DER_OF(a) (a), sizeof(a)

static const struct alg_row alg_rows[] = {
    {CRYPTO_ALG_RSA_SHA256, "sha256WithRSAEncryption", FAMILY_RSA, CRYPTO_HASH_SHA256,
     DER_OF(rsa_256)},
    {CRYPTO_ALG_RSA_SHA384, "sha384WithRSAEncryption", FAMILY_RSA, CRYPTO_HASH_SHA384,
     DER_OF(rsa_384)},
    {CRYPTO_ALG_RSA_SHA512, "sha512WithRSAEncryption", FAMILY_RSA, CRYPTO_HASH_SHA512,
     DER_OF(rsa_512)},
    {CRYPTO_ALG_RSA_PSS_SHA256, "rsassa-pss-SHA256", FAMILY_RSA, CRYPTO_HASH_SHA256,
     DER_OF(pss_256)},
    {CRYPTO_ALG_RSA_PSS_SHA384, "rsassa-pss-SHA384", FAMILY_RSA, CRYPTO_HASH_SHA384,
     DER_OF(pss_384)},
    {CRYPTO_ALG_RSA_PSS_SHA512, "rsassa-pss-SHA512", FAMILY_RSA, CRYPTO_HASH_SHA512,
     DER_OF(pss_512)},
    {CRYPTO_ALG_ECDSA_SHA256, "ecdsa-with-SHA256", FAMILY_EC, CRYPTO_HASH_SHA256,
     DER_OF(ecdsa_256)},
    {CRYPTO_ALG_ECDSA_SHA384, "ecdsa-with-SHA384", FAMILY_EC, CRYPTO_HASH_SHA384,
     DER_OF(ecdsa_384)},
    {CRYPTO_ALG_ECDSA_SHA512, "ecdsa-with-SHA512", FAMILY_EC, CRYPTO_HASH_SHA512,
     DER_OF(ecdsa_512)},
    {CRYPTO_ALG_ED25519, "Ed25519", FAMILY_ED25519, CRYPTO_HASH_NONE, DER_OF(ed25519)},
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct key_row *key_row(enum crypto_key_type t)
{
    for (size_t i = 0; i < COUNT(key_rows); i++) {
        if (key_rows[i].type == t) {
            return &key_rows[i];
        }
    }
    return NULL;
}

static const struct alg_row *alg_row(enum crypto_alg a)
{
    for (size_t i = 0; i < COUNT(alg_rows); i++) {
        if (alg_rows[i].alg == a) {
            return &alg_rows[i];
        }
    }
    return NULL;
}

const char *crypto_key_type_name(enum crypto_key_type t)
{
    const struct key_row *row = key_row(t);
    return row == NULL ? "none" : row->name;
}

enum crypto_key_type crypto_key_type_from_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT(key_rows); i++) {
        if (strcmp(key_rows[i].name, name) == 0) {
            return key_rows[i].type;
        }
    }
    return CRYPTO_KEY_NONE;
}

const char *crypto_alg_name(enum crypto_alg a)
{
    const struct alg_row *row = alg_row(a);
    return row == NULL ? "none" : row->name;
}

enum crypto_alg crypto_alg_from_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < COUNT(alg_rows); i++) {
        if (strcmp(alg_rows[i].name, name) == 0) {
            return alg_rows[i].alg;
        }
    }
    return CRYPTO_ALG_NONE;
}

static enum family family_of(enum crypto_key_type t)
{
    const struct key_row *row = key_row(t);
    const struct alg_row *alg = row == NULL ? NULL : alg_row(row->alg);
    return alg == NULL ? FAMILY_NONE : alg->family;
}

bool crypto_alg_fits(enum crypto_alg a, enum crypto_key_type t)
{
    const struct alg_row *row = alg_row(a);
    return row != NULL && row->family == family_of(t);
}

enum crypto_alg crypto_alg_default(enum crypto_key_type t)
{
    const struct key_row *row = key_row(t);
    return row == NULL ? CRYPTO_ALG_NONE : row->alg;
}

enum crypto_hash crypto_alg_hash(enum crypto_alg a)
{
    const struct alg_row *row = alg_row(a);
    return row == NULL ? CRYPTO_HASH_NONE : row->hash;
}

struct slice crypto_alg_der(enum crypto_alg a)
{
    const struct alg_row *row = alg_row(a);
    return row == NULL ? slice_of(NULL, 0) : slice_of(row->der, row->der_len);
}

enum crypto_alg crypto_alg_from_der(struct slice der)
{
    for (size_t i = 0; i < COUNT(alg_rows); i++) {
        if (slice_eq(der, slice_of(alg_rows[i].der, alg_rows[i].der_len))) {
            return alg_rows[i].alg;
        }
    }
    return CRYPTO_ALG_NONE;
}
