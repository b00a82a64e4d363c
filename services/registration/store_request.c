/* registration.request: requests, idempotency, outcomes. Whole batches go by unnest(). */
#include "pending.h"

#include "os/os.h"

/* Marks the items whose request ids came back. */
static void mark_returned(const struct db_result *result, const struct slice *ids, size_t n,
                          bool *marked)
{
    memset(marked, 0, n * sizeof *marked);
    for (size_t row = 0; row < db_rows(result); row++) {
        struct slice id = db_bytes(result, row, 0);
        for (size_t i = 0; i < n; i++) {
            marked[i] = marked[i] || slice_eq(id, ids[i]);
        }
    }
}

enum chancery_err registration_store_new(struct registration *r, struct registration_item **items,
                                         size_t n, bool *known, struct diag *diag)
{
    struct slice ids[PERMIT_BATCH_MAX], callers[PERMIT_BATCH_MAX], keys[PERMIT_BATCH_MAX];
    struct slice contents[PERMIT_BATCH_MAX], digests[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        ids[i] = slice_of(items[i]->request_id, 16);
        callers[i] = slice_str(items[i]->caller);
        keys[i] = items[i]->key[0] == '\0' ? slice_of(NULL, 0) : slice_str(items[i]->key);
        contents[i] = slice_of(items[i]->content, 32);
        digests[i] = slice_of(items[i]->digest, 32);
    }
    int64_t now = os_now_s();
    struct db_param params[] = {
        DB_P_BYTES_ARRAY(ids, n),
        DB_P_TEXT_ARRAY(callers, n),
        DB_P_TEXT_ARRAY(keys, n),
        DB_P_BYTES_ARRAY(contents, n),
        DB_P_BYTES_ARRAY(digests, n),
        DB_P_STR(daemon_instance(r->daemon)),
        DB_P_INT8(now + REGISTRATION_DRIVEN_S),
        DB_P_INT8(now),
    };
    static const char sql[] =
        "INSERT INTO registration.request (request_id, caller, idempotency_key, content_sha256,"
        " request_sha256, instance, driven_until_s, created_at_s, changed_at_s)"
        " SELECT u.id, u.caller, u.key, u.content, u.digest, $6, $7, $8, $8"
        " FROM unnest($1::bytea[], $2::text[], $3::text[], $4::bytea[], $5::bytea[])"
        " AS u(id, caller, key, content, digest)"
        " ON CONFLICT (caller, idempotency_key) DO NOTHING RETURNING request_id";
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err =
        db_exec(conn, sql, params, sizeof params / sizeof params[0], &result, diag);
    db_release(conn);
    TRY(err);
    bool inserted[PERMIT_BATCH_MAX];
    mark_returned(result, ids, n, inserted);
    for (size_t i = 0; i < n; i++) {
        known[i] = !inserted[i];
    }
    db_result_free(result);
    return CH_OK;
}

static void copy_text(char *out, size_t cap, struct slice s)
{
    size_t n = s.len < cap ? s.len : cap - 1;
    if (n > 0) {
        memcpy(out, s.ptr, n);
    }
    out[n] = '\0';
}

static enum chancery_err read_row(struct registration *r, const struct db_result *result,
                                  struct registration_row *out)
{
    struct slice id = db_bytes(result, 0, 0);
    struct slice content = db_bytes(result, 0, 1);
    struct slice serial = db_bytes(result, 0, 7);
    *out = (struct registration_row){.attempt = (uint32_t)db_int(result, 0, 2)};
    if (id.len != 16 || content.len != 32 || serial.len > sizeof out->serial) {
        return CH_INTEGRITY;
    }
    memcpy(out->request_id, id.ptr, 16);
    memcpy(out->content, content.ptr, 32);
    out->state = (int)db_int(result, 0, 3);
    out->ours = slice_eq(db_bytes(result, 0, 4), slice_str(daemon_instance(r->daemon)));
    out->driven_until_s = db_int(result, 0, 5);
    copy_text(out->issuer_id, sizeof out->issuer_id, db_bytes(result, 0, 6));
    if (serial.len > 0) {
        memcpy(out->serial, serial.ptr, serial.len);
    }
    out->serial_len = serial.len;
    char code[32];
    copy_text(code, sizeof code, db_bytes(result, 0, 8));
    out->err = out->state == REGISTRATION_REFUSED ? err_from_name(code) : CH_OK;
    copy_text(out->diag.field, sizeof out->diag.field, db_bytes(result, 0, 9));
    copy_text(out->diag.rule, sizeof out->diag.rule, db_bytes(result, 0, 10));
    copy_text(out->diag.text, sizeof out->diag.text, db_bytes(result, 0, 11));
    copy_text(out->diag.reference, sizeof out->diag.reference, db_bytes(result, 0, 12));
    return CH_OK;
}

enum chancery_err registration_store_find(struct registration *r, const char *caller,
                                          const char *key, struct registration_row *out,
                                          struct diag *diag)
{
    static const char sql[] =
        "SELECT request_id, content_sha256, attempt, state, instance, driven_until_s, issuer_id, "
        "serial,"
        " error_code, error_field, error_rule, error_message, error_reference"
        " FROM registration.request WHERE caller = $1 AND idempotency_key = $2";
    struct db_param params[] = {DB_P_STR(caller), DB_P_STR(key)};
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err = db_exec(conn, sql, params, 2, &result, diag);
    db_release(conn);
    TRY(err);
    err = db_rows(result) == 0 ? CH_NOT_FOUND : read_row(r, result, out);
    db_result_free(result);
    return err;
}

enum chancery_err registration_store_take(struct registration *r,
                                          const struct registration_row *row,
                                          const uint8_t digest[32], struct diag *diag)
{
    static const char sql[] =
        "UPDATE registration.request SET attempt = attempt + 1, request_sha256 = $6, instance = $3,"
        " state = 1, driven_until_s = $4, changed_at_s = $5"
        " WHERE request_id = $1 AND attempt = $2 AND state IN (1, 4) RETURNING attempt";
    int64_t now = os_now_s();
    struct db_param params[] = {
        DB_P_BYTES(slice_of(row->request_id, 16)),
        DB_P_INT4(row->attempt),
        DB_P_STR(daemon_instance(r->daemon)),
        DB_P_INT8(now + REGISTRATION_DRIVEN_S),
        DB_P_INT8(now),
        DB_P_BYTES(slice_of(digest, 32)),
    };
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err =
        db_exec(conn, sql, params, sizeof params / sizeof params[0], &result, diag);
    db_release(conn);
    TRY(err);
    err = db_rows(result) == 1 ? CH_OK : CH_CONFLICT;
    db_result_free(result);
    return err;
}

enum chancery_err registration_store_attempts(struct registration *r,
                                              struct registration_item **items, size_t n,
                                              bool *ours, struct diag *diag)
{
    static const char sql[] =
        "UPDATE registration.request q SET attempt = u.attempt, driven_until_s = $3, changed_at_s "
        "= $4"
        " FROM unnest($1::bytea[], $2::int4[]) AS u(id, attempt) WHERE q.request_id = u.id AND "
        "q.state = 1"
        " AND q.attempt = u.attempt - 1 AND q.instance = $5 RETURNING q.request_id";
    struct slice ids[PERMIT_BATCH_MAX];
    int64_t attempts[PERMIT_BATCH_MAX];
    for (size_t i = 0; i < n; i++) {
        ids[i] = slice_of(items[i]->request_id, 16);
        attempts[i] = items[i]->attempt;
    }
    int64_t now = os_now_s();
    struct db_param params[] = {DB_P_BYTES_ARRAY(ids, n), DB_P_INT4_ARRAY(attempts, n),
                                DB_P_INT8(now + REGISTRATION_DRIVEN_S), DB_P_INT8(now),
                                DB_P_STR(daemon_instance(r->daemon))};
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err =
        db_exec(conn, sql, params, sizeof params / sizeof params[0], &result, diag);
    db_release(conn);
    TRY(err);
    mark_returned(result, ids, n, ours);
    db_result_free(result);
    return CH_OK;
}

enum chancery_err registration_store_outcomes(struct registration *r,
                                              const struct registration_outcome *outcomes, size_t n,
                                              bool *recorded, struct diag *diag)
{
    static const char sql[] =
        "UPDATE registration.request q SET state = CASE WHEN u.serial IS NULL THEN 3 ELSE 2 END,"
        " issuer_id = u.issuer, serial = u.serial, error_code = u.code, error_field = u.field,"
        " error_rule = u.rule, error_message = u.message, error_reference = u.reference, "
        "changed_at_s = $9"
        " FROM unnest($1::bytea[], $2::text[], $3::bytea[], $4::text[], $5::text[], $6::text[], "
        "$7::text[],"
        " $8::text[]) AS u(id, issuer, serial, code, field, rule, message, reference)"
        " WHERE q.request_id = u.id AND q.state = 1 RETURNING q.request_id";
    struct slice cols[8][PERMIT_BATCH_MAX];
    memset(cols, 0, sizeof cols);
    for (size_t i = 0; i < n; i++) {
        const struct registration_outcome *o = &outcomes[i];
        cols[0][i] = slice_of(o->request_id, 16);
        if (o->certificate != NULL) {
            cols[1][i] = slice_str(o->certificate->issuer_id);
            cols[2][i] = rpc_slice(o->certificate->serial);
            continue;
        }
        cols[3][i] = slice_str(err_name(o->err));
        cols[4][i] = slice_str(o->diag->field);
        cols[5][i] = slice_str(o->diag->rule);
        cols[6][i] = slice_str(o->diag->text);
        cols[7][i] = slice_str(o->diag->reference);
    }
    struct db_param params[] = {
        DB_P_BYTES_ARRAY(cols[0], n), DB_P_TEXT_ARRAY(cols[1], n), DB_P_BYTES_ARRAY(cols[2], n),
        DB_P_TEXT_ARRAY(cols[3], n),  DB_P_TEXT_ARRAY(cols[4], n), DB_P_TEXT_ARRAY(cols[5], n),
        DB_P_TEXT_ARRAY(cols[6], n),  DB_P_TEXT_ARRAY(cols[7], n), DB_P_INT8(os_now_s()),
    };
    struct db_conn *conn = NULL;
    struct db_result *result = NULL;
    TRY(db_acquire(r->db, &conn, diag));
    enum chancery_err err =
        db_exec(conn, sql, params, sizeof params / sizeof params[0], &result, diag);
    db_release(conn);
    TRY(err);
    mark_returned(result, cols[0], n, recorded);
    db_result_free(result);
    return CH_OK;
}

enum chancery_err registration_store_purge(struct registration *r, int64_t now_s, struct diag *diag)
{
    /* In pieces, so that no statement runs into its time limit. */
    static const char sql[] = "DELETE FROM registration.request WHERE request_id IN"
                              " (SELECT request_id FROM registration.request WHERE created_at_s < "
                              "$1 AND changed_at_s < $1 AND (state <> 4 OR created_at_s < $2) "
                              "LIMIT 5000) RETURNING 1";
    struct db_param params[] = {DB_P_INT8(now_s - REGISTRATION_KEEP_S),
                                DB_P_INT8(now_s - REGISTRATION_PENDING_KEEP_S)};
    for (;;) {
        struct db_conn *conn = NULL;
        struct db_result *result = NULL;
        TRY(db_acquire(r->db, &conn, diag));
        enum chancery_err err = db_exec(conn, sql, params, 2, &result, diag);
        db_release(conn);
        TRY(err);
        size_t rows = db_rows(result);
        db_result_free(result);
        if (rows == 0 || daemon_stopping(r->daemon)) {
            return CH_OK;
        }
    }
}
