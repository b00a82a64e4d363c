/* Status rows: lookup and insertion. */
#include <stdlib.h>

#include "revocation.h"

struct columns {
    struct slice *issuers, *serials, *actors;
    int64_t *reasons, *revoked, *shards, *not_after, *log_index;
};

static enum chancery_err columns_make(struct columns *c, struct arena *arena, size_t n)
{
    c->issuers = arena_alloc(arena, n * sizeof(struct slice));
    c->serials = arena_alloc(arena, n * sizeof(struct slice));
    c->actors = arena_alloc(arena, n * sizeof(struct slice));
    c->reasons = arena_alloc(arena, n * sizeof(int64_t));
    c->revoked = arena_alloc(arena, n * sizeof(int64_t));
    c->shards = arena_alloc(arena, n * sizeof(int64_t));
    c->not_after = arena_alloc(arena, n * sizeof(int64_t));
    c->log_index = arena_alloc(arena, n * sizeof(int64_t));
    return c->issuers == NULL || c->serials == NULL || c->actors == NULL || c->reasons == NULL ||
                   c->revoked == NULL || c->shards == NULL || c->not_after == NULL ||
                   c->log_index == NULL
               ? CH_NOMEM
               : CH_OK;
}

static void known_from_row(const struct db_result *r, size_t row, const struct revocation_key *key,
                           struct revocation_known *out)
{
    *out = (struct revocation_known){0};
    if (!db_is_null(r, row, 0)) {
        out->state = (int)db_int(r, row, 0);
        out->shard = (uint32_t)db_int(r, row, 1);
        out->not_after_s = db_int(r, row, 2);
    }
    out->revoked = !db_is_null(r, row, 3);
    if (out->revoked) {
        out->row = (struct revocation_row){.issuer_id = key->issuer_id,
                                           .serial = key->serial,
                                           .reason = (unsigned)db_int(r, row, 3),
                                           .revoked_at_s = db_int(r, row, 4),
                                           .shard = (uint32_t)db_int(r, row, 5),
                                           .not_after_s = db_int(r, row, 6),
                                           .log_index = (uint64_t)db_int(r, row, 7),
                                           .actor = ""};
    }
}

enum chancery_err revocation_known_read(struct db_pool *db, const struct revocation_key *keys,
                                        size_t n, struct revocation_known *out, struct diag *diag)
{
    static const char sql[] =
        "SELECT i.state, i.shard, i.not_after_s, s.reason, s.revoked_at_s, s.shard, s.not_after_s, "
        "s.log_index FROM unnest($1::text[], $2::bytea[]) WITH ORDINALITY AS k(issuer_id, serial, "
        "n) "
        "LEFT JOIN ca.issued_v1 i ON i.issuer_id = k.issuer_id AND i.serial = k.serial "
        "LEFT JOIN revocation.status s ON s.issuer_id = k.issuer_id AND s.serial = k.serial "
        "ORDER BY k.n";
    struct arena arena CLEANUP(arena_clear) = {0};
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    struct slice *issuers = arena_alloc(&arena, n * sizeof(struct slice));
    struct slice *serials = arena_alloc(&arena, n * sizeof(struct slice));
    if (issuers == NULL || serials == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        issuers[i] = slice_str(keys[i].issuer_id);
        /* An empty serial is one nobody used; a slice without pointer would be NULL. */
        serials[i] = keys[i].serial.len == 0 ? slice_of("", 0) : keys[i].serial;
    }
    const struct db_param params[] = {DB_P_TEXT_ARRAY(issuers, n), DB_P_BYTES_ARRAY(serials, n)};
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, 2, &r, diag);
    if (err == CH_OK && db_rows(r) != n) {
        err = diag_set(diag, CH_INTEGRITY, "", "revocation.lookup", "wrong number of rows");
    }
    for (size_t i = 0; err == CH_OK && i < n; i++) {
        known_from_row(r, i, &keys[i], &out[i]);
    }
    db_result_free(r);
    db_release(conn);
    return err == CH_UNKNOWN ? CH_UNAVAILABLE : err; /* reading has no outcome to be unsure of */
}

struct store {
    struct columns c;
    size_t n;
    int64_t now_s;
};

static enum chancery_err store_tx(struct db_conn *conn, void *ctx, struct diag *diag)
{
    static const char insert[] =
        "INSERT INTO revocation.status (issuer_id, serial, reason, revoked_at_s, shard, "
        "not_after_s, "
        "log_index, actor) SELECT i, s, r, t, h, e, l, a FROM unnest($1::text[], $2::bytea[], "
        "$3::int8[], $4::int8[], $5::int8[], $6::int8[], $7::int8[], $8::text[]) "
        "AS k(i, s, r, t, h, e, l, a) ON CONFLICT (issuer_id, serial) DO NOTHING";
    /* In key order, so that two transactions take row locks in the same order. The lock holds until
     * commit: counters grow in commit order. */
    static const char mark[] =
        "INSERT INTO revocation.dirty AS d (issuer_id, shard, changed, changed_at_s) "
        "SELECT DISTINCT i, h::int4, 1, $3::int8 FROM unnest($1::text[], $2::int8[]) AS k(i, h) "
        "ORDER BY 1, 2 ON CONFLICT (issuer_id, shard) DO UPDATE SET changed = d.changed + 1, "
        "changed_at_s = CASE WHEN d.covered = d.changed THEN excluded.changed_at_s "
        "ELSE d.changed_at_s END";
    const struct store *s = ctx;
    const struct columns *c = &s->c;
    const struct db_param rows[] = {
        DB_P_TEXT_ARRAY(c->issuers, s->n),   DB_P_BYTES_ARRAY(c->serials, s->n),
        DB_P_INT8_ARRAY(c->reasons, s->n),   DB_P_INT8_ARRAY(c->revoked, s->n),
        DB_P_INT8_ARRAY(c->shards, s->n),    DB_P_INT8_ARRAY(c->not_after, s->n),
        DB_P_INT8_ARRAY(c->log_index, s->n), DB_P_TEXT_ARRAY(c->actors, s->n)};
    const struct db_param series[] = {DB_P_TEXT_ARRAY(c->issuers, s->n),
                                      DB_P_INT8_ARRAY(c->shards, s->n), DB_P_INT8(s->now_s)};
    TRY(db_exec(conn, insert, rows, 8, NULL, diag));
    return db_exec(conn, mark, series, 3, NULL, diag);
}

enum chancery_err revocation_rows_store(struct db_pool *db, const struct revocation_row *rows,
                                        size_t n, int64_t now_s, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct store s = {.n = n, .now_s = now_s};
    TRY(columns_make(&s.c, &arena, n));
    for (size_t i = 0; i < n; i++) {
        s.c.issuers[i] = slice_str(rows[i].issuer_id);
        s.c.serials[i] = rows[i].serial;
        s.c.actors[i] = slice_str(rows[i].actor);
        s.c.reasons[i] = rows[i].reason;
        s.c.revoked[i] = rows[i].revoked_at_s;
        s.c.shards[i] = rows[i].shard;
        s.c.not_after[i] = rows[i].not_after_s;
        s.c.log_index[i] = (int64_t)rows[i].log_index;
    }
    /* Inserting what exists does nothing, so an unknown outcome is healed by doing it again. */
    enum chancery_err err = db_tx(db, NULL, store_tx, &s, diag);
    if (err == CH_UNKNOWN) {
        err = db_tx(db, NULL, store_tx, &s, diag);
    }
    return err;
}
