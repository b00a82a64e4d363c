/* The infrastructure CA: its folder, its token. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <jansson.h>

#include "conf/conf.h"
#include "hsm/hsm.h"
#include "identity.h"
#include "os/os.h"
#include "text.h"

#define IDENTITY_KEY_URI "pkcs11:object=" IDENTITY_KEY_LABEL ";type=private"

struct identity_ca {
    struct conf_doc *doc;
    const char *trust_domain, *module, *token_uri, *pin_file; /* of doc */
    struct buf pem;
    X509 *cert;
    struct hsm_evp *key; /* NULL while locked */
};

enum chancery_err identity_openssl(struct diag *diag, const char *what)
{
    unsigned long code = ERR_get_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    ERR_clear_error();
    return diag_set(diag, CH_CRYPTO, "", "openssl", "%s: %s", what,
                    reason == NULL ? "refused by OpenSSL" : reason);
}

static enum chancery_err ca_read_cert(const char *dir, struct buf *pem, X509 **out,
                                      struct diag *diag)
{
    char *path = NULL;
    if (asprintf(&path, "%s/ca.pem", dir) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = os_file_read(path, pem, diag);
    if (err == CH_OK) {
        BIO *bio = BIO_new_mem_buf(pem->ptr, (int)pem->len);
        *out = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        err = *out == NULL ? identity_openssl(diag, path) : CH_OK;
    }
    free(path);
    return err;
}

static enum chancery_err ca_read_conf(const char *dir, struct identity_ca *ca, struct diag *diag)
{
    char *path = NULL;
    if (asprintf(&path, "%s/infrastructure.yaml", dir) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = conf_load(path, &ca->doc, diag);
    free(path);
    TRY(err);
    const struct conf_node *root = conf_root(ca->doc);
    TRY(conf_string(root, "trust_domain", CONF_REQUIRED, &ca->trust_domain, diag));
    TRY(conf_string(root, "module", CONF_REQUIRED, &ca->module, diag));
    TRY(conf_string(root, "token_uri", CONF_REQUIRED, &ca->token_uri, diag));
    TRY(conf_string(root, "pin_file", CONF_REQUIRED, &ca->pin_file, diag));
    return conf_finish(root, diag);
}

enum chancery_err identity_ca_open(const char *dir, struct identity_ca **out, struct diag *diag)
{
    struct identity_ca *ca = calloc(1, sizeof *ca);
    if (ca == NULL) {
        return CH_NOMEM;
    }
    buf_init(&ca->pem, IDENTITY_FILE_MAX);
    enum chancery_err err = ca_read_conf(dir, ca, diag);
    err = err == CH_OK ? ca_read_cert(dir, &ca->pem, &ca->cert, diag) : err;
    if (err != CH_OK) {
        identity_ca_free(ca);
        return err;
    }
    *out = ca;
    return CH_OK;
}

enum chancery_err identity_ca_unlock(struct identity_ca *ca, struct diag *diag)
{
    struct hsm_opts opts = {
        .module = ca->module, .token_uri = ca->token_uri, .pin_file = ca->pin_file, .pin_fd = -1};
    if (ca->key != NULL) {
        return CH_OK;
    }
    TRY(hsm_evp_open(&opts, IDENTITY_KEY_URI, &ca->key, diag));
    hsm_evp_enter(ca->key);
    bool same = X509_check_private_key(ca->cert, hsm_evp_pkey(ca->key)) == 1;
    hsm_evp_leave(ca->key);
    ERR_clear_error();
    if (!same) {
        identity_ca_lock(ca);
        return diag_set(diag, CH_INTEGRITY, "ca.pem", "identity.key",
                        "ca.pem and the key " IDENTITY_KEY_LABEL " of the token do not match");
    }
    return CH_OK;
}

void identity_ca_lock(struct identity_ca *ca)
{
    if (ca->key != NULL) {
        hsm_evp_close(ca->key);
        ca->key = NULL;
    }
}

void identity_ca_free(struct identity_ca *ca)
{
    if (ca == NULL) {
        return;
    }
    identity_ca_lock(ca);
    X509_free(ca->cert);
    buf_clear(&ca->pem);
    conf_free(ca->doc);
    free(ca);
}

const char *identity_ca_trust_domain(const struct identity_ca *ca)
{
    return ca->trust_domain;
}

X509 *identity_ca_cert(const struct identity_ca *ca)
{
    return ca->cert;
}

struct slice identity_ca_pem(const struct identity_ca *ca)
{
    return buf_slice(&ca->pem);
}

/* Signs through the fenced key. The signature is verified with the public key of `issuer`: OpenSSL
 * may fall back to software with an empty key when the token is gone. */
static enum chancery_err ca_sign(struct hsm_evp *key, X509 *issuer, X509 *cert, struct diag *diag)
{
    hsm_evp_enter(key);
    int signed_len = X509_sign(cert, hsm_evp_pkey(key), EVP_sha256());
    hsm_evp_leave(key);
    if (signed_len <= 0) {
        (void)identity_openssl(diag, "signing with the infrastructure CA's key");
        return CH_HSM;
    }
    if (X509_verify(cert, X509_get0_pubkey(issuer)) != 1) {
        (void)identity_openssl(diag, "verifying the new signature");
        return CH_INTEGRITY;
    }
    return CH_OK;
}

enum chancery_err identity_ca_sign(struct identity_ca *ca, X509 *cert, struct diag *diag)
{
    if (ca->key == NULL) {
        return diag_set(diag, CH_PRECONDITION, "", "identity.locked", "the CA's key is not open");
    }
    return ca_sign(ca->key, ca->cert, cert, diag);
}

/* ---- init ---- */

/* Finds the key or makes it. It is found when an earlier init ended before ca.pem was written. */
static enum chancery_err init_key(const struct hsm_opts *opts, struct diag *diag)
{
    struct hsm_token *token = NULL;
    struct hsm_key *key = NULL;
    struct diag missing = {0};
    TRY(hsm_open(opts, &token, diag));
    enum chancery_err err = hsm_key_open(token, IDENTITY_KEY_URI, &key, &missing);
    if (err == CH_NOT_FOUND) {
        err = hsm_key_generate(token, CRYPTO_KEY_P256, IDENTITY_KEY_LABEL, &key, diag);
    } else if (err != CH_OK && diag != NULL) {
        *diag = missing;
    }
    if (err == CH_OK && hsm_key_type(key) != CRYPTO_KEY_P256) {
        err = diag_set(diag, CH_INTEGRITY, "token", "identity.key",
                       "the key " IDENTITY_KEY_LABEL " is not a P-256 key");
    }
    hsm_close(token);
    return err;
}

/* One "key: value" line; a JSON string is a YAML double-quoted scalar. */
static enum chancery_err init_line(struct buf *b, const char *name, const char *value)
{
    json_t *v = json_string(value);
    char *text = v == NULL ? NULL : json_dumps(v, JSON_ENCODE_ANY);
    enum chancery_err err = text == NULL ? CH_INVALID : buf_printf(b, "%s: %s\n", name, text);
    free(text);
    json_decref(v);
    return err;
}

static enum chancery_err init_conf(const struct identity_init *o, struct buf *b, struct diag *diag)
{
    char *pin = realpath(o->pin_file, NULL);
    char *module = strchr(o->module, '/') == NULL ? strdup(o->module) : realpath(o->module, NULL);
    enum chancery_err err = CH_OK;
    if (pin == NULL || module == NULL) {
        err = diag_set(diag, CH_NOT_FOUND, pin == NULL ? o->pin_file : o->module, "identity.path",
                       "%s: %s", pin == NULL ? o->pin_file : o->module, strerror(errno));
    } else {
        err = buf_add_str(b, "# Written by chancery identity init. The PIN itself is not here.\n");
        err = err == CH_OK ? init_line(b, "trust_domain", o->trust_domain) : err;
        err = err == CH_OK ? init_line(b, "module", module) : err;
        err = err == CH_OK ? init_line(b, "token_uri", o->token_uri) : err;
        err = err == CH_OK ? init_line(b, "pin_file", pin) : err;
    }
    free(pin);
    free(module);
    return err;
}

static enum chancery_err init_write(const char *dir, const char *name, struct slice content,
                                    struct diag *diag)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", dir, name) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = os_file_write_atomic(path, content, 0644, diag);
    free(path);
    return err;
}

/* Signs the CA certificate with its own key and writes infrastructure.yaml, then ca.pem: ca.pem is
 * the sign that init is complete. */
static enum chancery_err init_cert(const struct identity_init *o, struct hsm_evp *key,
                                   struct buf *conf, struct diag *diag)
{
    X509 *cert = NULL;
    BIO *bio = NULL;
    const char *pem = NULL;
    enum chancery_err err =
        identity_cert_ca(o->trust_domain, hsm_evp_pkey(key), o->now_s, o->validity_s, &cert, diag);
    err = err == CH_OK ? ca_sign(key, cert, cert, diag) : err;
    if (err == CH_OK) {
        bio = BIO_new(BIO_s_mem());
        err = bio != NULL && PEM_write_bio_X509(bio, cert) == 1
                  ? CH_OK
                  : identity_openssl(diag, "writing ca.pem");
    }
    if (err == CH_OK) {
        long len = BIO_get_mem_data(bio, &pem);
        err = init_write(o->dir, "infrastructure.yaml", buf_slice(conf), diag);
        err = err == CH_OK ? init_write(o->dir, "ca.pem", slice_of(pem, (size_t)len), diag) : err;
    }
    BIO_free(bio);
    X509_free(cert);
    return err;
}

static enum chancery_err init_make(const struct identity_init *o, struct diag *diag)
{
    struct hsm_opts opts = {
        .module = o->module, .token_uri = o->token_uri, .pin_file = o->pin_file, .pin_fd = -1};
    struct hsm_evp *key = NULL;
    struct buf conf;
    TRY(init_key(&opts, diag));
    TRY(hsm_evp_open(&opts, IDENTITY_KEY_URI, &key, diag));
    buf_init(&conf, 16384);
    enum chancery_err err = init_conf(o, &conf, diag);
    err = err == CH_OK ? init_cert(o, key, &conf, diag) : err;
    buf_clear(&conf);
    hsm_evp_close(key);
    return err;
}

/* An earlier init is complete: check that it was for the same domain and that the token has the
 * key. */
static enum chancery_err init_check(const struct identity_init *o, struct diag *diag)
{
    struct identity_ca *ca = NULL;
    TRY(identity_ca_open(o->dir, &ca, diag));
    enum chancery_err err = CH_OK;
    if (strcmp(ca->trust_domain, o->trust_domain) != 0) {
        err = diag_set(diag, CH_EXISTS, "trust-domain", "identity.exists",
                       "%s already belongs to trust domain %s", o->dir, ca->trust_domain);
    }
    err = err == CH_OK ? identity_ca_unlock(ca, diag) : err;
    identity_ca_free(ca);
    return err;
}

enum chancery_err identity_init(const struct identity_init *o, bool *out_created, struct diag *diag)
{
    char *path = NULL;
    struct stat st;
    if (!text_name_ok(o->trust_domain, 200, ".-")) {
        return diag_set(diag, CH_INVALID, "trust-domain", "identity.trust_domain",
                        "a trust domain is a lower-case DNS name, not \"%s\"", o->trust_domain);
    }
    if (asprintf(&path, "%s/ca.pem", o->dir) < 0) {
        return CH_NOMEM;
    }
    bool exists = stat(path, &st) == 0;
    free(path);
    if (exists) {
        TRY(init_check(o, diag));
    } else {
        if (os_mkdirs(o->dir, 0755) != CH_OK) {
            return diag_set(diag, CH_IO, o->dir, "identity.dir", "cannot make %s: %s", o->dir,
                            strerror(errno));
        }
        TRY(init_make(o, diag));
    }
    *out_created = !exists;
    return CH_OK;
}
