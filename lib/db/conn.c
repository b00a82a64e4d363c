/* One connection: opening, session set-up, waiting with a deadline. */
#include "db/db_int.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"

/* Waits until `events` or the deadline. false at the deadline. */
static bool wait_socket(PGconn *pg, short events, int64_t deadline_ms)
{
    struct pollfd p = {.fd = PQsocket(pg), .events = events};
    if (p.fd < 0) {
        return false;
    }
    for (;;) {
        int64_t left = deadline_ms - os_mono_ms();
        if (left <= 0) {
            left = 0;
        } else if (left > 60000) {
            left = 60000;
        }
        int n = poll(&p, 1, (int)left);
        if (n > 0) {
            return true;
        }
        if (n < 0 && errno != EINTR) {
            return false;
        }
        if (n == 0 && os_mono_ms() >= deadline_ms) {
            return false;
        }
    }
}

/* Notices are not printed. One of them matters: a commit whose wait for the standby was cut short
 * is durable here and perhaps not there (PostgreSQL src/backend/replication/syncrep.c). */
static void on_notice(void *arg, const PGresult *r)
{
    struct db_conn *conn = arg;
    const char *function = PQresultErrorField(r, PG_DIAG_SOURCE_FUNCTION);
    if (function != NULL && strcmp(function, "SyncRepWaitForLSN") == 0) {
        conn->unreplicated = true;
    }
}

static enum chancery_err poll_connect(struct db_conn *conn, int64_t deadline_ms, struct diag *diag)
{
    PostgresPollingStatusType next = PGRES_POLLING_WRITING;
    while (next != PGRES_POLLING_OK) {
        if (next == PGRES_POLLING_FAILED) {
            return db_error_connect(conn->pg, diag);
        }
        if (!wait_socket(conn->pg, next == PGRES_POLLING_READING ? POLLIN : POLLOUT, deadline_ms)) {
            return diag_set(diag, CH_UNAVAILABLE, "", "db.connect.timeout",
                            "the database did not answer the connection in time");
        }
        next = PQconnectPoll(conn->pg);
    }
    return CH_OK;
}

/* Session settings: bounded statements, no silent transactions that hold locks, nothing found by
 * search_path, and never a commit that is acknowledged before it is on disk.
 *
 * Plans: a statement is planned once per connection, often while its tables are still empty, and
 * then runs for days. Every statement of Chancery reaches its rows through an index, so the planner
 * may not choose what is cheaper on an empty table alone: scans of whole tables and joins that need
 * them. */
static enum chancery_err set_up(struct db_conn *conn, struct diag *diag)
{
    static const char sql[] =
        "SELECT set_config('statement_timeout', $1::int8::text, false),"
        " set_config('idle_in_transaction_session_timeout', $2::int8::text, false),"
        " set_config('search_path', 'pg_catalog', false),"
        " set_config('plan_cache_mode', 'force_generic_plan', false),"
        " set_config('enable_seqscan', 'off', false), set_config('enable_hashjoin', 'off', false),"
        " set_config('enable_mergejoin', 'off', false), set_config('jit', 'off', false),"
        " CASE WHEN current_setting('synchronous_commit') IN ('off', 'local')"
        " THEN set_config('synchronous_commit', 'on', false) END";
    const struct db_param params[] = {DB_P_INT8(conn->statement_ms), DB_P_INT8(DB_IDLE_TX_MS)};
    TRY(db_encode(conn, params, 2, diag));
    if (PQsendQueryParams(conn->pg, sql, 2, conn->types, conn->values, conn->lengths, conn->formats,
                          1) == 0) {
        return db_error_connect(conn->pg, diag);
    }
    PGresult *r = NULL;
    TRY(db_run(conn, true, &r, diag));
    PQclear(r);
    return CH_OK;
}

enum chancery_err db_conn_open(struct db_conn *conn, const char *application, unsigned timeout_ms,
                               struct diag *diag)
{
    db_conn_close(conn);
    const char *keys[] = {"dbname", "client_encoding", "fallback_application_name", NULL};
    const char *values[] = {conn->conninfo, "UTF8", application, NULL};
    int64_t deadline_ms = os_mono_ms() + timeout_ms;
    if (conn->prepared == NULL) {
        conn->prepared = calloc(DB_MAX_PREPARED, sizeof *conn->prepared);
    }
    conn->pg = PQconnectStartParams(keys, values, 1);
    if (conn->pg == NULL || conn->prepared == NULL) {
        db_conn_close(conn);
        return diag_set(diag, CH_NOMEM, "", "db.connect", "out of memory");
    }
    enum chancery_err err = CH_OK;
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        err = db_error_connect(conn->pg, diag);
    }
    if (err == CH_OK) {
        err = poll_connect(conn, deadline_ms, diag);
    }
    if (err == CH_OK && PQsetnonblocking(conn->pg, 1) != 0) {
        err = db_error_connect(conn->pg, diag);
    }
    if (err == CH_OK) {
        (void)PQsetNoticeReceiver(conn->pg, on_notice, conn);
        err = set_up(conn, diag);
    }
    if (err != CH_OK) {
        db_conn_close(conn);
    }
    return err;
}

void db_conn_close(struct db_conn *conn)
{
    PQfinish(conn->pg);
    conn->pg = NULL;
    conn->broken = conn->tx_failed = conn->unreplicated = false;
    conn->cursors = 0;
    for (size_t i = 0; conn->prepared != NULL && conn->n_prepared > 0 && i < DB_MAX_PREPARED; i++) {
        free(conn->prepared[i].sql);
        conn->prepared[i].sql = NULL;
    }
    conn->n_prepared = 0;
}

void db_conn_wipe(struct db_conn *conn)
{
    db_conn_close(conn);
    free(conn->prepared);
    free(conn->conninfo);
    buf_clear(&conn->scratch);
    conn->prepared = NULL;
    conn->conninfo = NULL;
}

bool db_conn_alive(struct db_conn *conn)
{
    if (conn->pg == NULL || conn->broken || PQstatus(conn->pg) != CONNECTION_OK) {
        return false;
    }
    /* A few rounds: a parting message and the end of file come as two readings. */
    for (int i = 0; i < 8; i++) {
        struct pollfd p = {.fd = PQsocket(conn->pg), .events = POLLIN};
        if (p.fd < 0) {
            return false;
        }
        if (poll(&p, 1, 0) <= 0) {
            return true;
        }
        if (PQconsumeInput(conn->pg) == 0 || PQisBusy(conn->pg) ||
            PQstatus(conn->pg) != CONNECTION_OK) {
            return false;
        }
    }
    return false;
}

int64_t db_conn_deadline(const struct db_conn *conn)
{
    return os_mono_ms() + conn->statement_ms + DB_GRACE_MS;
}

enum chancery_err db_conn_flush(struct db_conn *conn, int64_t deadline_ms)
{
    for (;;) {
        int left = PQflush(conn->pg);
        if (left == 0) {
            return CH_OK;
        }
        if (left < 0 || !wait_socket(conn->pg, POLLIN | POLLOUT, deadline_ms)) {
            return CH_UNAVAILABLE;
        }
        struct pollfd p = {.fd = PQsocket(conn->pg), .events = POLLIN};
        if (poll(&p, 1, 0) > 0 && PQconsumeInput(conn->pg) == 0) {
            return CH_UNAVAILABLE;
        }
    }
}

enum chancery_err db_conn_next(struct db_conn *conn, int64_t deadline_ms, PGresult **out)
{
    enum chancery_err err = db_conn_flush(conn, deadline_ms);
    while (err == CH_OK && PQisBusy(conn->pg)) {
        if (!wait_socket(conn->pg, POLLIN, deadline_ms) || PQconsumeInput(conn->pg) == 0) {
            err = CH_UNAVAILABLE;
        }
    }
    if (err != CH_OK) {
        conn->broken = true;
        return err;
    }
    *out = PQgetResult(conn->pg);
    if (PQstatus(conn->pg) == CONNECTION_BAD) {
        PQclear(*out);
        *out = NULL;
        conn->broken = true;
        return CH_UNAVAILABLE;
    }
    return CH_OK;
}

enum chancery_err db_connect(const char *conninfo, struct db_conn **out, struct diag *diag)
{
    struct db_conn *conn = calloc(1, sizeof *conn);
    if (conn == NULL) {
        return diag_set(diag, CH_NOMEM, "", "db.connect", "out of memory");
    }
    buf_init(&conn->scratch, DB_MAX_PARAM_BYTES);
    conn->statement_ms = DB_STATEMENT_MS;
    conn->conninfo = strdup(conninfo);
    enum chancery_err err = CH_NOMEM;
    if (conn->conninfo != NULL) {
        err = db_conn_open(conn, "chancery", DB_CONNECT_MS, diag);
    }
    if (err != CH_OK) {
        db_disconnect(conn);
        return err;
    }
    *out = conn;
    return CH_OK;
}

void db_disconnect(struct db_conn *conn)
{
    if (conn != NULL) {
        db_conn_wipe(conn);
        free(conn);
    }
}
