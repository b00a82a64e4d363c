/* SQL of the limits: one call of a function each, which is one transaction. */
#include "limiter_int.h"

#define NS_PER_S 1000000000LL

static enum chancery_err run(struct db_pool *db, const char *sql, const struct db_param *params,
                             size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

/* ---- admit ---- */

static const char sql_admit[] =
    "SELECT kind, x, a, b, c, d FROM policy.limits_admit($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, "
    "$11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26, $27, $28, "
    "$29, $30, $31)";

enum { ROW_ITEM = 1, ROW_PAIR, ROW_SCOPE };

/* A batch as the arrays that the function takes. */
struct columns {
    struct slice keys[LIMITS_SCOPES_MAX];
    int64_t intervals[LIMITS_SCOPES_MAX], bursts[LIMITS_SCOPES_MAX], actives[LIMITS_SCOPES_MAX],
        haves[LIMITS_SCOPES_MAX], blocks[LIMITS_SCOPES_MAX];
    struct slice requests[PERMIT_BATCH_MAX], tenants[PERMIT_BATCH_MAX], profiles[PERMIT_BATCH_MAX],
        requesters[PERMIT_BATCH_MAX], keys_used[PERMIT_BATCH_MAX], names[PERMIT_BATCH_MAX],
        tbs[PERMIT_BATCH_MAX], issuers[PERMIT_BATCH_MAX], serials[PERMIT_BATCH_MAX];
    int64_t ends[PERMIT_BATCH_MAX], windows[PERMIT_BATCH_MAX], reuses[PERMIT_BATCH_MAX],
        records[PERMIT_BATCH_MAX], like_names[PERMIT_BATCH_MAX], like_key[PERMIT_BATCH_MAX],
        like_who[PERMIT_BATCH_MAX];
    int64_t pair_items[LIMITS_SCOPES_MAX], pair_scopes[LIMITS_SCOPES_MAX], locks[LIMITS_LOCKS_MAX];
};

/* The place, from 1 on, of the first text that is like the i-th. */
static int64_t first_like(const struct slice *texts, size_t i)
{
    size_t k = 0;
    while (!slice_eq(texts[k], texts[i])) {
        k++;
    }
    return (int64_t)k + 1;
}

static void fill_items(const struct limits_batch *b, struct columns *c)
{
    for (size_t i = 0; i < b->n_items; i++) {
        const struct policy_ask *ask = b->items[i].ask;
        const struct policy_limits *limits = ask->limits->profile;
        c->requests[i] = slice_of(ask->digest, 32);
        c->tenants[i] = ask->request->tenant;
        c->profiles[i] = ask->request->profile;
        c->requesters[i] = ask->request->requester;
        c->keys_used[i] = ask->request->spki_sha256;
        c->names[i] = slice_of(b->items[i].names, 32);
        c->tbs[i] = slice_of(ask->tbs_sha256, 32);
        c->issuers[i] = slice_str(ask->issuer_id);
        c->serials[i] = ask->serial;
        c->ends[i] = ask->not_after_s;
        c->windows[i] = limits->duplicates_refused ? limits->renewal_window_s : -1;
        c->reuses[i] = (int64_t)limits->key_reuse;
        c->records[i] = (int64_t)b->items[i].record;
        c->like_names[i] = first_like(c->names, i);
        c->like_key[i] = first_like(c->keys_used, i);
        c->like_who[i] = first_like(c->requesters, i);
    }
}

static void fill_scopes(const struct limits_batch *b, struct columns *c)
{
    for (size_t i = 0; i < b->n_scopes; i++) {
        const struct limits_scope *s = &b->scopes[i];
        c->keys[i] = s->key;
        c->intervals[i] = s->limit->interval_ns;
        c->bursts[i] = s->limit->burst;
        c->actives[i] = s->limit->active;
        c->haves[i] = s->have;
        c->blocks[i] = s->block;
    }
    for (size_t i = 0; i < b->n_pairs; i++) { /* arrays of SQL begin at 1 */
        c->pair_items[i] = (int64_t)b->pairs[i].item + 1;
        c->pair_scopes[i] = (int64_t)b->pairs[i].scope + 1;
    }
    for (size_t i = 0; i < b->n_locks; i++) {
        c->locks[i] = b->locks[i];
    }
}

static enum chancery_err exec_admit(struct db_pool *db, const uint8_t holder[16], int64_t lease_ms,
                                    const struct limits_batch *b, const struct columns *c,
                                    struct db_result **out, struct diag *diag)
{
    const struct db_param params[] = {
        DB_P_BOOL(b->dry),
        DB_P_BYTES(slice_of(holder, 16)),
        DB_P_INT8(lease_ms * 1000000),
        DB_P_INT8(b->now_s),
        DB_P_INT8(b->expires_s),
        DB_P_INT8(POLICY_ATTEMPTS_MAX),
        DB_P_INT4_ARRAY(c->locks, b->n_locks),
        DB_P_TEXT_ARRAY(c->keys, b->n_scopes),
        DB_P_INT8_ARRAY(c->intervals, b->n_scopes),
        DB_P_INT8_ARRAY(c->bursts, b->n_scopes),
        DB_P_INT8_ARRAY(c->actives, b->n_scopes),
        DB_P_INT8_ARRAY(c->haves, b->n_scopes),
        DB_P_INT8_ARRAY(c->blocks, b->n_scopes),
        DB_P_BYTES_ARRAY(c->requests, b->n_items),
        DB_P_TEXT_ARRAY(c->tenants, b->n_items),
        DB_P_TEXT_ARRAY(c->profiles, b->n_items),
        DB_P_TEXT_ARRAY(c->requesters, b->n_items),
        DB_P_BYTES_ARRAY(c->keys_used, b->n_items),
        DB_P_BYTES_ARRAY(c->names, b->n_items),
        DB_P_INT8_ARRAY(c->ends, b->n_items),
        DB_P_BYTES_ARRAY(c->tbs, b->n_items),
        DB_P_TEXT_ARRAY(c->issuers, b->n_items),
        DB_P_BYTES_ARRAY(c->serials, b->n_items),
        DB_P_INT8_ARRAY(c->windows, b->n_items),
        DB_P_INT4_ARRAY(c->reuses, b->n_items),
        DB_P_INT4_ARRAY(c->records, b->n_items),
        DB_P_INT4_ARRAY(c->like_names, b->n_items),
        DB_P_INT4_ARRAY(c->like_key, b->n_items),
        DB_P_INT4_ARRAY(c->like_who, b->n_items),
        DB_P_INT4_ARRAY(c->pair_items, b->n_pairs),
        DB_P_INT4_ARRAY(c->pair_scopes, b->n_pairs),
    };
    return run(db, sql_admit, params, sizeof params / sizeof *params, out, diag);
}

static bool index_ok(int64_t v, size_t n)
{
    return v >= 1 && (uint64_t)v <= n;
}

static void take_item(const struct db_result *r, size_t row, struct policy_usage *u)
{
    int64_t used = db_int(r, row, 4);
    u->state = POLICY_USAGE_KNOWN;
    u->recorded = db_int(r, row, 2) == 1;
    u->duplicate_not_after_s = db_int(r, row, 3);
    u->key_same = (used & 1) != 0;
    u->key_other = (used & 2) != 0;
    u->attempts = db_int(r, row, 5);
}

static void take_pair(const struct db_result *r, size_t row, const struct limits_batch *b,
                      size_t item, size_t scope)
{
    for (size_t i = 0; i < b->n_pairs; i++) {
        const struct limits_pair *p = &b->pairs[i];
        if (p->item == item && p->scope == scope) {
            struct policy_scope_usage *u = &b->items[item].ask->usage.scopes[p->kind];
            u->granted = db_int(r, row, 3) == 1;
            u->active = db_int(r, row, 4);
        }
    }
}

static enum chancery_err take_rows(const struct db_result *r, struct limits_batch *b)
{
    for (size_t row = 0; row < db_rows(r); row++) {
        int64_t kind = db_int(r, row, 0), x = db_int(r, row, 1), a = db_int(r, row, 2);
        if (kind == ROW_ITEM && index_ok(x, b->n_items)) {
            take_item(r, row, &b->items[x - 1].ask->usage);
        } else if (kind == ROW_PAIR && index_ok(x, b->n_items) && index_ok(a, b->n_scopes)) {
            take_pair(r, row, b, (size_t)x - 1, (size_t)a - 1);
        } else if (kind == ROW_SCOPE && index_ok(x, b->n_scopes)) {
            b->scopes[x - 1].have = a;
            b->scopes[x - 1].wait_ns = db_int(r, row, 3);
        } else {
            return CH_INTEGRITY;
        }
    }
    return CH_OK;
}

/* When a token may be free, in whole seconds, at least one. */
static void fill_waits(struct limits_batch *b)
{
    for (size_t i = 0; i < b->n_pairs; i++) {
        const struct limits_pair *p = &b->pairs[i];
        struct policy_scope_usage *u = &b->items[p->item].ask->usage.scopes[p->kind];
        int64_t wait_ns = b->scopes[p->scope].wait_ns;
        if (!u->granted) {
            u->retry_after_s = wait_ns <= NS_PER_S ? 1 : (wait_ns + NS_PER_S - 1) / NS_PER_S;
        }
    }
}

enum chancery_err policy_limiter_store_admit(struct db_pool *db, const uint8_t holder[16],
                                             int64_t lease_ms, struct limits_batch *b,
                                             struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear);
    struct db_result *r = NULL;
    arena_init(&arena, 0);
    struct columns *c = arena_alloc(&arena, sizeof *c);
    if (c == NULL) {
        return CH_NOMEM;
    }
    fill_items(b, c);
    fill_scopes(b, c);
    TRY(exec_admit(db, holder, lease_ms, b, c, &r, diag));
    enum chancery_err err = take_rows(r, b);
    db_result_free(r);
    if (err == CH_OK) {
        fill_waits(b);
    }
    return err;
}

/* ---- the rest ---- */

enum chancery_err policy_limiter_store_return(struct db_pool *db, const uint8_t holder[16],
                                              const struct limits_rest *rest, struct diag *diag)
{
    const struct db_param params[] = {
        DB_P_BYTES(slice_of(holder, 16)), DB_P_TEXT_ARRAY(rest->keys, rest->n),
        DB_P_INT8_ARRAY(rest->intervals, rest->n), DB_P_INT8_ARRAY(rest->tokens, rest->n)};
    return run(db, "SELECT policy.limits_return($1, $2, $3, $4)", params, 4, NULL, diag);
}

enum chancery_err policy_limiter_store_sweep(struct db_pool *db, int64_t now_s, bool tidy,
                                             struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8(now_s)}, most[] = {DB_P_INT4(10000)};
    TRY(run(db, "SELECT policy.limits_sweep($1, 1000)", params, 1, NULL, diag));
    return tidy ? run(db, "SELECT policy.limits_tidy($1)", most, 1, NULL, diag) : CH_OK;
}

enum chancery_err policy_limiter_store_hold(struct db_pool *db, const uint8_t holder[16],
                                            uint64_t *out_position, bool *out_idle,
                                            struct diag *diag)
{
    static const char sql[] =
        "UPDATE policy.log_cursor SET holder = $1, held_ns = policy.now_ns() + 30000000000 "
        "WHERE holder = $1 OR held_ns < policy.now_ns() OR holder IS NULL "
        "RETURNING position, NOT EXISTS (SELECT FROM policy.attempt)";
    const struct db_param params[] = {DB_P_BYTES(slice_of(holder, 16))};
    struct db_result *r = NULL;
    TRY(run(db, sql, params, 1, &r, diag));
    bool mine = db_rows(r) == 1;
    if (mine) {
        *out_position = (uint64_t)db_int(r, 0, 0);
        *out_idle = db_int(r, 0, 1) == 1;
    }
    db_result_free(r);
    return mine ? CH_OK : CH_NOT_FOUND;
}

enum chancery_err policy_limiter_store_skip(struct db_pool *db, uint64_t size, struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8((int64_t)size)};
    return run(db,
               "UPDATE policy.log_cursor SET position = $1 WHERE position < $1 AND NOT EXISTS "
               "(SELECT FROM policy.attempt)",
               params, 1, NULL, diag);
}

enum chancery_err policy_limiter_store_follow(struct db_pool *db, const struct policy_follow *f,
                                              int64_t read_s, struct diag *diag)
{
    const struct db_param params[] = {DB_P_INT8((int64_t)f->from),
                                      DB_P_INT8((int64_t)f->next),
                                      DB_P_BYTES_ARRAY(f->intended, f->n_intended),
                                      DB_P_BYTES_ARRAY(f->ended, f->n_ended),
                                      DB_P_TEXT_ARRAY(f->issuers, f->n_revoked),
                                      DB_P_BYTES_ARRAY(f->serials, f->n_revoked),
                                      DB_P_INT8(read_s)};
    struct db_result *r = NULL;
    TRY(run(db, "SELECT policy.limits_follow($1, $2, $3, $4, $5, $6, $7)", params, 7, &r, diag));
    bool done = db_rows(r) == 1 && db_int(r, 0, 0) == 1;
    db_result_free(r);
    return done ? CH_OK
                : diag_set(diag, CH_CONFLICT, "limits", "policy.follow",
                           "another instance has read the log further");
}
