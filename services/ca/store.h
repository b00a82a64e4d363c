/* The statements of schema ca. Plain values in, plain values out; no decision is made here.
 *
 * Errors are those of lib/db: CH_UNAVAILABLE means nothing happened, CH_UNKNOWN that it is not
 * known. */
#ifndef CHANCERY_CA_STORE_H
#define CHANCERY_CA_STORE_H

#include "db/db.h"
#include "permit/permit.h"

/* States of ca.issuance. */
enum ca_state {
    CA_NONE = 0,
    CA_RESERVED = 1,
    CA_STORED = 2,
    CA_VOIDED = 3,
    CA_DISCARDED = 4,
    CA_UNSIGNED = 5
};

/* ---- issuance ---- */

struct ca_reservation {
    const char *issuer_id;
    struct slice serial, tbs_sha256, request_id;
    int64_t not_after_s;
    uint32_t shard, attempt;
};
/* A signed document that is kept as what its key signed: statement or permit. */
struct ca_document {
    struct slice sha256, bytes, signature;
};
struct ca_reserve {
    int64_t epoch;
    const char *instance;
    int64_t now_s;
    struct ca_document statement, permit;
    const struct ca_reservation *rows;
    size_t n; /* 1..PERMIT_BATCH_MAX */
};
/* ca_store_reserve commits reservations, statement and permit, all or nothing. Row k has the id
 * *out_first_id + k. CH_PRECONDITION: the lease of `epoch` is fenced. CH_EXISTS: a serial, or a
 * request id with that attempt, is there already. */
enum chancery_err ca_store_reserve(struct db_pool *db, const struct ca_reserve *r,
                                   int64_t *out_first_id, struct diag *diag) MUST_CHECK;

struct ca_certificate {
    const struct ca_reservation *reservation;
    int64_t id; /* of the reservation */
    struct slice der, tenant, requester, profile, spki_sha256;
    struct slice subject;     /* text */
    struct slice names;       /* shown names, one per line */
    const struct slice *keys; /* lookup names, lower case */
    size_t n_keys;
    int64_t not_before_s;
    struct slice evidence_sha256, request_sha256, issuer_key;
    uint32_t permit_index;
    uint64_t intent_index, result_index;
};
struct ca_store {
    int64_t epoch, now_s;
    struct slice statement_sha256, permit_sha256, bundle_sha256;
    const char *build_id;
    const struct ca_certificate *rows;
    size_t n;
};
/* ca_store_certificates inserts each certificate whose reservation is still reserved under a lease
 * that is not fenced, and moves that to stored. out_stored[i] tells which. Those left are late, or
 * out_twice[i]: another attempt of the same request has a certificate. CH_EXISTS: such an attempt
 * came at the same moment and nothing was stored; a second call tells which. */
enum chancery_err ca_store_certificates(struct db_pool *db, const struct ca_store *s,
                                        bool *out_stored, bool *out_twice,
                                        struct diag *diag) MUST_CHECK;

/* ca_store_state reads the state of a serial, or of (request id, attempt); CA_NONE when there is
 * none. */
enum chancery_err ca_store_state(struct db_pool *db, const char *issuer_id, struct slice serial,
                                 enum ca_state *out, struct diag *diag) MUST_CHECK;
enum chancery_err ca_store_attempt(struct db_pool *db, struct slice request_id, uint32_t attempt,
                                   enum ca_state *out, struct diag *diag) MUST_CHECK;

struct ca_change {
    const char *issuer_id;
    struct slice serial;
    enum ca_state to; /* VOIDED, DISCARDED or UNSIGNED */
};
/* ca_store_change moves reservations on: reserved to any of these, voided to discarded. Others
 * stay. */
enum chancery_err ca_store_change(struct db_pool *db, const struct ca_change *rows, size_t n,
                                  struct diag *diag) MUST_CHECK;

/* ---- issuers and leases; times are the database's ---- */

struct ca_issuer_row {
    const char *issuer_id;
    struct slice certificate_der, spki_sha256;
    uint32_t shards;
};
/* ca_store_issuer records an issuer for ever. CH_INTEGRITY when another one stands under its name.
 */
enum chancery_err ca_store_issuer(struct db_pool *db, const struct ca_issuer_row *row,
                                  int64_t now_s, struct diag *diag) MUST_CHECK;

enum chancery_err ca_store_lease_new(struct db_pool *db, const char *instance, int64_t lease_s,
                                     int64_t *out_epoch, struct diag *diag) MUST_CHECK;
/* ca_store_lease_extend: CH_PRECONDITION when the lease is fenced. lease_s 0 gives it up at once.
 */
enum chancery_err ca_store_lease_extend(struct db_pool *db, int64_t epoch, int64_t lease_s,
                                        struct diag *diag) MUST_CHECK;

struct ca_orphan {
    char issuer_id[64];
    uint8_t serial[20];
    size_t serial_len;
    uint8_t tbs_sha256[32];
};
#define CA_ORPHANS_MAX 256
/* ca_store_fence fences one expired lease that is not settled (or fenced and not settled).
 * CH_NOT_FOUND when there is none. */
enum chancery_err ca_store_fence(struct db_pool *db, int64_t *out_epoch,
                                 struct diag *diag) MUST_CHECK;
/* ca_store_close_batches forgets batches that have no open reservation left: those of which not all
 * rows were stored at once. */
enum chancery_err ca_store_close_batches(struct db_pool *db, struct diag *diag) MUST_CHECK;
/* ca_store_orphans reads up to CA_ORPHANS_MAX reservations that are still open in a fenced epoch.
 */
enum chancery_err ca_store_orphans(struct db_pool *db, int64_t epoch, struct ca_orphan *out,
                                   size_t *out_n, struct diag *diag) MUST_CHECK;
enum chancery_err ca_store_settled(struct db_pool *db, int64_t epoch, struct diag *diag) MUST_CHECK;

/* ---- CRLs ---- */

struct ca_crl_step {
    const char *issuer_id;
    uint32_t shard;
    uint64_t number, previous_number;
    int64_t this_update_s;
};
/* ca_store_crl_reserve compares and swaps: the last signed number is previous_number, thisUpdate
 * does not fall; `number` is reserved. CH_CONFLICT: another number is the last one.
 * CH_PRECONDITION "crl.number": a higher number was reserved before; "crl.this_update". */
enum chancery_err ca_store_crl_reserve(struct db_pool *db, const struct ca_crl_step *step,
                                       struct diag *diag) MUST_CHECK;

struct ca_crl {
    struct ca_crl_step step;
    int64_t next_update_s, now_s;
    struct slice tbs_sha256, signature;
    uint64_t tbs_length, entries, result_index;
    struct ca_document permit;
    /* Reads the TBS again from its start: up to `cap` octets at offset `at`. */
    enum chancery_err (*read)(void *ctx, uint64_t at, uint8_t *out, size_t cap, size_t *out_len);
    void *read_ctx;
};
#define CA_CRL_CHUNK ((size_t)64 << 10)
/* ca_store_crl makes a signed CRL the last one of its series, in one transaction. CH_CONFLICT:
 * another one came first. */
enum chancery_err ca_store_crl(struct db_pool *db, const struct ca_crl *crl,
                               struct diag *diag) MUST_CHECK;
/* ca_store_crl_signed tells whether that CRL is stored (after CH_UNKNOWN). */
enum chancery_err ca_store_crl_signed(struct db_pool *db, const struct ca_crl *crl, bool *out,
                                      struct diag *diag) MUST_CHECK;

/* ca_store_crl_chunk appends piece `seq` of a stored TBS to `out`; CH_END after the last. */
enum chancery_err ca_store_crl_chunk(struct db_pool *db, const char *issuer_id, uint32_t shard,
                                     uint64_t number, uint32_t seq, struct buf *out,
                                     struct diag *diag) MUST_CHECK;
/* ca_store_all_expired says whether each serial is known and its certificate ended before
 * `before_s`. */
enum chancery_err ca_store_all_expired(struct db_pool *db, const char *issuer_id,
                                       const struct slice *serials, size_t n, int64_t before_s,
                                       bool *out, struct diag *diag) MUST_CHECK;

/* ---- reading ---- */

struct ca_filter {
    struct slice issuer_id, serial, request_id, profile, requester, name,
        spki_sha256;                               /* empty: any */
    int64_t not_after_before_s, not_after_after_s; /* 0: any */
    int64_t before_id; /* page: ids below this one; 0: from the newest */
    size_t limit;
    const struct slice *issuers; /* all known ids: a serial alone is looked up under each */
    size_t n_issuers;
};
/* Columns of a found certificate, in this order. */
enum {
    CA_COL_ID,
    CA_COL_ISSUER,
    CA_COL_SERIAL,
    CA_COL_DER,
    CA_COL_TBS,
    CA_COL_TENANT,
    CA_COL_REQUESTER,
    CA_COL_PROFILE,
    CA_COL_REQUEST,
    CA_COL_SPKI,
    CA_COL_SUBJECT,
    CA_COL_NAMES,
    CA_COL_NOT_BEFORE,
    CA_COL_NOT_AFTER,
    CA_COL_SHARD,
    CA_COL_RESULT,
    CA_COL_ISSUED,
};
/* ca_store_find gives the newest certificates that match, newest first. The caller frees *out.
 * CA_COL_NAMES is text, one name per line. */
enum chancery_err ca_store_find(struct db_pool *db, const struct ca_filter *f,
                                struct db_result **out, struct diag *diag) MUST_CHECK;

#endif
