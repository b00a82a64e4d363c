/* Issuing and renewing identities. */
#include "identity.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "os/os.h"

static struct slice bio_slice(BIO *bio)
{
    const char *p = NULL;
    long len = BIO_get_mem_data(bio, &p);
    return slice_of(p, len < 0 ? 0 : (size_t)len);
}

static enum chancery_err issue_write(struct identity_ca *ca, const char *dir, int64_t gid,
                                     X509 *cert, EVP_PKEY *key, uint64_t *out_version,
                                     struct diag *diag)
{
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_secmem()); /* wiped when freed */
    enum chancery_err err = CH_OK;
    if (cert_bio == NULL || key_bio == NULL || PEM_write_bio_X509(cert_bio, cert) != 1 ||
        PEM_write_bio_PKCS8PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
        err = identity_openssl(diag, "writing PEM");
    } else {
        err = identity_dir_write(dir, gid, bio_slice(cert_bio), bio_slice(key_bio),
                                 identity_ca_pem(ca), out_version, diag);
    }
    BIO_free(cert_bio);
    BIO_free(key_bio);
    return err;
}

enum chancery_err identity_issue(struct identity_ca *ca, const struct identity_names *names,
                                 const char *dir, int64_t gid, int64_t now_s, int64_t validity_s,
                                 uint64_t *out_version, struct diag *diag)
{
    X509 *cert = NULL;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    if (key == NULL) {
        return identity_openssl(diag, "making a P-256 key");
    }
    enum chancery_err err =
        identity_cert_leaf(identity_ca_cert(ca), names, key, now_s, validity_s, &cert, diag);
    err = err == CH_OK ? identity_ca_sign(ca, cert, diag) : err;
    err = err == CH_OK ? issue_write(ca, dir, gid, cert, key, out_version, diag) : err;
    X509_free(cert);
    EVP_PKEY_free(key);
    return err;
}

/* ---- renewal ---- */

/* Reads <dir>/current/cert.pem. CH_NOT_FOUND when it is no identity folder. */
static enum chancery_err renew_read(const char *dir, X509 **out, struct diag *diag)
{
    struct buf pem;
    char *path = NULL;
    if (asprintf(&path, "%s/current/cert.pem", dir) < 0) {
        return CH_NOMEM;
    }
    buf_init(&pem, IDENTITY_FILE_MAX);
    enum chancery_err err = os_file_read(path, &pem, diag);
    if (err == CH_OK) {
        BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
        *out = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
        BIO_free(bio);
        err = *out == NULL ? identity_openssl(diag, path) : CH_OK;
    }
    buf_clear(&pem);
    free(path);
    return err;
}

/* Renews one identity when it is due. *out_due_s: when it is due next. */
static enum chancery_err renew_one(struct identity_ca *ca, const char *dir, X509 *old, bool force,
                                   int64_t now_s, bool *out_renewed, int64_t *out_due_s,
                                   struct diag *diag)
{
    int64_t from_s = 0, to_s = 0;
    uint64_t version = 0;
    struct identity_names names = {0};
    /* Names come from a certificate this CA signed, or from nowhere. */
    if (X509_verify(old, X509_get0_pubkey(identity_ca_cert(ca))) != 1) {
        ERR_clear_error();
        return diag_set(diag, CH_INTEGRITY, dir, "identity.foreign",
                        "the certificate in %s was not issued by this CA", dir);
    }
    TRY(identity_cert_times(old, &from_s, &to_s));
    *out_due_s = from_s + (to_s - from_s) / 2;
    if (!force && now_s < *out_due_s) {
        return CH_OK;
    }
    int64_t life_s = to_s - from_s - IDENTITY_BACKDATE_S;
    life_s = life_s < 1 || life_s > IDENTITY_LIFE_MAX_S ? IDENTITY_LIFE_MAX_S : life_s;
    TRY(identity_names_of(old, identity_ca_trust_domain(ca), &names, diag));
    enum chancery_err err = identity_ca_unlock(ca, diag);
    err = err == CH_OK ? identity_issue(ca, &names, dir, -1, now_s, life_s, &version, diag) : err;
    identity_names_clear(&names);
    TRY(err);
    *out_renewed = true;
    *out_due_s = now_s - IDENTITY_BACKDATE_S + (life_s + IDENTITY_BACKDATE_S) / 2;
    return CH_OK;
}

static enum chancery_err renew_entry(struct identity_ca *ca, const char *dir, bool force,
                                     int64_t now_s, identity_report_fn *report, void *ctx,
                                     struct identity_renewed *sum, struct diag *diag)
{
    X509 *old = NULL;
    bool renewed = false;
    int64_t due_s = 0;
    struct diag why = {0};
    struct stat st;
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return CH_OK; /* ca.pem and the like */
    }
    enum chancery_err err = renew_read(dir, &old, &why);
    if (err == CH_NOT_FOUND) {
        return CH_OK; /* no identity folder */
    }
    sum->examined++;
    err = err == CH_OK ? renew_one(ca, dir, old, force, now_s, &renewed, &due_s, &why) : err;
    X509_free(old);
    if (err != CH_OK) {
        sum->failed++;
        if (diag != NULL && sum->failed == 1) {
            *diag = why;
        }
    } else if (sum->next_s == 0 || due_s < sum->next_s) {
        sum->next_s = due_s;
    }
    sum->renewed += renewed ? 1 : 0;
    if (renewed || err != CH_OK) {
        report(ctx, dir, err, &why);
    }
    return err;
}

enum chancery_err identity_renew_all(struct identity_ca *ca, const char *dir, bool force,
                                     int64_t now_s, identity_report_fn *report, void *ctx,
                                     struct identity_renewed *out, struct diag *diag)
{
    struct identity_renewed sum = {0};
    enum chancery_err first = CH_OK;
    struct dirent **entries = NULL;
    int n = scandir(dir, &entries, NULL, alphasort);
    if (n < 0) {
        return diag_set(diag, errno == EACCES ? CH_DENIED : CH_NOT_FOUND, dir, "identity.dir",
                        "reading %s: %s", dir, strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        char *path = NULL;
        if (entries[i]->d_name[0] != '.' &&
            asprintf(&path, "%s/%s", dir, entries[i]->d_name) >= 0) {
            enum chancery_err err = renew_entry(ca, path, force, now_s, report, ctx, &sum, diag);
            first = first == CH_OK ? err : first;
            free(path);
        }
        free(entries[i]);
    }
    free(entries);
    identity_ca_lock(ca);
    *out = sum;
    return first;
}
