/* Reservations and certificates.
 *
 * Both writes are single statements that commit by themselves. The row of the own lease is held FOR
 * KEY SHARE inside them: settlement takes it FOR UPDATE before it fences, so a reservation or a
 * certificate either comes before the fence, or finds it and does nothing. */
#include "store.h"

#define LEASE                                                                                      \
    "lease AS MATERIALIZED (SELECT epoch FROM ca.instance WHERE epoch = $1 AND fenced_at_s IS "    \
    "NULL "                                                                                        \
    "FOR KEY SHARE)"

static enum chancery_err run(struct db_pool *db, const char *sql, const struct db_param *params,
                             size_t n, struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(db_acquire(db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, n, out, diag);
    db_release(conn);
    return err;
}

/* ---- reserve ---- */

static const char sql_reserve[] =
    "WITH " LEASE ", "
    "batch AS MATERIALIZED (SELECT nextval('ca.issuance_ids') AS first_id, epoch FROM lease), "
    "statement AS (INSERT INTO ca.statement (statement_sha256, statement, signature, "
    "received_at_s) SELECT $11, $12, $13, $10 FROM lease ON CONFLICT DO NOTHING), "
    "permit AS (INSERT INTO ca.permit (permit_sha256, permit, signature, received_at_s) "
    "SELECT $14, $15, $16, $10 FROM lease ON CONFLICT DO NOTHING), "
    "open AS (INSERT INTO ca.open_batch (first_id, n, epoch) SELECT first_id, $17, epoch FROM "
    "batch), "
    "rows AS (INSERT INTO ca.issuance (id, issuer_id, serial, tbs_sha256, not_after_s, shard, "
    "request_id, attempt, instance, epoch, reserved_at_s) "
    "SELECT batch.first_id + u.ord - 1, u.issuer_id, u.serial, u.tbs, u.not_after, u.shard, "
    "u.request, u.attempt, $9, batch.epoch, $10 "
    "FROM batch, unnest($2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::integer[], "
    "$7::bytea[], $8::integer[]) WITH ORDINALITY "
    "AS u(issuer_id, serial, tbs, not_after, shard, request, attempt, ord)) "
    "SELECT first_id FROM batch";

enum chancery_err ca_store_reserve(struct db_pool *db, const struct ca_reserve *r,
                                   int64_t *out_first_id, struct diag *diag)
{
    struct slice issuers[PERMIT_BATCH_MAX], serials[PERMIT_BATCH_MAX], tbs[PERMIT_BATCH_MAX],
        ids[PERMIT_BATCH_MAX];
    int64_t ends[PERMIT_BATCH_MAX], shards[PERMIT_BATCH_MAX], attempts[PERMIT_BATCH_MAX];
    if (r->n == 0 || r->n > PERMIT_BATCH_MAX) {
        return CH_INTERNAL;
    }
    for (size_t i = 0; i < r->n; i++) {
        issuers[i] = slice_str(r->rows[i].issuer_id);
        serials[i] = r->rows[i].serial;
        tbs[i] = r->rows[i].tbs_sha256;
        ids[i] = r->rows[i].request_id;
        ends[i] = r->rows[i].not_after_s;
        shards[i] = r->rows[i].shard;
        attempts[i] = r->rows[i].attempt;
    }
    const struct db_param params[] = {
        DB_P_INT8(r->epoch),
        DB_P_TEXT_ARRAY(issuers, r->n),
        DB_P_BYTES_ARRAY(serials, r->n),
        DB_P_BYTES_ARRAY(tbs, r->n),
        DB_P_INT8_ARRAY(ends, r->n),
        DB_P_INT4_ARRAY(shards, r->n),
        DB_P_BYTES_ARRAY(ids, r->n),
        DB_P_INT4_ARRAY(attempts, r->n),
        DB_P_STR(r->instance),
        DB_P_INT8(r->now_s),
        DB_P_BYTES(r->statement.sha256),
        DB_P_BYTES(r->statement.bytes),
        DB_P_BYTES(r->statement.signature),
        DB_P_BYTES(r->permit.sha256),
        DB_P_BYTES(r->permit.bytes),
        DB_P_BYTES(r->permit.signature),
        DB_P_INT4((int64_t)r->n),
    };
    struct db_result *result = NULL;
    TRY(run(db, sql_reserve, params, sizeof params / sizeof params[0], &result, diag));
    bool reserved = db_rows(result) == 1;
    if (reserved) {
        *out_first_id = db_int(result, 0, 0);
    }
    db_result_free(result);
    return reserved ? CH_OK
                    : diag_set(diag, CH_PRECONDITION, "lease", "ca.fenced",
                               "the lease of this instance was fenced");
}

/* ---- store ---- */

/* A request gets one certificate: of attempts that ran side by side the first one counts. The
 * unique request id sees to that; a statement that fails by it is repeated with TWICE, which tells
 * whose request has its certificate and leaves those out. */
#define TWICE                                                                                      \
    ", twice AS MATERIALIZED (SELECT k.id FROM unnest($2::bigint[], $16::bytea[]) AS k(id, "       \
    "request_id) JOIN ca.certificate c ON c.request_id = k.request_id WHERE c.id <> k.id)"
#define NOT_TWICE " AND k.id NOT IN (SELECT t.id FROM twice t)"
#define TELL_TWICE " UNION ALL SELECT t.id, 1 FROM twice t"

/* What is joined is kept narrow, and the wide rows are only filtered: a batch is moved in one pass.
 */
#define STORE(twice, not_twice, tell_twice)                                                        \
    "WITH " LEASE twice                                                                            \
    ", moved AS (UPDATE ca.issuance i SET state = 2 FROM lease, unnest($2::bigint[], "             \
    "$3::bytea[], $4::bytea[]) AS k(id, serial, tbs) WHERE i.id = k.id AND i.serial = k.serial "   \
    "AND i.tbs_sha256 = k.tbs AND i.state = 1 AND i.epoch = lease.epoch" not_twice                 \
    " RETURNING i.id), "                                                                           \
    "closed AS (DELETE FROM ca.open_batch b WHERE b.first_id = ($2::bigint[])[1] AND b.n = "       \
    "(SELECT count(*) FROM moved m WHERE m.id BETWEEN b.first_id AND b.first_id + b.n - 1)), "     \
    "stored AS (INSERT INTO ca.certificate (id, serial, tbs_sha256, issuer_id, der, tenant, "      \
    "requester, profile, spki_sha256, subject, names, not_before_s, evidence_sha256, "             \
    "request_sha256, issuer_key, request_id, permit_index, intent_index, result_index, attempt, "  \
    "not_after_s, shard, statement_sha256, permit_sha256, bundle_sha256, build_id, issued_at_s) "  \
    "SELECT u.id, u.serial, u.tbs, u.issuer_id, u.der, u.tenant, u.requester, u.profile, u.spki, " \
    "u.subject, string_to_array(u.names, E'\\n'), u.not_before, u.evidence, u.request, "           \
    "u.issuer_key, u.request_id, u.permit_index, u.intent_index, u.result_index, u.attempt, "      \
    "u.not_after, u.shard, $23, $24, $25, $26, $27 FROM unnest($2::bigint[], $3::bytea[], "        \
    "$4::bytea[], $5::text[], $6::bytea[], $7::text[], $8::text[], $9::text[], $10::bytea[], "     \
    "$11::text[], $12::text[], $13::bigint[], $14::bytea[], $15::bytea[], $22::bytea[], "          \
    "$16::bytea[], $17::integer[], $18::bigint[], $19::bigint[], $20::integer[], $21::bigint[], "  \
    "$28::integer[]) AS u(id, serial, tbs, issuer_id, der, tenant, requester, profile, spki, "     \
    "subject, names, not_before, evidence, request, issuer_key, request_id, permit_index, "        \
    "intent_index, result_index, attempt, not_after, shard) "                                      \
    "WHERE u.id = ANY (ARRAY(SELECT m.id FROM moved m))), "                                        \
    "named AS (INSERT INTO ca.certificate_name (name, certificate_id) SELECT n.name, n.id "        \
    "FROM unnest($29::text[], $30::bigint[]) AS n(name, id) "                                      \
    "WHERE n.id = ANY (ARRAY(SELECT m.id FROM moved m))) "                                         \
    "SELECT m.id, 0 FROM moved m" tell_twice

static const char sql_store[] = STORE("", "", "");
static const char sql_store_careful[] = STORE(TWICE, NOT_TWICE, TELL_TWICE);

/* The columns of a batch, as the arrays that unnest wants. */
struct columns {
    struct slice issuer[PERMIT_BATCH_MAX], serial[PERMIT_BATCH_MAX], tbs[PERMIT_BATCH_MAX],
        der[PERMIT_BATCH_MAX], tenant[PERMIT_BATCH_MAX], requester[PERMIT_BATCH_MAX],
        profile[PERMIT_BATCH_MAX], spki[PERMIT_BATCH_MAX], subject[PERMIT_BATCH_MAX],
        names[PERMIT_BATCH_MAX], evidence[PERMIT_BATCH_MAX], request[PERMIT_BATCH_MAX],
        key[PERMIT_BATCH_MAX], request_id[PERMIT_BATCH_MAX];
    int64_t id[PERMIT_BATCH_MAX], not_before[PERMIT_BATCH_MAX], not_after[PERMIT_BATCH_MAX],
        index[PERMIT_BATCH_MAX], intent[PERMIT_BATCH_MAX], result[PERMIT_BATCH_MAX],
        attempt[PERMIT_BATCH_MAX], shard[PERMIT_BATCH_MAX];
    struct slice *name; /* lookup names, and whose they are */
    int64_t *name_id;
    size_t n_names;
};

static void fill_reserved(const struct ca_reservation *r, size_t i, struct columns *c)
{
    c->issuer[i] = slice_str(r->issuer_id);
    c->serial[i] = r->serial;
    c->tbs[i] = r->tbs_sha256;
    c->request_id[i] = r->request_id;
    c->not_after[i] = r->not_after_s;
    c->attempt[i] = r->attempt;
    c->shard[i] = r->shard;
}

static void fill_columns(const struct ca_store *s, struct columns *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct ca_certificate *r = &s->rows[i];
        fill_reserved(r->reservation, i, c);
        c->id[i] = r->id;
        c->der[i] = r->der;
        c->tenant[i] = r->tenant;
        c->requester[i] = r->requester;
        c->profile[i] = r->profile;
        c->spki[i] = r->spki_sha256;
        c->subject[i] = r->subject;
        c->names[i] = r->names;
        c->evidence[i] = r->evidence_sha256;
        c->request[i] = r->request_sha256;
        c->key[i] = r->issuer_key;
        c->not_before[i] = r->not_before_s;
        c->index[i] = r->permit_index;
        c->intent[i] = (int64_t)r->intent_index;
        c->result[i] = (int64_t)r->result_index;
        for (size_t k = 0; k < r->n_keys; k++) {
            c->name[c->n_names] = r->keys[k];
            c->name_id[c->n_names++] = r->id;
        }
    }
}

static struct columns *columns_of(const struct ca_store *s, struct arena *arena)
{
    size_t names = 1;
    for (size_t i = 0; i < s->n; i++) {
        names += s->rows[i].n_keys;
    }
    struct columns *c = arena_alloc(arena, sizeof *c);
    if (c != NULL) {
        c->name = arena_alloc(arena, names * sizeof *c->name);
        c->name_id = arena_alloc(arena, names * sizeof *c->name_id);
    }
    if (c == NULL || c->name == NULL || c->name_id == NULL) {
        return NULL;
    }
    fill_columns(s, c);
    return c;
}

static enum chancery_err exec_store(struct db_pool *db, const char *sql, const struct ca_store *s,
                                    const struct columns *c, struct db_result **out,
                                    struct diag *diag)
{
    const struct db_param params[] = {
        DB_P_INT8(s->epoch),
        DB_P_INT8_ARRAY(c->id, s->n),
        DB_P_BYTES_ARRAY(c->serial, s->n),
        DB_P_BYTES_ARRAY(c->tbs, s->n),
        DB_P_TEXT_ARRAY(c->issuer, s->n),
        DB_P_BYTES_ARRAY(c->der, s->n),
        DB_P_TEXT_ARRAY(c->tenant, s->n),
        DB_P_TEXT_ARRAY(c->requester, s->n),
        DB_P_TEXT_ARRAY(c->profile, s->n),
        DB_P_BYTES_ARRAY(c->spki, s->n),
        DB_P_TEXT_ARRAY(c->subject, s->n),
        DB_P_TEXT_ARRAY(c->names, s->n),
        DB_P_INT8_ARRAY(c->not_before, s->n),
        DB_P_BYTES_ARRAY(c->evidence, s->n),
        DB_P_BYTES_ARRAY(c->request, s->n),
        DB_P_BYTES_ARRAY(c->request_id, s->n),
        DB_P_INT4_ARRAY(c->index, s->n),
        DB_P_INT8_ARRAY(c->intent, s->n),
        DB_P_INT8_ARRAY(c->result, s->n),
        DB_P_INT4_ARRAY(c->attempt, s->n),
        DB_P_INT8_ARRAY(c->not_after, s->n),
        DB_P_BYTES_ARRAY(c->key, s->n),
        DB_P_BYTES(s->statement_sha256),
        DB_P_BYTES(s->permit_sha256),
        DB_P_BYTES(s->bundle_sha256),
        DB_P_STR(s->build_id),
        DB_P_INT8(s->now_s),
        DB_P_INT4_ARRAY(c->shard, s->n),
        DB_P_TEXT_ARRAY(c->name, c->n_names),
        DB_P_INT8_ARRAY(c->name_id, c->n_names),
    };
    return run(db, sql, params, sizeof params / sizeof params[0], out, diag);
}

/* Marks the row with this id. */
static void mark(const struct columns *c, size_t n, int64_t id, bool *marks)
{
    for (size_t i = 0; i < n; i++) {
        marks[i] = marks[i] || c->id[i] == id;
    }
}

enum chancery_err ca_store_certificates(struct db_pool *db, const struct ca_store *s,
                                        bool *out_stored, bool *out_twice, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear);
    struct db_result *result = NULL;
    if (s->n == 0 || s->n > PERMIT_BATCH_MAX) {
        return CH_INTERNAL;
    }
    arena_init(&arena, 0);
    struct columns *c = columns_of(s, &arena);
    if (c == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = exec_store(db, sql_store, s, c, &result, diag);
    if (err == CH_EXISTS) { /* nothing was stored: a request has its certificate already */
        err = exec_store(db, sql_store_careful, s, c, &result, diag);
    }
    TRY(err);
    memset(out_stored, 0, s->n * sizeof *out_stored);
    memset(out_twice, 0, s->n * sizeof *out_twice);
    for (size_t i = 0; i < db_rows(result); i++) {
        mark(c, s->n, db_int(result, i, 0), db_int(result, i, 1) == 0 ? out_stored : out_twice);
    }
    db_result_free(result);
    return CH_OK;
}

/* ---- states ---- */

static enum chancery_err one_state(struct db_pool *db, const char *sql,
                                   const struct db_param *params, size_t n, enum ca_state *out,
                                   struct diag *diag)
{
    struct db_result *result = NULL;
    TRY(run(db, sql, params, n, &result, diag));
    *out = db_rows(result) == 0 ? CA_NONE : (enum ca_state)db_int(result, 0, 0);
    db_result_free(result);
    return CH_OK;
}

enum chancery_err ca_store_state(struct db_pool *db, const char *issuer_id, struct slice serial,
                                 enum ca_state *out, struct diag *diag)
{
    const struct db_param params[] = {DB_P_STR(issuer_id), DB_P_BYTES(serial)};
    return one_state(db, "SELECT state FROM ca.issuance WHERE issuer_id = $1 AND serial = $2",
                     params, 2, out, diag);
}

enum chancery_err ca_store_attempt(struct db_pool *db, struct slice request_id, uint32_t attempt,
                                   enum ca_state *out, struct diag *diag)
{
    const struct db_param params[] = {DB_P_BYTES(request_id), DB_P_INT4(attempt)};
    return one_state(db, "SELECT state FROM ca.issuance WHERE request_id = $1 AND attempt = $2",
                     params, 2, out, diag);
}

enum chancery_err ca_store_change(struct db_pool *db, const struct ca_change *rows, size_t n,
                                  struct diag *diag)
{
    struct slice issuers[CA_ORPHANS_MAX], serials[CA_ORPHANS_MAX];
    int64_t states[CA_ORPHANS_MAX];
    if (n == 0 || n > CA_ORPHANS_MAX) {
        return n == 0 ? CH_OK : CH_INTERNAL;
    }
    for (size_t i = 0; i < n; i++) {
        issuers[i] = slice_str(rows[i].issuer_id);
        serials[i] = rows[i].serial;
        states[i] = (int64_t)rows[i].to;
    }
    const struct db_param params[] = {DB_P_TEXT_ARRAY(issuers, n), DB_P_BYTES_ARRAY(serials, n),
                                      DB_P_INT4_ARRAY(states, n)};
    return run(db,
               "UPDATE ca.issuance i SET state = u.state::smallint "
               "FROM unnest($1::text[], $2::bytea[], $3::integer[]) AS u(issuer_id, serial, state) "
               "WHERE i.issuer_id = u.issuer_id AND i.serial = u.serial "
               "AND (i.state = 1 OR (i.state = 3 AND u.state = 4))",
               params, 3, NULL, diag);
}
