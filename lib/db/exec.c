/* One statement: prepare once per connection and text, bind in binary, wait, map the outcome. */
#include "db/db_int.h"

#include <stdio.h>
#include <stdlib.h>

/* FNV-1a over text and types: NULL in place of a value is another statement, since the server then
 * infers the type. */
static uint64_t hash_of(const char *sql, const Oid *types, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (const char *p = sql; *p != 0; p++) {
        h = (h ^ (uint8_t)*p) * 1099511628211u;
    }
    for (size_t i = 0; i < n; i++) {
        h = (h ^ types[i]) * 1099511628211u;
    }
    return h;
}

static bool same(const struct db_prepared *p, uint64_t hash, const char *sql, const Oid *types,
                 size_t n)
{
    return p->hash == hash && p->n_params == n && strcmp(p->sql, sql) == 0 &&
           (n == 0 || memcmp(p->types, types, n * sizeof *types) == 0);
}

static size_t find_slot(const struct db_conn *conn, uint64_t hash, const char *sql, size_t n)
{
    size_t i = (size_t)(hash % DB_MAX_PREPARED);
    while (conn->prepared[i].sql != NULL && !same(&conn->prepared[i], hash, sql, conn->types, n)) {
        i = (i + 1) % DB_MAX_PREPARED;
    }
    return i;
}

enum chancery_err db_prepare(struct db_conn *conn, const char *sql, size_t n_params, char name[16],
                             struct diag *diag)
{
    uint64_t hash = hash_of(sql, conn->types, n_params);
    size_t i = find_slot(conn, hash, sql, n_params);
    (void)snprintf(name, 16, "s%zu", i);
    struct db_prepared *slot = &conn->prepared[i];
    if (slot->sql != NULL) {
        return CH_OK;
    }
    if (conn->n_prepared + 1 >= DB_MAX_PREPARED) { /* one slot stays free: searches end there */
        return diag_set(diag, CH_LIMIT, "", "db.prepared", "more than %d different statements",
                        DB_MAX_PREPARED - 1);
    }
    char *copy = strdup(sql);
    if (copy == NULL) {
        return diag_set(diag, CH_NOMEM, "", "db.prepared", "out of memory");
    }
    PGresult *r = NULL;
    enum chancery_err err = CH_OK;
    if (PQsendPrepare(conn->pg, name, sql, (int)n_params, conn->types) == 0) {
        err = db_error_lost(conn, true, diag);
    } else {
        err = db_run(conn, true, &r, diag); /* preparing changes nothing: loss means UNAVAILABLE */
    }
    PQclear(r);
    if (err != CH_OK) {
        free(copy);
        return err;
    }
    slot->sql = copy;
    slot->hash = hash;
    slot->n_params = n_params;
    memcpy(slot->types, conn->types, n_params * sizeof *conn->types);
    conn->n_prepared++;
    return CH_OK;
}

static bool is_failure(ExecStatusType s)
{
    return s != PGRES_COMMAND_OK && s != PGRES_TUPLES_OK && s != PGRES_EMPTY_QUERY;
}

/* A failure result as an error. COPY cannot be used through this interface. */
static enum chancery_err failure(struct db_conn *conn, const PGresult *r, struct diag *diag)
{
    ExecStatusType s = PQresultStatus(r);
    if (s == PGRES_FATAL_ERROR || s == PGRES_BAD_RESPONSE || s == PGRES_NONFATAL_ERROR) {
        return db_error_result(conn, r, diag);
    }
    conn->broken = true;
    return diag_set(diag, CH_DB, "", "db.copy", "COPY is not supported here");
}

/* Reads all results of what was sent: keeps the last good one, the first error. */
enum chancery_err db_run(struct db_conn *conn, bool in_tx, PGresult **out, struct diag *diag)
{
    int64_t deadline_ms = db_conn_deadline(conn);
    enum chancery_err err = CH_OK;
    PGresult *last = NULL, *r = NULL;
    for (;;) {
        if (db_conn_next(conn, deadline_ms, &r) != CH_OK) {
            PQclear(last);
            return db_error_lost(conn, in_tx, diag);
        }
        if (r == NULL) {
            break;
        }
        if (is_failure(PQresultStatus(r))) {
            err = err == CH_OK ? failure(conn, r, diag) : err;
            PQclear(r);
            if (conn->broken && err == CH_DB) {
                break;
            }
            continue;
        }
        PQclear(last);
        last = r;
    }
    if (err == CH_OK && conn->unreplicated) {
        conn->unreplicated = false;
        err = diag_set(diag, CH_UNKNOWN, "", "db.unreplicated",
                       "committed here, perhaps not on the standby");
    }
    if (err != CH_OK) {
        PQclear(last);
        return err;
    }
    *out = last;
    return CH_OK;
}

bool db_in_tx(const struct db_conn *conn)
{
    PGTransactionStatusType s = PQtransactionStatus(conn->pg);
    return s == PQTRANS_INTRANS || s == PQTRANS_INERROR;
}

static enum chancery_err check_usable(const struct db_conn *conn, struct diag *diag)
{
    if (conn->pg == NULL || conn->broken) {
        return diag_set(diag, CH_UNAVAILABLE, "", "db.lost", "connection to the database is lost");
    }
    return CH_OK;
}

enum chancery_err db_exec(struct db_conn *conn, const char *sql, const struct db_param *params,
                          size_t n_params, struct db_result **out, struct diag *diag)
{
    TRY(check_usable(conn, diag));
    char name[16];
    TRY(db_encode(conn, params, n_params, diag));
    TRY(db_prepare(conn, sql, n_params, name, diag));
    bool in_tx = db_in_tx(conn);
    if (PQsendQueryPrepared(conn->pg, name, (int)n_params, conn->values, conn->lengths,
                            conn->formats, 1) == 0) {
        return db_error_lost(conn, in_tx, diag);
    }
    PGresult *pg = NULL;
    TRY(db_run(conn, in_tx, &pg, diag));
    if (out == NULL) {
        PQclear(pg);
        return CH_OK;
    }
    struct db_result *r = malloc(sizeof *r);
    if (r == NULL) {
        PQclear(pg);
        return diag_set(diag, CH_NOMEM, "", "db.result", "out of memory");
    }
    r->pg = pg;
    *out = r;
    return CH_OK;
}

enum chancery_err db_command(struct db_conn *conn, const char *sql, bool in_tx, struct diag *diag)
{
    TRY(check_usable(conn, diag));
    if (PQsendQuery(conn->pg, sql) == 0) {
        return db_error_lost(conn, in_tx, diag);
    }
    PGresult *r = NULL;
    TRY(db_run(conn, in_tx, &r, diag));
    PQclear(r);
    return CH_OK;
}

enum chancery_err db_script(struct db_conn *conn, const char *sql, struct diag *diag)
{
    TRY(check_usable(conn, diag));
    return db_command(conn, sql, db_in_tx(conn), diag);
}

enum chancery_err db_commit(struct db_conn *conn, struct diag *diag)
{
    TRY(check_usable(conn, diag));
    if (conn->tx_failed || PQtransactionStatus(conn->pg) == PQTRANS_INERROR) {
        db_rollback(conn);
        return diag_set(diag, CH_INTERNAL, "", "db.tx.failed",
                        "a statement of the transaction failed and its error was not returned");
    }
    return db_command(conn, "COMMIT", false, diag);
}

void db_rollback(struct db_conn *conn)
{
    conn->tx_failed = false;
    conn->cursors = 0;
    if (conn->pg == NULL || conn->broken || !db_in_tx(conn)) {
        return;
    }
    if (db_command(conn, "ROLLBACK", true, NULL) != CH_OK || db_in_tx(conn)) {
        conn->broken = true;
    }
}
