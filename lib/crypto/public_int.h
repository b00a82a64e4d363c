/* Private to lib/crypto: OpenSSL objects fetched once, and the key's content. */
#ifndef CHANCERY_CRYPTO_PUBLIC_INT_H
#define CHANCERY_CRYPTO_PUBLIC_INT_H

#include <stdatomic.h>

#include <openssl/evp.h>

#include "crypto/alg.h"

struct crypto_public {
    atomic_uint refs;
    enum crypto_key_type type;
    unsigned bits;
    EVP_PKEY *pkey;
    struct crypto_fixed *fixed; /* P-256 after crypto_public_prepare; else NULL */
    struct slice rsa_n, rsa_e;  /* into spki */
    uint8_t spki_sha256[32];
    size_t spki_len;
    uint8_t spki[];
};

/* crypto_md is the digest fetched once per process; ends the process when OpenSSL has none (a
 * broken installation: nothing here can work). NULL for CRYPTO_HASH_NONE. */
const EVP_MD *crypto_md(enum crypto_hash h);

/* The largest RSA modulus with room for its headers. */
#define CRYPTO_SPKI_MAX 4096

/* crypto_spki_parse is crypto_spki_read; the point of an EC key is checked to be on its curve only
 * when asked (whoever makes an OpenSSL key of it has it checked there). */
enum chancery_err crypto_spki_parse(struct slice spki, bool check_point,
                                    struct crypto_key_facts *out, struct diag *diag) MUST_CHECK;
/* crypto_point_off_curve tells that refusal. */
enum chancery_err crypto_point_off_curve(enum crypto_key_type type, struct diag *diag) MUST_CHECK;

/* crypto_fixed_new makes the table of a P-256 point (uncompressed, known to be on the curve); NULL
 * without memory. crypto_fixed_valid: true says that the signature is valid, false says nothing. */
struct crypto_fixed *crypto_fixed_new(struct slice point);
void crypto_fixed_free(struct crypto_fixed *f);
bool crypto_fixed_valid(const struct crypto_fixed *f, struct slice digest, struct slice signature);

/* crypto_rsa_check judges modulus and exponent (unsigned octets). */
enum chancery_err crypto_rsa_check(struct slice n, struct slice e, struct diag *diag) MUST_CHECK;

/* crypto_rsa_pkey makes the OpenSSL key; CH_CRYPTO. */
enum chancery_err crypto_rsa_pkey(struct slice n, struct slice e, EVP_PKEY **out) MUST_CHECK;

/* crypto_bit_length of unsigned big-endian octets. */
unsigned crypto_bit_length(struct slice big_endian);

#endif
