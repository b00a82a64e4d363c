/* Keys, signatures and requests for the tests of lib/x509: made by OpenSSL, or built piece by piece
 * where a test wants one piece to be wrong. Failures end the test. */
#ifndef CHANCERY_TEST_X509_SAMPLES_H
#define CHANCERY_TEST_X509_SAMPLES_H

#include "cm.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "x509/x509.h"

/* All key types, smallest RSA first. samples_key makes a key (RSA-1024 for CRYPTO_KEY_RSA_OTHER).
 */
extern const enum crypto_key_type samples_types[];
extern const size_t samples_n_types;
EVP_PKEY *samples_key(enum crypto_key_type t);

/* samples_spki appends the key's SubjectPublicKeyInfo. samples_sign appends a signature over
 * `message`. */
void samples_spki(EVP_PKEY *key, struct buf *out);
void samples_sign(EVP_PKEY *key, enum crypto_alg alg, struct slice message, struct buf *out);

/* A request in pieces; empty ones get a sound default. */
struct samples_csr {
    struct slice version;    /* whole INTEGER */
    struct slice subject;    /* whole Name */
    struct slice spki;       /* whole SubjectPublicKeyInfo */
    struct slice attributes; /* content of the SET */
    struct slice san;        /* GeneralNames content: makes the attributes */
    struct slice alg;        /* whole AlgorithmIdentifier */
};
/* samples_csr_write appends the request; its signature is no signature (the reader does not
 * verify). */
void samples_csr_write(const struct samples_csr *c, struct buf *out);

/* samples_name appends a Name of one attribute with that string tag. */
void samples_name(struct slice oid, uint8_t tag, struct slice value, struct buf *out);

/* samples_tlv appends tag, length, content. */
void samples_tlv(uint8_t tag, struct slice content, struct buf *out);

/* samples_random: deterministic numbers; the seed is printed by the test that fails. */
uint32_t samples_random(uint64_t *seed);

#define SAMPLES_BYTES(...)                                                                         \
    slice_of((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

#endif
