/* SHA-1 (identifiers only) and SHA-2. Digests are fetched from OpenSSL once: a fetch per call costs
 * more than hashing a certificate. Thread-safe. */
#include <pthread.h>
#include <stdlib.h>

#include <openssl/err.h>

#include "crypto/public_int.h"

struct hash_row {
    enum crypto_hash hash;
    const char *name;
    size_t size;
};
static const struct hash_row hash_rows[] = {
    {CRYPTO_HASH_NONE, NULL, 0},        {CRYPTO_HASH_SHA1, "SHA1", 20},
    {CRYPTO_HASH_SHA256, "SHA256", 32}, {CRYPTO_HASH_SHA384, "SHA384", 48},
    {CRYPTO_HASH_SHA512, "SHA512", 64},
};
#define HASH_ROWS (sizeof hash_rows / sizeof hash_rows[0])

static EVP_MD *fetched[HASH_ROWS];
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;

static void fetch_all(void)
{
    for (size_t i = 1; i < HASH_ROWS; i++) {
        fetched[i] = EVP_MD_fetch(NULL, hash_rows[i].name, NULL);
        if (fetched[i] == NULL) {
            abort();
        }
    }
}

const EVP_MD *crypto_md(enum crypto_hash h)
{
    if (h == CRYPTO_HASH_NONE || (size_t)h >= HASH_ROWS) {
        return NULL;
    }
    pthread_once(&fetch_once, fetch_all);
    return fetched[h];
}

size_t crypto_hash_size(enum crypto_hash h)
{
    return (size_t)h < HASH_ROWS ? hash_rows[h].size : 0;
}

/* One context per thread: making one costs more than hashing a name. */
static pthread_key_t context_key;
static pthread_once_t context_once = PTHREAD_ONCE_INIT;
static _Thread_local EVP_MD_CTX *context;

static void free_context(void *ctx)
{
    EVP_MD_CTX_free(ctx);
    context = NULL;
}

static void make_context_key(void)
{
    if (pthread_key_create(&context_key, free_context) != 0) {
        abort();
    }
}

static EVP_MD_CTX *own_context(void)
{
    if (context == NULL) {
        pthread_once(&context_once, make_context_key);
        context = EVP_MD_CTX_new();
        if (context == NULL || pthread_setspecific(context_key, context) != 0) {
            abort();
        }
    }
    return context;
}

void crypto_digest(enum crypto_hash h, struct slice data, uint8_t *out)
{
    /* Only memory exhaustion or an unknown hash (a bug) can fail; neither leaves a digest to
     * return. */
    EVP_MD_CTX *ctx = own_context();
    if (EVP_DigestInit_ex2(ctx, crypto_md(h), NULL) != 1 ||
        EVP_DigestUpdate(ctx, data.ptr, data.len) != 1 || EVP_DigestFinal_ex(ctx, out, NULL) != 1) {
        abort();
    }
}

void crypto_sha256(struct slice data, uint8_t out[32])
{
    crypto_digest(CRYPTO_HASH_SHA256, data, out);
}

struct crypto_hasher {
    EVP_MD_CTX *ctx;
};

struct crypto_hasher *crypto_hasher_new(enum crypto_hash h)
{
    struct crypto_hasher *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return NULL;
    }
    c->ctx = EVP_MD_CTX_new();
    if (c->ctx == NULL || crypto_md(h) == NULL ||
        EVP_DigestInit_ex2(c->ctx, crypto_md(h), NULL) != 1) {
        ERR_clear_error();
        crypto_hasher_free(c);
        return NULL;
    }
    return c;
}

void crypto_hasher_update(struct crypto_hasher *c, struct slice data)
{
    if (EVP_DigestUpdate(c->ctx, data.ptr, data.len) != 1) {
        abort();
    }
}

void crypto_hasher_final(struct crypto_hasher *c, uint8_t *out)
{
    if (EVP_DigestFinal_ex(c->ctx, out, NULL) != 1) {
        abort();
    }
}

void crypto_hasher_free(struct crypto_hasher *c)
{
    if (c != NULL) {
        EVP_MD_CTX_free(c->ctx);
        free(c);
    }
}
