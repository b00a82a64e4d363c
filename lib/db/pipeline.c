/* Several statements, one transaction, few round trips.
 *
 * Without want_affected: all statements and one Sync, which is one implicit transaction and one
 * round trip. With it: BEGIN and the statements, then, when every count is right, COMMIT: two round
 * trips, because the counts must be known first. Inside an open transaction: the statements alone.
 * Sending and receiving interleave (db_conn_flush), so a large batch cannot block both sides. */
#include "db/db_int.h"

#include <stdlib.h>

struct run {
    struct db_conn *conn;
    int64_t deadline_ms;
    enum chancery_err err; /* first failure */
    bool lost;
};

/* Everything is prepared before pipeline mode: a failed Parse would abort the batch. */
static enum chancery_err prepare_all(struct db_conn *conn, const struct db_stmt *stmts, size_t n,
                                     struct diag *diag)
{
    for (size_t i = 0; i < n; i++) {
        char name[16];
        TRY(db_encode(conn, stmts[i].params, stmts[i].n_params, diag));
        TRY(db_prepare(conn, stmts[i].sql, stmts[i].n_params, name, diag));
    }
    return CH_OK;
}

static enum chancery_err send_all(struct db_conn *conn, const struct db_stmt *stmts, size_t n,
                                  bool begin, int64_t deadline_ms, struct diag *diag)
{
    if (begin && PQsendQueryParams(conn->pg, "BEGIN", 0, NULL, NULL, NULL, NULL, 1) == 0) {
        return CH_UNAVAILABLE;
    }
    for (size_t i = 0; i < n; i++) {
        char name[16];
        TRY(db_encode(conn, stmts[i].params, stmts[i].n_params, diag));
        TRY(db_prepare(conn, stmts[i].sql, stmts[i].n_params, name, diag)); /* found, not made */
        if (PQsendQueryPrepared(conn->pg, name, (int)stmts[i].n_params, conn->values, conn->lengths,
                                conn->formats, 1) == 0) {
            return CH_UNAVAILABLE;
        }
    }
    if (PQpipelineSync(conn->pg) == 0) {
        return CH_UNAVAILABLE;
    }
    return db_conn_flush(conn, deadline_ms);
}

static void note(struct run *run, enum chancery_err err)
{
    if (run->err == CH_OK) {
        run->err = err;
    }
}

/* Reads the results of one statement up to its NULL. */
static void read_one(struct run *run, int64_t want, size_t index, struct diag *diag)
{
    for (;;) {
        PGresult *r = NULL;
        if (db_conn_next(run->conn, run->deadline_ms, &r) != CH_OK) {
            run->lost = true;
            return;
        }
        if (r == NULL) {
            return;
        }
        ExecStatusType s = PQresultStatus(r);
        if (s == PGRES_FATAL_ERROR) {
            if (run->err == CH_OK) {
                note(run, db_error_result(run->conn, r, diag));
            }
        } else if (s != PGRES_PIPELINE_ABORTED && run->err == CH_OK && want >= 0 &&
                   strtoll(PQcmdTuples(r), NULL, 10) != want) {
            note(run, diag_set(diag, CH_PRECONDITION, "", "db.affected",
                               "statement %zu touched %s rows instead of %lld", index + 1,
                               PQcmdTuples(r), (long long)want));
        }
        PQclear(r);
    }
}

static void read_sync(struct run *run)
{
    PGresult *r = NULL;
    if (db_conn_next(run->conn, run->deadline_ms, &r) != CH_OK) {
        run->lost = true;
        return;
    }
    if (r == NULL || PQresultStatus(r) != PGRES_PIPELINE_SYNC) {
        run->conn->broken = true; /* out of step: only a new connection is safe */
        run->lost = true;
    }
    PQclear(r);
}

static enum chancery_err run_batch(struct db_conn *conn, const struct db_stmt *stmts, size_t n,
                                   bool in_tx, bool begin, struct diag *diag)
{
    struct run run = {.conn = conn, .deadline_ms = db_conn_deadline(conn)};
    if (PQenterPipelineMode(conn->pg) == 0) {
        return db_error_lost(conn, true, diag);
    }
    enum chancery_err err = send_all(conn, stmts, n, begin, run.deadline_ms, diag);
    if (err != CH_OK) {
        return db_error_lost(conn, in_tx || begin, diag);
    }
    if (begin) {
        read_one(&run, -1, 0, diag);
    }
    for (size_t i = 0; i < n && !run.lost; i++) {
        read_one(&run, stmts[i].want_affected, i, diag);
    }
    if (!run.lost) {
        read_sync(&run);
    }
    if (!run.lost && PQexitPipelineMode(conn->pg) == 0) {
        conn->broken = true;
    }
    if (run.lost) {
        return db_error_lost(conn, in_tx || begin, diag);
    }
    if (run.err == CH_OK && conn->unreplicated) {
        conn->unreplicated = false;
        return diag_set(diag, CH_UNKNOWN, "", "db.unreplicated",
                        "committed here, perhaps not on the standby");
    }
    return run.err;
}

enum chancery_err db_pipeline(struct db_conn *conn, const struct db_stmt *stmts, size_t n,
                              struct diag *diag)
{
    if (conn->pg == NULL || conn->broken) {
        return diag_set(diag, CH_UNAVAILABLE, "", "db.lost", "connection to the database is lost");
    }
    if (n == 0 || n > DB_MAX_STMTS) {
        return diag_set(diag, CH_LIMIT, "", "db.pipeline", "a pipeline has 1 to %d statements",
                        DB_MAX_STMTS);
    }
    TRY(prepare_all(conn, stmts, n, diag));
    bool in_tx = db_in_tx(conn), begin = false;
    for (size_t i = 0; i < n && !in_tx; i++) {
        begin = begin || stmts[i].want_affected >= 0;
    }
    enum chancery_err err = run_batch(conn, stmts, n, in_tx, begin, diag);
    if (in_tx) {
        conn->tx_failed = conn->tx_failed || err != CH_OK;
        return err;
    }
    if (begin && err == CH_OK) {
        err = db_commit(conn, diag);
    }
    if (err != CH_OK && !conn->broken) {
        db_rollback(conn);
    }
    return err;
}
