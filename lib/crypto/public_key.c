/* Public keys that can verify: a SubjectPublicKeyInfo (spki.c) and the OpenSSL key made from it.
 *
 * EC keys: a key with the curve's parameters is made once per curve; each public key copies it and
 * sets the encoded point, which OpenSSL checks to be on the curve. */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include "crypto/public_int.h"

static const struct {
    enum crypto_key_type type;
    const char *group;
} curves[] = {{CRYPTO_KEY_P256, "P-256"}, {CRYPTO_KEY_P384, "P-384"}, {CRYPTO_KEY_P521, "P-521"}};
#define N_CURVES (sizeof curves / sizeof curves[0])

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

static enum chancery_err ec_key(enum crypto_key_type type, struct slice point, EVP_PKEY **out,
                                struct diag *diag)
{
    size_t curve = 0;
    while (curve < N_CURVES - 1 && curves[curve].type != type) {
        curve++;
    }
    pthread_once(&templates_once, make_templates);
    EVP_PKEY *pkey = EVP_PKEY_new();
    bool copied = pkey != NULL && EVP_PKEY_copy_parameters(pkey, templates[curve]) == 1;
    if (!copied || EVP_PKEY_set1_encoded_public_key(pkey, point.ptr, point.len) != 1) {
        ERR_clear_error();
        EVP_PKEY_free(pkey);
        return copied ? crypto_point_off_curve(type, diag)
                      : diag_set(diag, CH_NOMEM, "spki", "crypto.memory", "out of memory");
    }
    *out = pkey;
    return CH_OK;
}

static enum chancery_err make_key(struct crypto_public *k, const struct crypto_key_facts *f,
                                  struct diag *diag)
{
    if (f->type == CRYPTO_KEY_P256 || f->type == CRYPTO_KEY_P384 || f->type == CRYPTO_KEY_P521) {
        return ec_key(f->type, f->bits_content, &k->pkey, diag);
    }
    if (f->type == CRYPTO_KEY_ED25519) {
        k->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, "ED25519", NULL, f->bits_content.ptr,
                                                 f->bits_content.len);
        if (k->pkey == NULL) {
            ERR_clear_error();
            return diag_set(diag, CH_CRYPTO, "spki", "ed25519.point",
                            "OpenSSL refused the Ed25519 key");
        }
        return CH_OK;
    }
    enum chancery_err err = crypto_rsa_pkey(f->rsa_n, f->rsa_e, &k->pkey);
    return err == CH_OK ? err
                        : diag_set(diag, err, "spki.key", "rsa.key", "OpenSSL refused the RSA key");
}

enum chancery_err crypto_public_from_spki(struct slice spki, struct crypto_public **out,
                                          struct diag *diag)
{
    struct crypto_key_facts facts;
    struct crypto_public *k = calloc(1, sizeof *k + (spki.len > CRYPTO_SPKI_MAX ? 0 : spki.len));
    if (k == NULL) {
        return diag_set(diag, CH_NOMEM, "spki", "crypto.memory", "out of memory");
    }
    atomic_init(&k->refs, 1);
    if (spki.len > 0 && spki.len <= CRYPTO_SPKI_MAX) {
        memcpy(k->spki, spki.ptr, spki.len);
        k->spki_len = spki.len;
        spki = slice_of(k->spki, k->spki_len);
    }
    enum chancery_err err = crypto_spki_parse(spki, false, &facts, diag);
    err = err == CH_OK ? make_key(k, &facts, diag) : err;
    if (err != CH_OK) {
        crypto_public_free(k);
        return err;
    }
    k->type = facts.type;
    k->bits = facts.bits;
    k->rsa_n = facts.rsa_n;
    k->rsa_e = facts.rsa_e;
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
    struct crypto_key_facts facts;
    if (k->type == CRYPTO_KEY_P256 && k->fixed == NULL &&
        crypto_spki_parse(crypto_public_spki(k), false, &facts, NULL) == CH_OK) {
        k->fixed = crypto_fixed_new(facts.bits_content);
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
