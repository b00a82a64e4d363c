/* The one table of algorithms, public keys, hashing and verification (OpenSSL underneath).
 *
 * A new algorithm is a row here and in hsm/'s mechanism table. struct crypto_public is immutable
 * and may be shared between threads. EC keys are built from the point directly: decoding a
 * SubjectPublicKeyInfo through OpenSSL's decoder costs ten times more (docs/BENCHMARKS.md). */
#ifndef CHANCERY_CRYPTO_ALG_H
#define CHANCERY_CRYPTO_ALG_H

#include "base/bytes.h"

enum crypto_key_type {
    CRYPTO_KEY_NONE = 0,
    CRYPTO_KEY_RSA_2048,
    CRYPTO_KEY_RSA_3072,
    CRYPTO_KEY_RSA_4096,
    CRYPTO_KEY_RSA_OTHER, /* other sizes: readable, for policy to judge; never generated */
    CRYPTO_KEY_P256,
    CRYPTO_KEY_P384,
    CRYPTO_KEY_P521,
    CRYPTO_KEY_ED25519,
};

enum crypto_alg {
    CRYPTO_ALG_NONE = 0,
    CRYPTO_ALG_RSA_SHA256, /* PKCS#1 v1.5 */
    CRYPTO_ALG_RSA_SHA384,
    CRYPTO_ALG_RSA_SHA512,
    CRYPTO_ALG_RSA_PSS_SHA256, /* salt length = hash length, MGF1 same hash */
    CRYPTO_ALG_RSA_PSS_SHA384,
    CRYPTO_ALG_RSA_PSS_SHA512,
    CRYPTO_ALG_ECDSA_SHA256,
    CRYPTO_ALG_ECDSA_SHA384,
    CRYPTO_ALG_ECDSA_SHA512,
    CRYPTO_ALG_ED25519,
};

enum crypto_hash {
    CRYPTO_HASH_NONE = 0,
    CRYPTO_HASH_SHA1,
    CRYPTO_HASH_SHA256,
    CRYPTO_HASH_SHA384,
    CRYPTO_HASH_SHA512
};

/* crypto_key_type_name: "P-256", "RSA-3072", "Ed25519"; crypto_key_type_from_name the reverse
 * (NONE). */
const char *crypto_key_type_name(enum crypto_key_type t);
enum crypto_key_type crypto_key_type_from_name(const char *name);

/* crypto_alg_name: "ecdsa-with-SHA256" ...; crypto_alg_from_name the reverse. */
const char *crypto_alg_name(enum crypto_alg a);
enum crypto_alg crypto_alg_from_name(const char *name);

/* crypto_alg_fits says whether keys of type `t` sign with `a`. */
bool crypto_alg_fits(enum crypto_alg a, enum crypto_key_type t);

/* crypto_alg_default is the algorithm issuers with that key use: P-256 SHA-256, P-384 SHA-384 ...
 */
enum crypto_alg crypto_alg_default(enum crypto_key_type t);

/* crypto_alg_hash is the digest to sign (NONE for Ed25519: whole message). */
enum crypto_hash crypto_alg_hash(enum crypto_alg a);

/* crypto_alg_der is the complete AlgorithmIdentifier DER; crypto_alg_from_der accepts exactly those
 * bytes (RSA with NULL parameters only, as RFC 4055 5 demands of writers; also absent is refused).
 */
struct slice crypto_alg_der(enum crypto_alg a);
enum crypto_alg crypto_alg_from_der(struct slice der);

size_t crypto_hash_size(enum crypto_hash h);
#define CRYPTO_HASH_MAX 64

/* crypto_digest hashes `data` into `out` (crypto_hash_size bytes). Cannot fail for known hashes. */
void crypto_digest(enum crypto_hash h, struct slice data, uint8_t *out);
void crypto_sha256(struct slice data, uint8_t out[32]);

/* Streaming SHA-2. */
struct crypto_hasher;
struct crypto_hasher *crypto_hasher_new(enum crypto_hash h);
void crypto_hasher_update(struct crypto_hasher *c, struct slice data);
void crypto_hasher_final(struct crypto_hasher *c, uint8_t *out); /* may be called once */
void crypto_hasher_free(struct crypto_hasher *c);

/* ---- public keys ---- */

/* What a SubjectPublicKeyInfo says. Slices point into it. */
struct crypto_key_facts {
    enum crypto_key_type type;
    unsigned bits;
    struct slice bits_content; /* content of the BIT STRING after its unused-bits octet */
    struct slice rsa_n, rsa_e; /* unsigned octets without leading zeros; empty unless RSA */
};
/* crypto_spki_read reads and judges a SubjectPublicKeyInfo as crypto_public_from_spki does, without
 * making a key that could verify: several times cheaper. */
enum chancery_err crypto_spki_read(struct slice spki, struct crypto_key_facts *out,
                                   struct diag *diag) MUST_CHECK;

struct crypto_public; /* reference counted */

/* crypto_public_from_spki reads a SubjectPublicKeyInfo strictly (DER, known algorithm and curve,
 * named curve, uncompressed point on the curve; RSA: positive odd modulus 512..16384 bits, odd
 * exponent > 1). CH_MALFORMED, CH_UNSUPPORTED, CH_INVALID with rule ids "spki.*", "rsa.*", "ec.*".
 */
enum chancery_err crypto_public_from_spki(struct slice spki, struct crypto_public **out,
                                          struct diag *diag) MUST_CHECK;
/* crypto_public_from_certificate reads the key of one X.509 certificate (DER, nothing trailing) and
 * judges the key as crypto_public_from_spki does. For anchors that were pinned: nothing else of the
 * certificate is judged. CH_MALFORMED "certificate.form". */
enum chancery_err crypto_public_from_certificate(struct slice der, struct crypto_public **out,
                                                 struct diag *diag) MUST_CHECK;
/* crypto_public_prepare is for a key that will verify many signatures: 150 KiB of tables make it
 * faster (P-256; others stay as they are). Before other threads see the key. */
void crypto_public_prepare(struct crypto_public *k);
struct crypto_public *crypto_public_ref(const struct crypto_public *k);
void crypto_public_free(struct crypto_public *k);
enum crypto_key_type crypto_public_type(const struct crypto_public *k);
unsigned crypto_public_bits(const struct crypto_public *k);     /* modulus or field size */
struct slice crypto_public_spki(const struct crypto_public *k); /* canonical DER, owned by k */
const uint8_t *crypto_public_spki_sha256(const struct crypto_public *k);
struct slice crypto_public_rsa_n(const struct crypto_public *k); /* big endian, empty if not RSA */
struct slice crypto_public_rsa_e(const struct crypto_public *k);
void *crypto_public_evp(const struct crypto_public *k); /* EVP_PKEY *, borrowed */

/* crypto_verify_digest checks a signature over a digest (Ed25519: over the message). *out_valid is
 * set false first; CH_OK with false = wrong signature. */
enum chancery_err crypto_verify_digest(const struct crypto_public *k, enum crypto_alg a,
                                       struct slice digest, struct slice signature, bool *out_valid,
                                       struct diag *diag) MUST_CHECK;
enum chancery_err crypto_verify(const struct crypto_public *k, enum crypto_alg a,
                                struct slice message, struct slice signature, bool *out_valid,
                                struct diag *diag) MUST_CHECK;

/* crypto_ecdsa_raw_to_der turns PKCS#11's r||s into DER. */
enum chancery_err crypto_ecdsa_raw_to_der(struct slice raw, struct buf *out) MUST_CHECK;

#endif
