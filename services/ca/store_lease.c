/* Issuers, leases and settlement. The clock of leases is the database's: instances need not agree
 * on one. */
#include <stdio.h>

#include "store.h"

#define NOW "extract(epoch FROM clock_timestamp())::bigint"
#define IN_BATCH "i.id BETWEEN o.first_id AND o.first_id + o.n - 1"

static enum chancery_err run(struct db_pool *db, const char *sql, const struct db_param *params,
                             size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

enum chancery_err ca_store_issuer(struct db_pool *db, const struct ca_issuer_row *row,
                                  int64_t now_s, struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(row->issuer_id), DB_P_BYTES(row->certificate_der),
                                      DB_P_BYTES(row->spki_sha256), DB_P_INT4(row->shards),
                                      DB_P_INT8(now_s)};
    enum chancery_err err =
        run(db,
            "INSERT INTO ca.issuer (issuer_id, certificate_der, spki_sha256, shards, added_at_s) "
            "VALUES ($1, $2, $3, $4, $5) ON CONFLICT (issuer_id) DO NOTHING",
            params, 5, NULL, diag);
    if (err != CH_OK && err != CH_EXISTS) {
        return err;
    }
    struct db_result *result = NULL;
    TRY(run(db,
            "SELECT 1 FROM ca.issuer WHERE issuer_id = $1 AND certificate_der = $2 AND spki_sha256 "
            "= $3 AND shards = $4",
            params, 4, &result, diag));
    bool same = db_rows(result) == 1;
    db_result_free(result);
    if (!same) {
        return diag_set(diag, CH_INTEGRITY, "issuers", "issuer.changed",
                        "issuer %s is recorded with another certificate, key or number of shards",
                        row->issuer_id);
    }
    return CH_OK;
}

enum chancery_err ca_store_lease_new(struct db_pool *db, const char *instance, int64_t lease_s,
                                     int64_t *out_epoch, struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(instance), DB_P_INT8(lease_s)};
    struct db_result *result = NULL;
    TRY(run(db,
            "INSERT INTO ca.instance (instance, started_at_s, lease_until_s) VALUES ($1, " NOW
            ", " NOW " + $2) RETURNING epoch",
            params, 2, &result, diag));
    *out_epoch = db_int(result, 0, 0);
    db_result_free(result);
    return CH_OK;
}

enum chancery_err ca_store_lease_extend(struct db_pool *db, int64_t epoch, int64_t lease_s,
                                        struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8(epoch), DB_P_INT8(lease_s)};
    struct db_result *result = NULL;
    TRY(run(db,
            "UPDATE ca.instance SET lease_until_s = CASE WHEN $2 = 0 THEN 0 ELSE " NOW
            " + $2 END WHERE epoch = $1 AND fenced_at_s IS NULL",
            params, 2, &result, diag));
    uint64_t rows = db_affected(result);
    db_result_free(result);
    return rows == 1 ? CH_OK
                     : diag_set(diag, CH_PRECONDITION, "lease", "ca.fenced",
                                "the lease of this instance was fenced");
}

/* FOR UPDATE waits for reservations and certificates under way, which hold the row FOR KEY SHARE; a
 * lease that another instance is fencing at this moment is skipped. */
enum chancery_err ca_store_fence(struct db_pool *db, int64_t *out_epoch, struct diag *diag)
{
    struct db_result *result = NULL;
    TRY(run(db,
            "WITH due AS MATERIALIZED (SELECT epoch FROM ca.instance WHERE settled_at_s IS NULL "
            "AND lease_until_s < " NOW " ORDER BY epoch LIMIT 1 FOR UPDATE SKIP LOCKED) "
            "UPDATE ca.instance i SET fenced_at_s = coalesce(i.fenced_at_s, " NOW
            ") FROM due WHERE i.epoch = due.epoch RETURNING i.epoch",
            NULL, 0, &result, diag));
    bool found = db_rows(result) == 1;
    if (found) {
        *out_epoch = db_int(result, 0, 0);
    }
    db_result_free(result);
    return found ? CH_OK : CH_NOT_FOUND;
}

static enum chancery_err read_orphan(const struct db_result *r, size_t row, struct ca_orphan *out)
{
    struct slice issuer = db_bytes(r, row, 0), serial = db_bytes(r, row, 1),
                 tbs = db_bytes(r, row, 2);
    if (issuer.len >= sizeof out->issuer_id || serial.len > sizeof out->serial || tbs.len != 32) {
        return CH_INTEGRITY;
    }
    memcpy(out->issuer_id, issuer.ptr, issuer.len);
    out->issuer_id[issuer.len] = '\0';
    memcpy(out->serial, serial.ptr, serial.len);
    out->serial_len = serial.len;
    memcpy(out->tbs_sha256, tbs.ptr, 32);
    return CH_OK;
}

enum chancery_err ca_store_orphans(struct db_pool *db, int64_t epoch, struct ca_orphan *out,
                                   size_t *out_n, struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8(epoch), DB_P_INT8(CA_ORPHANS_MAX)};
    struct db_result *result = NULL;
    TRY(run(db,
            "SELECT i.issuer_id, i.serial, i.tbs_sha256 FROM ca.instance l JOIN ca.open_batch o "
            "USING (epoch) JOIN ca.issuance i ON " IN_BATCH
            " WHERE l.epoch = $1 AND i.state = 1 AND l.fenced_at_s IS NOT NULL LIMIT $2",
            params, 2, &result, diag));
    enum chancery_err err = CH_OK;
    for (size_t i = 0; err == CH_OK && i < db_rows(result); i++) {
        err = read_orphan(result, i, &out[i]);
    }
    *out_n = db_rows(result);
    db_result_free(result);
    return err;
}

enum chancery_err ca_store_settled(struct db_pool *db, int64_t epoch, struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8(epoch)};
    return run(
        db,
        "UPDATE ca.instance SET settled_at_s = " NOW
        " WHERE epoch = $1 AND fenced_at_s IS NOT NULL AND settled_at_s IS NULL AND NOT EXISTS "
        "(SELECT 1 FROM ca.open_batch o JOIN ca.issuance i ON " IN_BATCH
        " WHERE o.epoch = $1 AND i.state = 1)",
        params, 1, NULL, diag);
}

enum chancery_err ca_store_close_batches(struct db_pool *db, struct diag *diag)
{
    return run(db,
               "DELETE FROM ca.open_batch o WHERE NOT EXISTS (SELECT 1 FROM ca.issuance i WHERE "
               "" IN_BATCH " AND i.state = 1)",
               NULL, 0, NULL, diag);
}
