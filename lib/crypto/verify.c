/* Signature verification. Any answer but a clear "valid" is "not valid"; the verdict starts as
 * false. */
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "crypto/public_int.h"
#include "der/der.h"

static bool is_pss(enum crypto_alg a)
{
    return a == CRYPTO_ALG_RSA_PSS_SHA256 || a == CRYPTO_ALG_RSA_PSS_SHA384 ||
           a == CRYPTO_ALG_RSA_PSS_SHA512;
}

static bool is_rsa(enum crypto_alg a)
{
    return is_pss(a) || a == CRYPTO_ALG_RSA_SHA256 || a == CRYPTO_ALG_RSA_SHA384 ||
           a == CRYPTO_ALG_RSA_SHA512;
}

static bool set_rsa(EVP_PKEY_CTX *ctx, enum crypto_alg a, const EVP_MD *md)
{
    if (EVP_PKEY_CTX_set_rsa_padding(ctx, is_pss(a) ? RSA_PKCS1_PSS_PADDING : RSA_PKCS1_PADDING) !=
            1 ||
        EVP_PKEY_CTX_set_signature_md(ctx, md) != 1) {
        return false;
    }
    return !is_pss(a) || (EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1 &&
                          EVP_PKEY_CTX_set_rsa_mgf1_md(ctx, md) == 1);
}

static enum chancery_err verify_ed25519(const struct crypto_public *k, struct slice message,
                                        struct slice signature, bool *out_valid)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = CH_CRYPTO;
    if (EVP_DigestVerifyInit_ex(ctx, NULL, NULL, NULL, NULL, k->pkey, NULL) == 1) {
        *out_valid =
            EVP_DigestVerify(ctx, signature.ptr, signature.len, message.ptr, message.len) == 1;
        err = CH_OK;
    }
    EVP_MD_CTX_free(ctx);
    return err;
}

static enum chancery_err verify_digest(const struct crypto_public *k, enum crypto_alg a,
                                       struct slice digest, struct slice signature, bool *out_valid)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, k->pkey, NULL);
    if (ctx == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = CH_CRYPTO;
    if (EVP_PKEY_verify_init(ctx) == 1 &&
        (!is_rsa(a) || set_rsa(ctx, a, crypto_md(crypto_alg_hash(a))))) {
        *out_valid =
            EVP_PKEY_verify(ctx, signature.ptr, signature.len, digest.ptr, digest.len) == 1;
        err = CH_OK;
    }
    EVP_PKEY_CTX_free(ctx);
    return err;
}

enum chancery_err crypto_verify_digest(const struct crypto_public *k, enum crypto_alg a,
                                       struct slice digest, struct slice signature, bool *out_valid,
                                       struct diag *diag)
{
    *out_valid = false;
    if (!crypto_alg_fits(a, k->type)) {
        return diag_set(diag, CH_INVALID, "signature.algorithm", "signature.algorithm",
                        "a %s key does not sign with %s", crypto_key_type_name(k->type),
                        crypto_alg_name(a));
    }
    if (a != CRYPTO_ALG_ED25519 && digest.len != crypto_hash_size(crypto_alg_hash(a))) {
        return diag_set(diag, CH_INVALID, "signature.digest", "signature.digest",
                        "the digest has %zu octets", digest.len);
    }
    if (signature.len == 0) {
        return CH_OK;
    }
    if (k->fixed != NULL && crypto_fixed_valid(k->fixed, digest, signature)) {
        *out_valid = true;
        return CH_OK;
    }
    enum chancery_err err = a == CRYPTO_ALG_ED25519
                                ? verify_ed25519(k, digest, signature, out_valid)
                                : verify_digest(k, a, digest, signature, out_valid);
    if (err != CH_OK || !*out_valid) {
        ERR_clear_error();
    }
    return err == CH_OK ? err
                        : diag_set(diag, err, "signature", "crypto.verify",
                                   "OpenSSL could not set up the verification");
}

enum chancery_err crypto_verify(const struct crypto_public *k, enum crypto_alg a,
                                struct slice message, struct slice signature, bool *out_valid,
                                struct diag *diag)
{
    *out_valid = false;
    enum crypto_hash h = crypto_alg_hash(a);
    if (h == CRYPTO_HASH_NONE) {
        return crypto_verify_digest(k, a, message, signature, out_valid, diag);
    }
    uint8_t digest[CRYPTO_HASH_MAX];
    crypto_digest(h, message, digest);
    return crypto_verify_digest(k, a, slice_of(digest, crypto_hash_size(h)), signature, out_valid,
                                diag);
}

static bool all_zero(struct slice s)
{
    uint8_t any = 0;
    for (size_t i = 0; i < s.len; i++) {
        any |= s.ptr[i];
    }
    return any == 0;
}

enum chancery_err crypto_ecdsa_raw_to_der(struct slice raw, struct buf *out)
{
    struct slice r = slice_sub(raw, 0, raw.len / 2), s = slice_sub(raw, raw.len / 2, raw.len);
    /* PKCS#11 2.40 2.3.1: two halves of the order's length; r and s are never zero. */
    if (raw.len % 2 != 0 || raw.len == 0 || all_zero(r) || all_zero(s)) {
        return CH_INVALID;
    }
    size_t start = out->len, mark;
    enum chancery_err err = der_open(out, DER_SEQUENCE, &mark);
    if (err == CH_OK) {
        err = der_put_unsigned(out, r);
    }
    if (err == CH_OK) {
        err = der_put_unsigned(out, s);
    }
    if (err == CH_OK) {
        err = der_close(out, mark);
    }
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}
