/* Who holds a certificate (SPIFFE X.509-SVID: exactly one URI SAN), who may call, who is denied. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "log/log.h"
#include "os/os.h"
#include "rpc_int.h"

#define DENY_FILE_MAX                                                                              \
    ((size_t)4 << 20)      /* 60,000 lines: every identity ever issued by a large site */
#define DENY_CHECK_MS 1000 /* how often the file's time is looked at */

/* SPIFFE X.509-SVID 2: exactly one URI SAN; a certificate with several is no identity. */
static void read_uri(const GENERAL_NAMES *names, char *out)
{
    out[0] = '\0';
    int seen = 0;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type != GEN_URI) {
            continue;
        }
        const ASN1_IA5STRING *uri = name->d.uniformResourceIdentifier;
        int len = ASN1_STRING_length(uri);
        const unsigned char *text = ASN1_STRING_get0_data(uri);
        if (++seen > 1 || len <= 0 || len >= RPC_URI_MAX || memchr(text, 0, (size_t)len) != NULL) {
            out[0] = '\0';
            return;
        }
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    }
}

static bool sha256(const void *p, size_t len, uint8_t out[32])
{
    return EVP_Digest(p, len, out, NULL, EVP_sha256(), NULL) == 1;
}

static bool read_hashes(X509 *cert, struct rpc_identity *out)
{
    unsigned char *der = NULL;
    int len = i2d_X509(cert, &der);
    bool ok = len > 0 && sha256(der, (size_t)len, out->cert_sha256);
    OPENSSL_free(der);
    der = NULL;
    len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    ok = ok && len > 0 && sha256(der, (size_t)len, out->spki_sha256);
    OPENSSL_free(der);
    struct tm tm;
    if (!ok || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1) {
        return false;
    }
    out->not_after_s = timegm(&tm);
    return true;
}

enum chancery_err rpc_identity_read(struct slice pem, struct rpc_identity *out, struct diag *diag)
{
    BIO *bio = pem.len > INT32_MAX ? NULL : BIO_new_mem_buf(pem.ptr, (int)pem.len);
    X509 *cert = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    struct rpc_identity id = {0};
    bool ok = cert != NULL && read_hashes(cert, &id);
    if (ok) {
        GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
        read_uri(names, id.uri);
        GENERAL_NAMES_free(names);
    }
    X509_free(cert);
    ERR_clear_error();
    if (!ok) {
        return diag_set(diag, CH_MALFORMED, "certificate", "identity.pem",
                        "the peer's certificate cannot be read");
    }
    *out = id;
    return CH_OK;
}

bool rpc_uri_in_domain(const char *uri, const char *trust_domain)
{
    static const char scheme[] = "spiffe://";
    size_t len = strlen(trust_domain);
    return strncmp(uri, scheme, sizeof scheme - 1) == 0 &&
           strncmp(uri + sizeof scheme - 1, trust_domain, len) == 0 &&
           uri[sizeof scheme - 1 + len] == '/' && uri[sizeof scheme + len] != '\0';
}

bool rpc_uri_matches(const char *uri, const char *trust_domain, const char *pattern)
{
    if (!rpc_uri_in_domain(uri, trust_domain)) {
        return false;
    }
    const char *text = uri;
    if (pattern[0] == '/') {
        text = uri + strlen("spiffe://") + strlen(trust_domain);
    }
    size_t len = strlen(pattern);
    if (len > 0 && pattern[len - 1] == '*') {
        return strncmp(text, pattern, len - 1) == 0;
    }
    return strcmp(text, pattern) == 0;
}

/* ---- deny list ---- */

struct rpc_deny {
    pthread_mutex_t lock;
    char *path;
    uint8_t (*hashes)[32]; /* sorted */
    size_t n;
    int64_t next_check_ms;
    struct timespec mtime;
    off_t size;
    ino_t inode;
};

static int hash_cmp(const void *a, const void *b)
{
    return memcmp(a, b, 32);
}

/* One hash per line; "#" begins a comment line. A line that does not parse refuses the whole file:
 * the list in force stays. */
static bool deny_parse(struct slice text, uint8_t (**out)[32], size_t *out_n)
{
    size_t cap = text.len / 64 + 1, n = 0;
    uint8_t(*list)[32] = calloc(cap, sizeof *list);
    if (list == NULL) {
        return false;
    }
    while (text.len > 0) {
        const uint8_t *nl = memchr(text.ptr, '\n', text.len);
        size_t len = nl == NULL ? text.len : (size_t)(nl - text.ptr);
        struct slice line = slice_of(text.ptr, len);
        size_t got = 0;
        if (len > 0 && line.ptr[0] != '#' &&
            (hex_decode(line, list[n], 32, &got) != CH_OK || got != 32)) {
            free(list);
            return false;
        }
        n += got == 32 ? 1 : 0;
        text = slice_sub(text, len + 1, SIZE_MAX);
    }
    qsort(list, n, sizeof *list, hash_cmp);
    *out = list;
    *out_n = n;
    return true;
}

/* Lock held. */
static void deny_refresh(struct rpc_deny *d)
{
    int64_t now = os_mono_ms();
    if (d->path == NULL || now < d->next_check_ms) {
        return;
    }
    d->next_check_ms = now + DENY_CHECK_MS;
    struct stat st;
    if (stat(d->path, &st) != 0) {
        d->n = 0;
        d->inode = 0;
        return;
    }
    if (st.st_ino == d->inode && st.st_size == d->size && st.st_mtim.tv_sec == d->mtime.tv_sec &&
        st.st_mtim.tv_nsec == d->mtime.tv_nsec) {
        return;
    }
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, DENY_FILE_MAX);
    uint8_t(*list)[32] = NULL;
    size_t n = 0;
    if (os_file_read(d->path, &text, NULL) != CH_OK || !deny_parse(buf_slice(&text), &list, &n)) {
        log_event(LOG_LEVEL_ERROR, "rpc.deny_list.unreadable", LOG_STR("path", d->path));
    } else {
        free(d->hashes);
        d->hashes = list;
        d->n = n;
    }
    d->inode = st.st_ino;
    d->size = st.st_size;
    d->mtime = st.st_mtim;
}

struct rpc_deny *rpc_deny_new(const char *path)
{
    struct rpc_deny *d = calloc(1, sizeof *d);
    if (d == NULL) {
        return NULL;
    }
    pthread_mutex_init(&d->lock, NULL);
    d->path = path == NULL ? NULL : strdup(path);
    if (path != NULL && d->path == NULL) {
        rpc_deny_free(d);
        return NULL;
    }
    return d;
}

bool rpc_deny_has(struct rpc_deny *d, const uint8_t spki_sha256[32])
{
    if (d->path == NULL) {
        return false;
    }
    pthread_mutex_lock(&d->lock);
    deny_refresh(d);
    bool found = d->n > 0 && bsearch(spki_sha256, d->hashes, d->n, 32, hash_cmp) != NULL;
    pthread_mutex_unlock(&d->lock);
    return found;
}

void rpc_deny_free(struct rpc_deny *d)
{
    if (d == NULL) {
        return;
    }
    pthread_mutex_destroy(&d->lock);
    free(d->path);
    free(d->hashes);
    free(d);
}
