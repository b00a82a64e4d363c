/* An officer's own key, with OpenSSL. */
#include "officer.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <unistd.h>

#include "crypto/alg.h"

struct officer_key {
    EVP_PKEY *key;
    struct crypto_public *public;
};

static enum chancery_err failed(struct diag *diag, const char *path, const char *what)
{
    ERR_clear_error();
    return diag_set(diag, CH_INVALID, path, "officer.key", "%s", what);
}

void officer_key_free(struct officer_key *k)
{
    if (k != NULL) {
        EVP_PKEY_free(k->key);
        crypto_public_free(k->public);
        free(k);
    }
}

const struct crypto_public *officer_key_public(const struct officer_key *k)
{
    return k->public;
}

/* Takes `key`. */
static enum chancery_err take(EVP_PKEY *key, const char *path, struct officer_key **out,
                              struct diag *diag)
{
    struct officer_key *k = calloc(1, sizeof *k);
    uint8_t *der = NULL;
    if (k == NULL) {
        EVP_PKEY_free(key);
        return CH_NOMEM;
    }
    k->key = key;
    int n = i2d_PUBKEY(key, &der);
    enum chancery_err err =
        n <= 0 ? failed(diag, path, "the file's public key cannot be written")
               : crypto_public_from_spki(slice_of(der, (size_t)n), &k->public, diag);
    OPENSSL_free(der);
    if (err == CH_OK) {
        err = approval_key_ok(k->public, diag);
    }
    if (err != CH_OK) {
        officer_key_free(k);
        return err;
    }
    *out = k;
    return CH_OK;
}

enum chancery_err officer_key_open(const char *path, struct officer_key **out, struct diag *diag)
{
    BIO *file = BIO_new_file(path, "r");
    if (file == NULL) {
        ERR_clear_error();
        return diag_set(diag, CH_NOT_FOUND, path, "officer.key", "cannot read this file");
    }
    EVP_PKEY *key = PEM_read_bio_PrivateKey(file, NULL, NULL, NULL);
    BIO_free(file);
    return key == NULL ? failed(diag, path, "this file holds no private key (PEM) that opens")
                       : take(key, path, out, diag);
}

static EVP_PKEY *generate(const char *type)
{
    if (strcmp(type, "P-256") == 0 || strcmp(type, "P-384") == 0) {
        return EVP_EC_gen(type);
    }
    return strcmp(type, "Ed25519") == 0 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : NULL;
}

static enum chancery_err write_key(const char *path, EVP_PKEY *key, struct diag *diag)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        bool exists = errno == EEXIST;
        return diag_set(diag, exists ? CH_EXISTS : CH_IO, path, "officer.key",
                        exists ? "there is such a file; a key is never overwritten"
                               : "cannot make this file");
    }
    FILE *f = fdopen(fd, "w");
    if (f == NULL) {
        (void)close(fd);
        return CH_NOMEM;
    }
    bool ok = PEM_write_PKCS8PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1;
    ok = fflush(f) == 0 && fsync(fd) == 0 && ok;
    ok = fclose(f) == 0 && ok;
    ERR_clear_error();
    return ok ? CH_OK
              : diag_set(diag, CH_IO, path, "officer.key", "the key could not be written whole");
}

enum chancery_err officer_key_make(const char *path, const char *type, struct officer_key **out,
                                   struct diag *diag)
{
    EVP_PKEY *key = generate(type);
    if (key == NULL) {
        return failed(diag, "new", "a new key is P-256, P-384 or Ed25519");
    }
    enum chancery_err err = write_key(path, key, diag);
    if (err != CH_OK) {
        EVP_PKEY_free(key);
        return err;
    }
    return take(key, path, out, diag);
}

/* The digest of the key type's default algorithm (crypto_alg_default); Ed25519 has none. */
static const EVP_MD *digest_of(const struct crypto_public *key)
{
    switch (crypto_alg_default(crypto_public_type(key))) {
    case CRYPTO_ALG_RSA_SHA384:
    case CRYPTO_ALG_ECDSA_SHA384:
        return EVP_sha384();
    case CRYPTO_ALG_ED25519:
        return NULL;
    default:
        return EVP_sha256();
    }
}

enum chancery_err officer_sign(const struct officer_key *k, struct approval *a, struct buf *bytes,
                               struct buf *signature, struct diag *diag)
{
    uint8_t out[APPROVAL_SIGNATURE_MAX];
    size_t n = sizeof out;
    memcpy(a->approver, crypto_public_spki_sha256(k->public), sizeof a->approver);
    TRY(approval_write(a, bytes, diag));
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    bool ok = c != NULL && EVP_DigestSignInit(c, NULL, digest_of(k->public), NULL, k->key) == 1 &&
              EVP_DigestSign(c, out, &n, bytes->ptr, bytes->len) == 1;
    EVP_MD_CTX_free(c);
    if (!ok) {
        return failed(diag, "key", "the key did not sign");
    }
    TRY(buf_add(signature, slice_of(out, n)));
    return approval_check_signature(a, buf_slice(bytes), buf_slice(signature), k->public, diag);
}
