/* Mutual TLS credentials whose files are re-read while the process runs.
 *
 * Server: libgrpc asks for a certificate at every handshake; the answer is "unchanged" until the
 * three files are new, readable and fit together (a half-written rotation keeps the old identity
 * and is tried again at the next handshake). The first call for each port must give a certificate,
 * so every port has state of its own. Client: libgrpc's file watcher reloads; a verifier demands
 * the peer's URI, which libgrpc's own name check never matches. */
#include <grpc/support/alloc.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log/log.h"
#include "os/os.h"
#include "rpc_int.h"

#define PEM_MAX ((size_t)256 << 10) /* a chain of five certificates is 10 KiB */
#define WATCH_S 1                   /* client file watcher's interval */

enum { FILE_CERT, FILE_KEY, FILE_CA, FILE_COUNT };
static const char *const file_names[FILE_COUNT] = {"cert.pem", "key.pem", "ca.pem"};

struct file_state {
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

static bool file_path(const char *dir, int which, char *out, size_t cap)
{
    int n = snprintf(out, cap, "%s/%s", dir, file_names[which]);
    return n > 0 && (size_t)n < cap;
}

struct identity_files {
    struct buf pem[FILE_COUNT]; /* NUL-terminated */
};

static void files_clear(struct identity_files *f)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        if (f->pem[i].ptr != NULL) {
            OPENSSL_cleanse(f->pem[i].ptr, f->pem[i].cap);
        }
        buf_clear(&f->pem[i]);
    }
}

static bool key_fits(const struct identity_files *f)
{
    BIO *bc = BIO_new_mem_buf(f->pem[FILE_CERT].ptr, -1);
    BIO *bk = BIO_new_mem_buf(f->pem[FILE_KEY].ptr, -1);
    BIO *ba = BIO_new_mem_buf(f->pem[FILE_CA].ptr, -1);
    X509 *cert = bc == NULL ? NULL : PEM_read_bio_X509(bc, NULL, NULL, NULL);
    EVP_PKEY *key = bk == NULL ? NULL : PEM_read_bio_PrivateKey(bk, NULL, NULL, NULL);
    X509 *ca = ba == NULL ? NULL : PEM_read_bio_X509(ba, NULL, NULL, NULL);
    bool ok = cert != NULL && key != NULL && ca != NULL && X509_check_private_key(cert, key) == 1;
    BIO_free(bc);
    BIO_free(bk);
    BIO_free(ba);
    X509_free(cert);
    X509_free(ca);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return ok;
}

/* Reads the three files; false when one is missing or they do not form an identity. */
static enum chancery_err files_load(const char *dir, struct identity_files *f, struct diag *diag)
{
    for (int i = 0; i < FILE_COUNT; i++) {
        char path[4096];
        buf_init(&f->pem[i], PEM_MAX);
        if (!file_path(dir, i, path, sizeof path)) {
            return diag_set(diag, CH_LIMIT, "tls.dir", "tls.path", "the path is too long");
        }
        TRY(os_file_read(path, &f->pem[i], diag));
        TRY(buf_add_u8(&f->pem[i], 0));
    }
    if (!key_fits(f)) {
        return diag_set(diag, CH_INVALID, "tls.dir", "tls.identity",
                        "cert.pem, key.pem and ca.pem in %s do not form an identity", dir);
    }
    return CH_OK;
}

enum chancery_err rpc_tls_check(const struct rpc_tls *tls, struct diag *diag)
{
    CLEANUP(files_clear) struct identity_files f = {0};
    if (tls->dir == NULL) {
        return diag_set(diag, CH_INVALID, "tls.dir", "required", "the identity folder is required");
    }
    return files_load(tls->dir, &f, diag);
}

enum chancery_err rpc_tls_identity(const struct rpc_tls *tls, char *out_uri, size_t cap,
                                   struct diag *diag)
{
    CLEANUP(files_clear) struct identity_files f = {0};
    if (tls->dir == NULL) {
        return diag_set(diag, CH_INVALID, "tls.dir", "required", "the identity folder is required");
    }
    TRY(files_load(tls->dir, &f, diag));
    struct rpc_identity id;
    TRY(rpc_identity_read(slice_str((const char *)f.pem[FILE_CERT].ptr), &id, diag));
    if (strlen(id.uri) >= cap) {
        return diag_set(diag, CH_LIMIT, "tls.dir", "tls.uri", "the identity's URI is too long");
    }
    memcpy(out_uri, id.uri, strlen(id.uri) + 1);
    return CH_OK;
}

/* ---- server ---- */

struct rpc_tls_port {
    pthread_mutex_t lock; /* handshakes run on whichever thread polls */
    char *dir;
    struct file_state state[FILE_COUNT];
    bool loaded;
};

struct rpc_tls_port *rpc_tls_port_new(const char *dir)
{
    struct rpc_tls_port *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return NULL;
    }
    p->dir = strdup(dir);
    if (p->dir == NULL) {
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    return p;
}

void rpc_tls_port_free(struct rpc_tls_port *p)
{
    if (p != NULL) {
        pthread_mutex_destroy(&p->lock);
        free(p->dir);
        free(p);
    }
}

/* The files' present state; all zero where one is missing. */
static void port_stat(const struct rpc_tls_port *p, struct file_state out[FILE_COUNT])
{
    memset(out, 0, sizeof(struct file_state) * FILE_COUNT);
    for (int i = 0; i < FILE_COUNT; i++) {
        char path[4096];
        struct stat st;
        if (file_path(p->dir, i, path, sizeof path) && stat(path, &st) == 0) {
            out[i].mtime = st.st_mtim;
            out[i].size = st.st_size;
            out[i].inode = st.st_ino;
        }
    }
}

static grpc_ssl_certificate_config_reload_status
port_fetch(void *user, grpc_ssl_server_certificate_config **out)
{
    struct rpc_tls_port *p = user;
    struct file_state now[FILE_COUNT];
    pthread_mutex_lock(&p->lock);
    grpc_ssl_certificate_config_reload_status status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    port_stat(p, now);
    if (!p->loaded || memcmp(now, p->state, sizeof now) != 0) {
        CLEANUP(files_clear) struct identity_files f = {0};
        struct diag diag = {0};
        enum chancery_err err = files_load(p->dir, &f, &diag);
        if (err == CH_OK) {
            grpc_ssl_pem_key_cert_pair pair = {(const char *)f.pem[FILE_KEY].ptr,
                                               (const char *)f.pem[FILE_CERT].ptr};
            *out = grpc_ssl_server_certificate_config_create((const char *)f.pem[FILE_CA].ptr,
                                                             &pair, 1);
            memcpy(p->state, now, sizeof now);
            p->loaded = true;
            status = GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
        } else {
            log_diag(LOG_LEVEL_ERROR, "rpc.identity.not_reloaded", err, &diag);
            status = p->loaded ? GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED
                               : GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_FAIL;
        }
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

grpc_server_credentials *rpc_tls_server(struct rpc_tls_port *p)
{
    grpc_ssl_server_credentials_options *o =
        grpc_ssl_server_credentials_create_options_using_config_fetcher(
            GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY, port_fetch, p);
    return grpc_ssl_server_credentials_create_with_options(o);
}

/* ---- client ---- */

struct verifier {
    grpc_tls_certificate_verifier_external ext;
    struct rpc_deny *deny;
    char peer_uri[RPC_URI_MAX];
};

/* Answers a verification with a refusal; libgrpc frees the copied text. */
static int refuse(grpc_status_code *status, char **details, const char *text)
{
    size_t len = strlen(text) + 1;
    *details = gpr_malloc(len);
    memcpy(*details, text, len);
    *status = GRPC_STATUS_UNAUTHENTICATED;
    return 1;
}

/* Runs after libgrpc checked chain, validity and extended key usage. Answers at once: returns 1. */
static int verifier_verify(void *user, grpc_tls_custom_verification_check_request *request,
                           grpc_tls_on_custom_verification_check_done_cb done, void *done_arg,
                           grpc_status_code *status, char **details)
{
    (void)done;
    (void)done_arg;
    struct verifier *v = user;
    struct rpc_identity id;
    char text[2 * RPC_URI_MAX + 128];
    const char *pem = request->peer_info.peer_cert;
    if (pem == NULL || rpc_identity_read(slice_str(pem), &id, NULL) != CH_OK) {
        return refuse(status, details, "the server's certificate cannot be read");
    }
    if (strcmp(id.uri, v->peer_uri) != 0) {
        (void)snprintf(text, sizeof text, "SAN mismatch: the server is \"%s\", wanted \"%s\"",
                       id.uri, v->peer_uri);
        return refuse(status, details, text);
    }
    if (rpc_deny_has(v->deny, id.spki_sha256)) {
        (void)snprintf(text, sizeof text, "the key of %s is on the deny list", id.uri);
        return refuse(status, details, text);
    }
    *status = GRPC_STATUS_OK;
    return 1;
}

static void verifier_cancel(void *user, grpc_tls_custom_verification_check_request *request)
{
    (void)user;
    (void)request;
}

static void verifier_destruct(void *user)
{
    struct verifier *v = user;
    rpc_deny_free(v->deny);
    free(v);
}

static grpc_tls_certificate_verifier *verifier_new(const struct rpc_tls *tls, const char *peer_uri)
{
    struct verifier *v = calloc(1, sizeof *v);
    if (v == NULL) {
        return NULL;
    }
    v->deny = rpc_deny_new(tls->deny_file);
    if (v->deny == NULL) {
        free(v);
        return NULL;
    }
    (void)snprintf(v->peer_uri, sizeof v->peer_uri, "%s", peer_uri);
    v->ext.user_data = v;
    v->ext.verify = verifier_verify;
    v->ext.cancel = verifier_cancel;
    v->ext.destruct = verifier_destruct;
    return grpc_tls_certificate_verifier_external_create(&v->ext);
}

grpc_channel_credentials *rpc_tls_client(const struct rpc_tls *tls, const char *peer_uri)
{
    char path[FILE_COUNT][4096];
    for (int i = 0; i < FILE_COUNT; i++) {
        if (!file_path(tls->dir, i, path[i], sizeof path[i])) {
            return NULL;
        }
    }
    grpc_tls_certificate_verifier *verifier = verifier_new(tls, peer_uri);
    if (verifier == NULL) {
        return NULL;
    }
    grpc_tls_certificate_provider *provider = grpc_tls_certificate_provider_file_watcher_create(
        path[FILE_KEY], path[FILE_CERT], path[FILE_CA], WATCH_S);
    grpc_tls_credentials_options *o = grpc_tls_credentials_options_create();
    grpc_tls_credentials_options_set_certificate_provider(o, provider);
    grpc_tls_credentials_options_watch_root_certs(o);
    grpc_tls_credentials_options_watch_identity_key_cert_pairs(o);
    grpc_tls_credentials_options_set_certificate_verifier(o, verifier);
    grpc_tls_credentials_options_set_verify_server_cert(o, 1);
    grpc_tls_credentials_options_set_check_call_host(o, 0);
    grpc_channel_credentials *creds = grpc_tls_credentials_create(o);
    grpc_tls_certificate_verifier_release(verifier);
    grpc_tls_certificate_provider_release(provider);
    return creds;
}
