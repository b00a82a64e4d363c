/* Identities of processes and people: the infrastructure CA and the certificates it issues.
 *
 * The CA's key lives in a token of its own and signs through OpenSSL (hsm/hsm.h, hsm_evp_*);
 * identity keys are P-256 and made here. A folder of an identity holds numbered versions and the
 * symlink `current`. Names are taken from the command line once; afterwards only from a certificate
 * that this CA signed. */
#ifndef CHANCERY_CLI_IDENTITY_H
#define CHANCERY_CLI_IDENTITY_H

#include <openssl/x509v3.h>

#include "base/bytes.h"

#define IDENTITY_KEY_LABEL "infrastructure-ca"
#define IDENTITY_LIFE_MAX_S (7 * 86400) /* docs: identities live 7 days or less */
#define IDENTITY_BACKDATE_S 60          /* clocks of peers may be behind by less than this */
#define IDENTITY_FILE_MAX ((size_t)1 << 20)

struct identity_init {
    const char *module, *token_uri, *pin_file, *trust_domain, *dir;
    int64_t validity_s, now_s;
};

/* identity_init makes the key and ca.pem, infrastructure.yaml in `dir`. Safe to repeat: what is
 * there is checked against the token; *out_created says whether something was made. CH_INTEGRITY
 * when the certificate and the token's key differ, CH_EXISTS for another trust domain. */
enum chancery_err identity_init(const struct identity_init *opts, bool *out_created,
                                struct diag *diag) MUST_CHECK;

struct identity_ca;

/* identity_ca_open reads infrastructure.yaml and ca.pem of `dir`; the token is not touched. */
enum chancery_err identity_ca_open(const char *dir, struct identity_ca **out,
                                   struct diag *diag) MUST_CHECK;
/* identity_ca_unlock opens the signing key; identity_ca_lock closes it again. */
enum chancery_err identity_ca_unlock(struct identity_ca *ca, struct diag *diag) MUST_CHECK;
void identity_ca_lock(struct identity_ca *ca);
void identity_ca_free(struct identity_ca *ca);
const char *identity_ca_trust_domain(const struct identity_ca *ca);
X509 *identity_ca_cert(const struct identity_ca *ca);
struct slice identity_ca_pem(const struct identity_ca *ca);

/* identity_ca_sign signs `cert` with the unlocked key and verifies the signature. */
enum chancery_err identity_ca_sign(struct identity_ca *ca, X509 *cert,
                                   struct diag *diag) MUST_CHECK;

/* ---- identity_cert.c: contents of certificates ---- */

/* identity_cert_ca makes the unsigned self-signed-to-be CA certificate; caller frees. */
enum chancery_err identity_cert_ca(const char *trust_domain, EVP_PKEY *pub, int64_t now_s,
                                   int64_t validity_s, X509 **out, struct diag *diag) MUST_CHECK;

/* What an identity certificate says of its holder. */
struct identity_names {
    X509_NAME *subject;
    GENERAL_NAMES *sans;
};
void identity_names_clear(struct identity_names *n);
/* identity_names_new: exactly one of process and user; localhost adds DNS:localhost and
 * IP:127.0.0.1. */
enum chancery_err identity_names_new(const char *trust_domain, const char *process,
                                     const char *user, bool localhost, struct identity_names *out,
                                     struct diag *diag) MUST_CHECK;
/* identity_names_of copies them from a certificate, after checking that it names exactly one URI,
 * in spiffe://<trust_domain>/chancery/ or /user/. */
enum chancery_err identity_names_of(X509 *cert, const char *trust_domain,
                                    struct identity_names *out, struct diag *diag) MUST_CHECK;
/* identity_names_uri appends the URI. */
enum chancery_err identity_names_uri(const struct identity_names *n, struct buf *out) MUST_CHECK;

/* identity_cert_leaf makes the unsigned certificate of an identity. */
enum chancery_err identity_cert_leaf(X509 *ca, const struct identity_names *names, EVP_PKEY *pub,
                                     int64_t now_s, int64_t validity_s, X509 **out,
                                     struct diag *diag) MUST_CHECK;

/* identity_cert_times reads notBefore and notAfter. */
enum chancery_err identity_cert_times(X509 *cert, int64_t *out_not_before_s,
                                      int64_t *out_not_after_s) MUST_CHECK;

/* ---- identity_dir.c: versions of one identity on disk ---- */

/* identity_dir_write writes the next version and switches `current` to it, keeping one older
 * version. gid -1: the folder keeps its group (set-group-ID) or is private. *out_version: its
 * number. */
enum chancery_err identity_dir_write(const char *dir, int64_t gid, struct slice cert,
                                     struct slice key, struct slice ca, uint64_t *out_version,
                                     struct diag *diag) MUST_CHECK;

/* ---- identity.c ---- */

/* identity_issue makes key and certificate and writes them to `dir`. */
enum chancery_err identity_issue(struct identity_ca *ca, const struct identity_names *names,
                                 const char *dir, int64_t gid, int64_t now_s, int64_t validity_s,
                                 uint64_t *out_version, struct diag *diag) MUST_CHECK;

struct identity_renewed {
    unsigned examined, renewed, failed;
    int64_t next_s; /* when the next identity is due; 0: none found */
};
/* Told of each identity that was renewed (err CH_OK) or could not be. */
typedef void identity_report_fn(void *ctx, const char *dir, enum chancery_err err,
                                const struct diag *diag);

/* identity_renew_all looks at each folder below `dir` that has current/cert.pem and renews those
 * past half their life (all with `force`). The token is opened only when something is due. One
 * failure does not stop the others; the first error is returned. */
enum chancery_err identity_renew_all(struct identity_ca *ca, const char *dir, bool force,
                                     int64_t now_s, identity_report_fn *report, void *ctx,
                                     struct identity_renewed *out, struct diag *diag) MUST_CHECK;

/* identity_openssl fills diag from OpenSSL's error queue, empties it, returns CH_CRYPTO. */
enum chancery_err identity_openssl(struct diag *diag, const char *what);

#endif
