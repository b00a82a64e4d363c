/* CRL series: schedule, claims, and what was published. */
#include <stdio.h>

#include "revocation.h"

static enum chancery_err run(struct db_pool *db, const char *sql, const struct db_param *params,
                             size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

enum chancery_err revocation_series_ensure(struct db_pool *db, const char *issuer_id,
                                           uint32_t shards, const char *instance, struct diag *diag)
{
    static const char make[] = "INSERT INTO revocation.dirty (issuer_id, shard) "
                               "SELECT $1::text, generate_series(0, $2::int4 - 1) "
                               "ON CONFLICT (issuer_id, shard) DO NOTHING";
    static const char unclaim[] = "UPDATE revocation.dirty SET claimed_by = '', claim_until_s = 0 "
                                  "WHERE issuer_id = $1 AND split_part(claimed_by, '/', 1) = $2";
    const struct db_param series[] = {DB_P_STR(issuer_id), DB_P_INT4(shards)};
    const struct db_param mine[] = {DB_P_STR(issuer_id), DB_P_STR(instance)};
    TRY(run(db, make, series, 2, NULL, diag));
    return run(db, unclaim, mine, 2, NULL, diag);
}

static void series_from_row(const struct db_result *r, size_t row, char id[64],
                            struct revocation_series_row *out)
{
    struct slice name = slice_sub(db_bytes(r, row, 0), 0, 63), hash = db_bytes(r, row, 10);
    memcpy(id, name.ptr, name.len);
    id[name.len] = 0;
    *out = (struct revocation_series_row){.issuer_id = id,
                                          .shard = (uint32_t)db_int(r, row, 1),
                                          .changed = (uint64_t)db_int(r, row, 2),
                                          .covered = (uint64_t)db_int(r, row, 3),
                                          .changed_at_s = db_int(r, row, 4),
                                          .claim_until_s = db_int(r, row, 5)};
    if (!db_is_null(r, row, 6) && hash.len == 32) {
        out->number = (uint64_t)db_int(r, row, 6);
        out->this_update_s = db_int(r, row, 7);
        out->next_update_s = db_int(r, row, 8);
        out->entries = (uint64_t)db_int(r, row, 9);
        memcpy(out->sha256, hash.ptr, 32);
        out->length = (uint64_t)db_int(r, row, 11);
    }
}

enum chancery_err revocation_series_read(struct db_pool *db, revocation_series_fn *fn, void *ctx,
                                         struct diag *diag)
{
    static const char sql[] =
        "SELECT d.issuer_id, d.shard, d.changed, d.covered, d.changed_at_s, d.claim_until_s, "
        "c.number, c.this_update_s, c.next_update_s, c.entries, c.sha256, c.length "
        "FROM revocation.dirty d LEFT JOIN LATERAL (SELECT * FROM revocation.crl c "
        "WHERE c.issuer_id = d.issuer_id AND c.shard = d.shard ORDER BY c.number DESC LIMIT 1) c "
        "ON true ORDER BY d.issuer_id, d.shard";
    struct db_result *r = NULL;
    enum chancery_err err = run(db, sql, NULL, 0, &r, diag);
    if (err != CH_OK) {
        return err == CH_UNKNOWN ? CH_UNAVAILABLE : err;
    }
    for (size_t i = 0; i < db_rows(r); i++) {
        char id[64];
        struct revocation_series_row row;
        series_from_row(r, i, id, &row);
        fn(ctx, &row);
    }
    db_result_free(r);
    return CH_OK;
}

enum chancery_err revocation_series_claim(struct db_pool *db, const char *issuer_id, uint32_t shard,
                                          const char *claim, int64_t until_s, int64_t now_s,
                                          bool *out_got, struct diag *diag)
{
    static const char sql[] =
        "UPDATE revocation.dirty SET claimed_by = $3, claim_until_s = $4 WHERE issuer_id = $1 "
        "AND shard = $2 AND (claim_until_s <= $5 OR claimed_by = $3) RETURNING shard";
    const struct db_param params[] = {DB_P_STR(issuer_id), DB_P_INT4(shard), DB_P_STR(claim),
                                      DB_P_INT8(until_s), DB_P_INT8(now_s)};
    struct db_result *r = NULL;
    TRY(run(db, sql, params, 5, &r, diag));
    *out_got = db_rows(r) == 1;
    db_result_free(r);
    return CH_OK;
}

enum chancery_err revocation_crl_record(struct db_pool *db, const struct revocation_crl *crl,
                                        int64_t now_s, struct diag *diag)
{
    static const char insert[] = "INSERT INTO revocation.crl (issuer_id, shard, number, "
                                 "this_update_s, next_update_s, entries, "
                                 "sha256, length, path, log_index, published_at_s) VALUES ($1, $2, "
                                 "$3, $4, $5, $6, $7, $8, $9, "
                                 "$10, $11) ON CONFLICT (issuer_id, shard, number) DO NOTHING";
    static const char cover[] =
        "UPDATE revocation.dirty SET covered = greatest(covered, $3), claimed_by = '', "
        "claim_until_s = 0 WHERE issuer_id = $1 AND shard = $2";
    char path[128];
    (void)snprintf(path, sizeof(path), "%s/%u.crl", crl->issuer->id, crl->shard);
    const struct db_param row[] = {DB_P_STR(crl->issuer->id),
                                   DB_P_INT4(crl->shard),
                                   DB_P_INT8((int64_t)crl->head.number),
                                   DB_P_INT8(crl->head.this_update_s),
                                   DB_P_INT8(crl->head.next_update_s),
                                   DB_P_INT8((int64_t)crl->entries),
                                   DB_P_BYTES(slice_of(crl->sha256, 32)),
                                   DB_P_INT8((int64_t)crl->length),
                                   DB_P_STR(path),
                                   DB_P_INT8((int64_t)crl->log_index),
                                   DB_P_INT8(now_s)};
    const struct db_param covered[] = {DB_P_STR(crl->issuer->id), DB_P_INT4(crl->shard),
                                       DB_P_INT8((int64_t)crl->changed)};
    const struct db_stmt stmts[] = {{insert, row, 11, -1}, {cover, covered, 3, 1}};
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_pipeline(conn, stmts, 2, diag);
    db_release(conn);
    return err;
}
