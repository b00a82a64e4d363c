/* chancery-revocation's own pieces, shared by its files.
 *
 * Order that everything keeps: a revocation is durable in the audit log, then in revocation.status,
 * then dropped from the OCSP cache and its shard marked for a new CRL; only then the caller is
 * answered. */
#ifndef CHANCERY_REVOCATION_REVOCATION_H
#define CHANCERY_REVOCATION_REVOCATION_H

#include <pthread.h>
#include <stdatomic.h>

#include "daemon/daemon.h"
#include "daemon/daemon_db.h"
#include "daemon/daemon_hsm.h"
#include "http/http.h"
#include "journal.h"
#include "lease.h"
#include "ocsp.h"
#include "ocsp_cache.h"
#include "x509/x509.h"

#define REVOCATION_SERIAL_MAX 20  /* RFC 5280 4.1.2.2 */
#define REVOCATION_ITEMS_MAX 1000 /* of one Revoke: four appends to the log */
#define REVOCATION_ISSUERS_MAX 64

/* What is published for one (issuer, shard). */
struct revocation_published {
    uint64_t number; /* 0: nothing yet */
    int64_t this_update_s, next_update_s;
    uint64_t entries;
    uint8_t sha256[32];
    uint64_t length;
    uint64_t changed; /* counter of revocation.dirty last seen */
    bool checked;     /* the file was compared with the row since start */
    bool rebuild;     /* the file is missing or another one */
};

struct revocation_issuer {
    const char *id;
    uint32_t index;
    struct arena arena;
    struct x509_cert cert;
    struct crypto_public *key;
    enum crypto_alg alg; /* of its CRLs */
    uint32_t shards;     /* 0: CRLs come from ceremonies, no responder */
    size_t series;       /* number of shard 0 among all (issuer, shard) */
    const char *crl_base;
    uint8_t name_hash[2][32], key_hash[2][32]; /* SHA-1, SHA-256: of the CertID */
    struct revocation_published *published;    /* [shards], under revocation.lock */

    /* Delegated responder. */
    struct buf responder_cert;
    struct hsm_key *responder_key;
    enum crypto_alg responder_alg;
    uint8_t responder_id[20];
    int64_t responder_from_s, responder_until_s;
    struct revocation_lease *lease;

    atomic_bool weak; /* I6: rows missing or weakened: `good` is not said */
};

struct revocation_config {
    const char *static_dir; /* ceremony output: root.crl, *.cer, ocsp-*.cer */
    char *www;              /* state_dir/www */
    const char **revokers;  /* allow-list of Revoke, NULL-terminated */
    int64_t crl_validity_s, crl_reissue_s;
    int64_t ocsp_validity_s, ocsp_max_age_s;
    int64_t cache_entries, workers;
    bool echo_nonce, unknown_is_revoked;
};

struct revocation {
    struct daemon *d;
    struct db_pool *db;
    struct hsm_token *token;
    struct rpc_channel *ca, *audit;
    struct revocation_config conf;
    struct revocation_issuer *issuers;
    size_t n_issuers, n_series;
    struct revocation_cache *cache;
    struct revocation_serve *serve;
    struct http_server *http;
    bool http_started;
    struct revocation_journal *journal;
    atomic_bool reconciled; /* the log has been replayed to its end once */
    pthread_mutex_t lock;   /* published */
    char claim[96];         /* prefix of claims on CRL series: instance/boot */
};

/* ---- issuers.c ---- */
/* revocation_issuers_load reads issuers of trust.json and their responders (certificate from
 * static_dir, key "ocsp-<id>" of the token). CH_INTEGRITY when they do not fit together. */
enum chancery_err revocation_issuers_load(struct revocation *rv, struct diag *diag) MUST_CHECK;
void revocation_issuers_free(struct revocation *rv);
struct revocation_issuer *revocation_issuer_find(const struct revocation *rv, struct slice id);

/* revocation_issuer_of finds whom a CertID names, NULL when nobody here with a responder. */
struct revocation_issuer *revocation_issuer_of(const struct revocation *rv,
                                               const struct revocation_ocsp_id *id);

/* ---- revoke.c ---- */
struct revocation_order {
    struct slice issuer_id, serial;
    unsigned reason; /* CRLReason */
};
struct revocation_outcome {
    enum chancery_err err;
    struct diag diag;
    int64_t revoked_at_s;
    bool already;
    uint64_t log_index;
};
/* revocation_revoke revokes 1..REVOCATION_ITEMS_MAX certificates for `actor` (identity URI), asked
 * by `caller`. CH_OK: outcomes[0..n) say how each ended; the first revocation of a serial stands.
 * Otherwise nothing is known: repeating is safe. */
enum chancery_err revocation_revoke(struct revocation *rv, const struct revocation_order *orders,
                                    size_t n, const char *actor, const char *caller, int64_t now_s,
                                    struct arena *arena, struct revocation_outcome *outcomes,
                                    struct diag *diag) MUST_CHECK;

/* ---- store_status.c ---- */
struct revocation_row {
    const char *issuer_id;
    struct slice serial;
    unsigned reason;
    int64_t revoked_at_s;
    uint32_t shard;
    int64_t not_after_s;
    uint64_t log_index;
    const char *actor;
};
/* What the database knows of one serial. */
struct revocation_known {
    int state; /* of ca.issued_v1; 0: no row */
    uint32_t shard;
    int64_t not_after_s;
    bool revoked;
    struct revocation_row row; /* when revoked: reason, times, shard, log_index */
};
struct revocation_key {
    const char *issuer_id;
    struct slice serial;
};
/* revocation_known_read looks up n keys in one statement. */
enum chancery_err revocation_known_read(struct db_pool *db, const struct revocation_key *keys,
                                        size_t n, struct revocation_known *out,
                                        struct diag *diag) MUST_CHECK;

/* revocation_rows_store inserts rows that do not exist and marks their shards changed, in one
 * transaction; safe to repeat. rows must be unique. */
enum chancery_err revocation_rows_store(struct db_pool *db, const struct revocation_row *rows,
                                        size_t n, int64_t now_s, struct diag *diag) MUST_CHECK;

/* ---- store_crl.c ---- */
struct revocation_series_row {
    const char *issuer_id; /* valid during the callback */
    uint32_t shard;
    uint64_t changed, covered;
    int64_t changed_at_s, claim_until_s;
    uint64_t number; /* 0: none published */
    int64_t this_update_s, next_update_s;
    uint64_t entries, length;
    uint8_t sha256[32];
};
typedef void revocation_series_fn(void *ctx, const struct revocation_series_row *row);

/* revocation_series_ensure makes the schedule rows of an issuer's shards and frees claims of
 * earlier starts of this instance. */
enum chancery_err revocation_series_ensure(struct db_pool *db, const char *issuer_id,
                                           uint32_t shards, const char *instance,
                                           struct diag *diag) MUST_CHECK;
enum chancery_err revocation_series_read(struct db_pool *db, revocation_series_fn *fn, void *ctx,
                                         struct diag *diag) MUST_CHECK;
/* revocation_series_claim: *out_got is false when another builder holds it. until_s also holds the
 * series back after a failure. */
enum chancery_err revocation_series_claim(struct db_pool *db, const char *issuer_id, uint32_t shard,
                                          const char *claim, int64_t until_s, int64_t now_s,
                                          bool *out_got, struct diag *diag) MUST_CHECK;

struct revocation_crl {
    struct revocation_issuer *issuer;
    uint32_t shard;
    struct x509_crl_head head;
    char url[512];
    uint64_t previous;   /* number of the CRL before */
    uint64_t changed;    /* counter of the snapshot: what this CRL covers */
    int64_t keep_from_s; /* entries of certificates that ended before may leave */
    int entries_fd;      /* unlinked file with the encoded entries */
    uint64_t entries, entries_len, tbs_len;
    uint8_t check[32]; /* running hash over (serial, date, reason) of the snapshot */
    struct buf signature;
    uint64_t log_index; /* of the RESULT */
    uint8_t sha256[32]; /* of the published file */
    uint64_t length;
};
/* revocation_crl_record notes a published CRL and what it covers, and gives the claim back. */
enum chancery_err revocation_crl_record(struct db_pool *db, const struct revocation_crl *crl,
                                        int64_t now_s, struct diag *diag) MUST_CHECK;

/* ---- crl_build.c, crl_sign.c, publish.c ---- */

/* revocation_crl_build reads one snapshot into entries_fd and checks it against a second reading of
 * the same snapshot. */
enum chancery_err revocation_crl_build(struct revocation *rv, struct revocation_crl *crl,
                                       int64_t now_s, struct diag *diag) MUST_CHECK;
void revocation_crl_clear(struct revocation_crl *crl);

/* revocation_crl_each calls `fn` with the pieces of the TBSCertList (at most 64 KiB each), in
 * order. */
typedef enum chancery_err revocation_piece_fn(void *ctx, struct slice piece, struct diag *diag);
enum chancery_err revocation_crl_each(const struct revocation_crl *crl, revocation_piece_fn *fn,
                                      void *ctx, struct diag *diag) MUST_CHECK;

/* revocation_crl_sign has ca check and sign it and verifies the signature. Tries the next numbers
 * when ca is ahead (a CRL that was signed and never published). CH_PRECONDITION, CH_INTEGRITY: ca
 * refuses. */
enum chancery_err revocation_crl_sign(struct revocation *rv, struct revocation_crl *crl,
                                      struct diag *diag) MUST_CHECK;

/* revocation_crl_publish writes www/<issuer>/<shard>.crl: temporary file, fsync, rename. */
enum chancery_err revocation_crl_publish(struct revocation *rv, struct revocation_crl *crl,
                                         struct diag *diag) MUST_CHECK;
/* revocation_crl_path writes the file name of a shard. */
enum chancery_err revocation_crl_path(const struct revocation *rv, const char *issuer_id,
                                      uint32_t shard, char *out, size_t cap) MUST_CHECK;

/* ---- tasks ---- */

void revocation_schedule_run(void *rv);  /* schedule.c: CRLs that are due */
void revocation_voided_run(void *rv);    /* voided.c: voided issuances become revocations */
void revocation_reconcile_run(void *rv); /* reconcile.c: the log against the table */
enum chancery_err revocation_crls_current(void *rv, struct diag *diag); /* readiness */

/* ---- OCSP, HTTP, RPC ---- */

enum chancery_err revocation_serve_new(struct revocation *rv,
                                       struct revocation_serve **out) MUST_CHECK;
void revocation_serve_stop(struct revocation_serve *s);
void revocation_serve_free(struct revocation_serve *s);
/* revocation_serve answers one OCSP request in DER; cacheable: the HTTP method was GET or HEAD. */
void revocation_serve(struct revocation_serve *s, struct http_request *r, struct slice der,
                      bool cacheable, int64_t now_s);

void revocation_http(void *rv, struct http_request *r); /* http_routes.c: the handler */
enum chancery_err revocation_rpc_add(struct revocation *rv) MUST_CHECK;

#endif
