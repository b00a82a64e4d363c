/* CRL series: compare-and-swap, the last signed CRL in pieces, and expiry facts for the merge. */
#include <inttypes.h>

#include "store.h"

static enum chancery_err run(struct db_pool *db, const char *sql, const struct db_param *params,
                             size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

/* A losing comparison ends the transaction with CH_PRECONDITION, since db_tx would retry a
 * CH_CONFLICT; `behind` tells it from other refusals. */
struct series_tx {
    struct ca_crl_step step;
    const struct ca_crl *crl;
    bool behind;
};

static enum chancery_err outcome(enum chancery_err err, const struct series_tx *t)
{
    return err == CH_PRECONDITION && t->behind ? CH_CONFLICT : err;
}

/* Locks the series' row, making it first if there is none, and compares. */
static enum chancery_err lock_head(struct db_conn *conn, struct series_tx *t, int64_t *out_reserved,
                                   struct diag *diag)
{
    const struct ca_crl_step *s = &t->step;
    const struct db_param key[] = {DB_P_STR(s->issuer_id), DB_P_INT4(s->shard)};
    struct db_result *result = NULL;
    TRY(db_exec(conn,
                "INSERT INTO ca.crl_head (issuer_id, shard) VALUES ($1, $2) ON CONFLICT DO NOTHING",
                key, 2, NULL, diag));
    TRY(db_exec(conn,
                "SELECT signed_number, reserved_number, this_update_s FROM ca.crl_head WHERE "
                "issuer_id = $1 "
                "AND shard = $2 FOR UPDATE",
                key, 2, &result, diag));
    if (db_rows(result) != 1) {
        db_result_free(result);
        return CH_INTERNAL;
    }
    int64_t last = db_int(result, 0, 0), reserved = db_int(result, 0, 1),
            this_update = db_int(result, 0, 2);
    db_result_free(result);
    if ((uint64_t)last != s->previous_number) {
        t->behind = true;
        return diag_set(diag, CH_PRECONDITION, "header.previous_number", "crl.previous",
                        "the last signed CRL of this series has number %" PRId64, last);
    }
    if (s->number <= (uint64_t)last || s->number < (uint64_t)reserved) {
        return diag_set(diag, CH_PRECONDITION, "header.number", "crl.number",
                        "the number must be above %" PRId64,
                        last > reserved - 1 ? last : reserved - 1);
    }
    if (s->this_update_s < this_update) {
        return diag_set(diag, CH_PRECONDITION, "header.this_update_s", "crl.this_update",
                        "thisUpdate would fall behind the last CRL's");
    }
    *out_reserved = reserved;
    return CH_OK;
}

static enum chancery_err reserve_tx(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct series_tx *t = ctx;
    const struct ca_crl_step *s = &t->step;
    int64_t reserved;
    t->behind = false;
    TRY(lock_head(conn, t, &reserved, diag));
    const struct db_param params[] = {DB_P_STR(s->issuer_id), DB_P_INT4(s->shard),
                                      DB_P_INT8((int64_t)s->number)};
    return db_exec(
        conn, "UPDATE ca.crl_head SET reserved_number = $3 WHERE issuer_id = $1 AND shard = $2",
        params, 3, NULL, diag);
}

enum chancery_err ca_store_crl_reserve(struct db_pool *db, const struct ca_crl_step *step,
                                       struct diag *diag)
{
    struct series_tx t = {.step = *step};
    return outcome(db_tx(db, NULL, reserve_tx, &t, diag), &t);
}

/* ---- storing ---- */

static enum chancery_err insert_crl(struct db_conn *conn, const struct ca_crl *c, struct diag *diag)
{
    const struct db_param permit[] = {DB_P_BYTES(c->permit.sha256), DB_P_BYTES(c->permit.bytes),
                                      DB_P_BYTES(c->permit.signature), DB_P_INT8(c->now_s)};
    const struct db_param crl[] = {DB_P_STR(c->step.issuer_id),
                                   DB_P_INT4(c->step.shard),
                                   DB_P_INT8((int64_t)c->step.number),
                                   DB_P_INT8(c->step.this_update_s),
                                   DB_P_INT8(c->next_update_s),
                                   DB_P_BYTES(c->tbs_sha256),
                                   DB_P_INT8((int64_t)c->tbs_length),
                                   DB_P_INT8((int64_t)c->entries),
                                   DB_P_BYTES(c->signature),
                                   DB_P_BYTES(c->permit.sha256),
                                   DB_P_INT8((int64_t)c->result_index),
                                   DB_P_INT8(c->now_s)};
    TRY(db_exec(conn,
                "INSERT INTO ca.permit (permit_sha256, permit, signature, received_at_s) VALUES "
                "($1, $2, $3, $4) "
                "ON CONFLICT DO NOTHING",
                permit, 4, NULL, diag));
    TRY(db_exec(conn,
                "INSERT INTO ca.crl (issuer_id, shard, number, this_update_s, next_update_s, "
                "tbs_sha256, tbs_length, "
                "entries, signature, permit_sha256, result_index, signed_at_s) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                crl, 12, NULL, diag));
    return db_exec(conn,
                   "UPDATE ca.crl_head SET signed_number = $3, this_update_s = $4 WHERE issuer_id "
                   "= $1 AND shard = $2",
                   crl, 4, NULL, diag);
}

static enum chancery_err insert_chunks(struct db_conn *conn, const struct ca_crl *c,
                                       struct diag *diag)
{
    static const char sql[] = "INSERT INTO ca.crl_chunk (issuer_id, shard, number, seq, bytes) "
                              "VALUES ($1, $2, $3, $4, $5)";
    struct buf piece CLEANUP(buf_clear);
    buf_init(&piece, CA_CRL_CHUNK);
    TRY(buf_reserve(&piece, CA_CRL_CHUNK));
    uint64_t at = 0;
    for (int64_t seq = 0; at < c->tbs_length; seq++) {
        TRY(c->read(c->read_ctx, at, piece.ptr, CA_CRL_CHUNK, &piece.len));
        if (piece.len == 0) {
            return CH_INTEGRITY;
        }
        const struct db_param params[] = {DB_P_STR(c->step.issuer_id), DB_P_INT4(c->step.shard),
                                          DB_P_INT8((int64_t)c->step.number), DB_P_INT4(seq),
                                          DB_P_BYTES(buf_slice(&piece))};
        TRY(db_exec(conn, sql, params, 5, NULL, diag));
        at += piece.len;
    }
    return CH_OK;
}

static enum chancery_err store_tx(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct series_tx *t = ctx;
    const struct ca_crl *c = t->crl;
    int64_t reserved;
    t->behind = false;
    TRY(lock_head(conn, t, &reserved, diag));
    if ((uint64_t)reserved != c->step.number) {
        t->behind = true;
        return diag_set(diag, CH_PRECONDITION, "header.number", "crl.number",
                        "number %" PRId64 " was reserved meanwhile", reserved);
    }
    const struct db_param old[] = {DB_P_STR(c->step.issuer_id), DB_P_INT4(c->step.shard)};
    TRY(db_exec(conn, "DELETE FROM ca.crl_chunk WHERE issuer_id = $1 AND shard = $2", old, 2, NULL,
                diag));
    TRY(insert_crl(conn, c, diag));
    return insert_chunks(conn, c, diag);
}

enum chancery_err ca_store_crl(struct db_pool *db, const struct ca_crl *crl, struct diag *diag)
{
    struct series_tx t = {.step = crl->step, .crl = crl};
    return outcome(db_tx(db, NULL, store_tx, &t, diag), &t);
}

enum chancery_err ca_store_crl_signed(struct db_pool *db, const struct ca_crl *crl, bool *out,
                                      struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(crl->step.issuer_id), DB_P_INT4(crl->step.shard),
                                      DB_P_INT8((int64_t)crl->step.number),
                                      DB_P_BYTES(crl->signature)};
    struct db_result *result = NULL;
    TRY(run(db,
            "SELECT 1 FROM ca.crl WHERE issuer_id = $1 AND shard = $2 AND number = $3 AND "
            "signature = $4",
            params, 4, &result, diag));
    *out = db_rows(result) == 1;
    db_result_free(result);
    return CH_OK;
}

/* ---- merging ---- */

enum chancery_err ca_store_crl_chunk(struct db_pool *db, const char *issuer_id, uint32_t shard,
                                     uint64_t number, uint32_t seq, struct buf *out,
                                     struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(issuer_id), DB_P_INT4(shard),
                                      DB_P_INT8((int64_t)number), DB_P_INT4(seq)};
    struct db_result *result = NULL;
    TRY(run(db,
            "SELECT bytes FROM ca.crl_chunk WHERE issuer_id = $1 AND shard = $2 AND number = $3 "
            "AND seq = $4",
            params, 4, &result, diag));
    enum chancery_err err = db_rows(result) == 0 ? CH_END : buf_add(out, db_bytes(result, 0, 0));
    db_result_free(result);
    return err;
}

enum chancery_err ca_store_all_expired(struct db_pool *db, const char *issuer_id,
                                       const struct slice *serials, size_t n, int64_t before_s,
                                       bool *out, struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(issuer_id), DB_P_BYTES_ARRAY(serials, n),
                                      DB_P_INT8(before_s)};
    struct db_result *result = NULL;
    TRY(run(db,
            "SELECT count(*) FROM ca.issuance WHERE issuer_id = $1 AND serial = ANY($2::bytea[]) "
            "AND not_after_s < $3",
            params, 3, &result, diag));
    *out = db_int(result, 0, 0) == (int64_t)n;
    db_result_free(result);
    return CH_OK;
}
