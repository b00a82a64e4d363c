/* RSA public keys: soundness of modulus and exponent, and the OpenSSL key made from them. */
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/public_int.h"

#define RSA_BITS_MIN 512    /* readable, so that policy can refuse it by name; below is not RSA */
#define RSA_BITS_MAX 16384  /* OpenSSL's own limit for verification */
#define RSA_E_BITS_MAX 256  /* FIPS 186-5 A.1.1: 2^16 < e < 2^256 */
#define SMALL_PRIME_MAX 752 /* CA/Browser Forum BR 6.1.6: no factor smaller than 752 */

unsigned crypto_bit_length(struct slice s)
{
    while (s.len > 0 && s.ptr[0] == 0) {
        s = slice_of(s.ptr + 1, s.len - 1);
    }
    if (s.len == 0) {
        return 0;
    }
    unsigned bits = (unsigned)(s.len - 1) * 8;
    for (unsigned v = s.ptr[0]; v > 0; v >>= 1) {
        bits++;
    }
    return bits;
}

static uint32_t modulo(struct slice n, uint32_t m)
{
    uint64_t rest = 0;
    size_t i = 0;
    for (; i < n.len % 4; i++) {
        rest = (rest << 8 | n.ptr[i]) % m;
    }
    for (; i < n.len; i += 4) {
        uint32_t word = (uint32_t)n.ptr[i] << 24 | (uint32_t)n.ptr[i + 1] << 16 |
                        (uint32_t)n.ptr[i + 2] << 8 | n.ptr[i + 3];
        rest = (rest << 32 | word) % m;
    }
    return (uint32_t)rest;
}

static bool is_prime(uint32_t v)
{
    for (uint32_t d = 3; d * d <= v; d += 2) {
        if (v % d == 0) {
            return false;
        }
    }
    return v > 2;
}

/* The smallest odd prime below SMALL_PRIME_MAX that divides n, 0 when none does. Primes are
 * multiplied together while they fit 32 bits: one long division serves several of them. */
static uint32_t small_factor(struct slice n)
{
    uint32_t group[16];
    size_t count = 0;
    uint64_t product = 1;
    for (uint32_t p = 3; p < SMALL_PRIME_MAX; p += 2) {
        if (!is_prime(p)) {
            continue;
        }
        if (product * p > UINT32_MAX) {
            uint32_t rest = modulo(n, (uint32_t)product);
            for (size_t i = 0; i < count; i++) {
                if (rest % group[i] == 0) {
                    return group[i];
                }
            }
            product = 1;
            count = 0;
        }
        product *= p;
        group[count++] = p;
    }
    uint32_t rest = modulo(n, (uint32_t)product);
    for (size_t i = 0; i < count; i++) {
        if (rest % group[i] == 0) {
            return group[i];
        }
    }
    return 0;
}

enum chancery_err crypto_rsa_check(struct slice n, struct slice e, struct diag *diag)
{
    unsigned bits = crypto_bit_length(n);
    if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX) {
        return diag_set(diag, CH_INVALID, "spki.modulus", "rsa.modulus.size",
                        "the RSA modulus has %u bits; %d to %d can be read", bits, RSA_BITS_MIN,
                        RSA_BITS_MAX);
    }
    if ((n.ptr[n.len - 1] & 1) == 0) {
        return diag_set(diag, CH_INVALID, "spki.modulus", "rsa.modulus.even",
                        "the RSA modulus is even: it is no product of two large primes");
    }
    unsigned e_bits = crypto_bit_length(e);
    if (e_bits < 2 || (e.ptr[e.len - 1] & 1) == 0) {
        /* RFC 8017 3.1: e is odd (coprime to an even number) and at least 3. */
        diag_set(diag, CH_INVALID, "spki.exponent",
                 e_bits < 2 ? "rsa.exponent.small" : "rsa.exponent.even",
                 "the RSA public exponent must be odd and at least 3");
        return diag_ref(diag, CH_INVALID, "RFC 8017 3.1");
    }
    if (e_bits > RSA_E_BITS_MAX) {
        diag_set(diag, CH_INVALID, "spki.exponent", "rsa.exponent.large",
                 "the RSA public exponent has %u bits; at most %d are allowed", e_bits,
                 RSA_E_BITS_MAX);
        return diag_ref(diag, CH_INVALID, "FIPS 186-5 A.1.1");
    }
    uint32_t factor = small_factor(n);
    if (factor != 0) {
        return diag_set(diag, CH_INVALID, "spki.modulus", "rsa.modulus.small_factor",
                        "the RSA modulus is divisible by %u", factor);
    }
    return CH_OK;
}

/* OSSL_PARAM integers are in the machine's byte order. */
static void to_native(struct slice big_endian, uint8_t *out)
{
    const union {
        uint16_t word;
        uint8_t first;
    } order = {1};
    for (size_t i = 0; i < big_endian.len; i++) {
        out[order.first == 1 ? big_endian.len - 1 - i : i] = big_endian.ptr[i];
    }
}

enum chancery_err crypto_rsa_pkey(struct slice n, struct slice e, EVP_PKEY **out)
{
    uint8_t n_raw[RSA_BITS_MAX / 8], e_raw[RSA_E_BITS_MAX / 8];
    to_native(n, n_raw);
    to_native(e, e_raw);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, n_raw, n.len),
        OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e_raw, e.len),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    bool ok = ctx != NULL && EVP_PKEY_fromdata_init(ctx) == 1 &&
              EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok) {
        ERR_clear_error();
        EVP_PKEY_free(pkey);
        return CH_CRYPTO;
    }
    *out = pkey;
    return CH_OK;
}
