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
    "WITH " LEASE ", statement AS (INSERT INTO ca.statement (statement_sha256, statement, "
                  "signature, received_at_s) "
    "SELECT $11, $12, $13, $10 FROM lease ON CONFLICT DO NOTHING), "
    "permit AS (INSERT INTO ca.permit (permit_sha256, permit, signature, received_at_s) "
    "SELECT $14, $15, $16, $10 FROM lease ON CONFLICT DO NOTHING) "
    "INSERT INTO ca.issuance (issuer_id, serial, tbs_sha256, not_after_s, shard, request_id, "
    "attempt, instance, epoch, "
    "reserved_at_s) "
    "SELECT u.issuer_id, u.serial, u.tbs, u.not_after, u.shard, u.request, u.attempt, $9, "
    "lease.epoch, $10 "
    "FROM lease, unnest($2::text[], $3::bytea[], $4::bytea[], $5::bigint[], $6::integer[], "
    "$7::bytea[], $8::integer[]) "
    "AS u(issuer_id, serial, tbs, not_after, shard, request, attempt)";

enum chancery_err ca_store_reserve(struct db_pool *db, const struct ca_reserve *r,
                                   struct diag *diag)
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
    };
    struct db_result *result = NULL;
    TRY(run(db, sql_reserve, params, sizeof params / sizeof params[0], &result, diag));
    uint64_t rows = db_affected(result);
    db_result_free(result);
    if (rows == 0) {
        return diag_set(diag, CH_PRECONDITION, "lease", "ca.fenced",
                        "the lease of this instance was fenced");
    }
    return rows == r->n ? CH_OK : CH_INTERNAL;
}

/* ---- store ---- */

static const char sql_store[] =
    "WITH " LEASE ", u AS MATERIALIZED (SELECT * FROM unnest($2::text[], $3::bytea[], $4::bytea[], "
                  "$5::text[], $6::text[], "
    "$7::text[], $8::bytea[], $9::text[], $10::text[], $11::bigint[], $12::bytea[], $13::bytea[], "
    "$14::bytea[], "
    "$15::integer[], $16::bigint[], $17::bigint[]) WITH ORDINALITY AS t(issuer_id, serial, der, "
    "tenant, requester, "
    "profile, spki, subject, names, not_before, evidence, request, issuer_key, permit_index, "
    "intent_index, result_index, "
    "ord)), "
    /* A request gets one certificate: of attempts that ran side by side the first one counts. */
    "twice AS MATERIALIZED (SELECT u.ord FROM u JOIN ca.certificate c ON c.request_id = "
    "($25::bytea[])[u.ord] "
    "WHERE (c.issuer_id, c.serial) <> (u.issuer_id, u.serial)), "
    "moved AS (UPDATE ca.issuance i SET state = 2 FROM u, lease WHERE i.issuer_id = u.issuer_id "
    "AND i.serial = u.serial "
    "AND i.state = 1 AND i.epoch = lease.epoch AND u.ord NOT IN (SELECT t.ord FROM twice t) "
    "RETURNING u.ord, i.issuer_id, i.serial, "
    "i.tbs_sha256, i.request_id, "
    "i.attempt, i.not_after_s, i.shard), "
    "stored AS (INSERT INTO ca.certificate (issuer_id, serial, der, tbs_sha256, tenant, requester, "
    "profile, request_id, "
    "attempt, spki_sha256, subject, names, not_before_s, not_after_s, shard, evidence_sha256, "
    "request_sha256, "
    "statement_sha256, permit_sha256, permit_index, bundle_sha256, issuer_key, build_id, "
    "intent_index, result_index, "
    "issued_at_s) "
    "SELECT m.issuer_id, m.serial, u.der, m.tbs_sha256, u.tenant, u.requester, u.profile, "
    "m.request_id, m.attempt, u.spki, "
    "u.subject, string_to_array(u.names, E'\\n'), u.not_before, m.not_after_s, m.shard, "
    "u.evidence, u.request, $18, $19, "
    "u.permit_index, $20, u.issuer_key, $21, u.intent_index, u.result_index, $22 FROM moved m JOIN "
    "u USING (ord) "
    "RETURNING id, issuer_id, serial), "
    "named AS (INSERT INTO ca.certificate_name (name, certificate_id) SELECT DISTINCT n.name, s.id "
    "FROM unnest($23::text[], $24::integer[]) AS n(name, ord) JOIN moved m ON m.ord = n.ord "
    "JOIN stored s ON s.issuer_id = m.issuer_id AND s.serial = m.serial) "
    "SELECT m.ord, 0 FROM moved m JOIN stored s ON s.issuer_id = m.issuer_id AND s.serial = "
    "m.serial "
    "UNION ALL SELECT t.ord, 1 FROM twice t";

/* The columns of a batch, as the arrays that unnest wants. */
struct columns {
    struct slice issuer[PERMIT_BATCH_MAX], serial[PERMIT_BATCH_MAX], der[PERMIT_BATCH_MAX],
        tenant[PERMIT_BATCH_MAX];
    struct slice requester[PERMIT_BATCH_MAX], profile[PERMIT_BATCH_MAX], spki[PERMIT_BATCH_MAX];
    struct slice subject[PERMIT_BATCH_MAX], names[PERMIT_BATCH_MAX], evidence[PERMIT_BATCH_MAX];
    struct slice request[PERMIT_BATCH_MAX], key[PERMIT_BATCH_MAX], id[PERMIT_BATCH_MAX];
    int64_t not_before[PERMIT_BATCH_MAX], index[PERMIT_BATCH_MAX], intent[PERMIT_BATCH_MAX],
        result[PERMIT_BATCH_MAX];
};

static void fill_columns(const struct ca_store *s, struct columns *c)
{
    for (size_t i = 0; i < s->n; i++) {
        const struct ca_certificate *r = &s->rows[i];
        c->issuer[i] = slice_str(r->reservation->issuer_id);
        c->serial[i] = r->reservation->serial;
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
        c->id[i] = r->reservation->request_id;
        c->not_before[i] = r->not_before_s;
        c->index[i] = r->permit_index;
        c->intent[i] = (int64_t)r->intent_index;
        c->result[i] = (int64_t)r->result_index;
    }
}

static enum chancery_err exec_store(struct db_pool *db, const struct ca_store *s,
                                    const struct columns *c, const struct slice *names,
                                    const int64_t *ords, size_t n_names, struct db_result **out,
                                    struct diag *diag)
{
    const struct db_param params[] = {
        DB_P_INT8(s->epoch),
        DB_P_TEXT_ARRAY(c->issuer, s->n),
        DB_P_BYTES_ARRAY(c->serial, s->n),
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
        DB_P_BYTES_ARRAY(c->key, s->n),
        DB_P_INT4_ARRAY(c->index, s->n),
        DB_P_INT8_ARRAY(c->intent, s->n),
        DB_P_INT8_ARRAY(c->result, s->n),
        DB_P_BYTES(s->statement_sha256),
        DB_P_BYTES(s->permit_sha256),
        DB_P_BYTES(s->bundle_sha256),
        DB_P_STR(s->build_id),
        DB_P_INT8(s->now_s),
        DB_P_TEXT_ARRAY(names, n_names),
        DB_P_INT4_ARRAY(ords, n_names),
        DB_P_BYTES_ARRAY(c->id, s->n),
    };
    return run(db, sql_store, params, sizeof params / sizeof params[0], out, diag);
}

static enum chancery_err gather(const struct ca_store *s, struct arena *arena,
                                struct slice **out_names, int64_t **out_ords, size_t *out_n)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < s->n; i++) {
        total += s->rows[i].n_keys;
    }
    struct slice *names = arena_alloc(arena, (total + 1) * sizeof *names);
    int64_t *ords = arena_alloc(arena, (total + 1) * sizeof *ords);
    if (names == NULL || ords == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s->n; i++) {
        for (size_t k = 0; k < s->rows[i].n_keys; k++) {
            names[n] = s->rows[i].keys[k];
            ords[n++] = (int64_t)i + 1;
        }
    }
    *out_names = names;
    *out_ords = ords;
    *out_n = n;
    return CH_OK;
}

enum chancery_err ca_store_certificates(struct db_pool *db, const struct ca_store *s,
                                        bool *out_stored, bool *out_twice, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear);
    struct db_result *result = NULL;
    struct slice *names;
    int64_t *ords;
    size_t n_names;
    if (s->n == 0 || s->n > PERMIT_BATCH_MAX) {
        return CH_INTERNAL;
    }
    arena_init(&arena, 0);
    struct columns *c = arena_alloc(&arena, sizeof *c);
    if (c == NULL) {
        return CH_NOMEM;
    }
    fill_columns(s, c);
    TRY(gather(s, &arena, &names, &ords, &n_names));
    TRY(exec_store(db, s, c, names, ords, n_names, &result, diag));
    memset(out_stored, 0, s->n * sizeof *out_stored);
    memset(out_twice, 0, s->n * sizeof *out_twice);
    for (size_t i = 0; i < db_rows(result); i++) {
        int64_t ord = db_int(result, i, 0);
        if (ord >= 1 && (size_t)ord <= s->n) {
            (db_int(result, i, 1) == 0 ? out_stored : out_twice)[ord - 1] = true;
        }
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
