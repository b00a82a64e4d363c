/* Inside lib/db: the connection and the steps every statement goes through.
 *
 * All libpq calls are non-blocking with poll() against a monotonic deadline, so a server that hangs
 * costs its timeout and no more. The server's own statement_timeout is shorter than ours: normally
 * it speaks first, with a clean error and an intact connection. */
#ifndef CHANCERY_DB_INT_H
#define CHANCERY_DB_INT_H

#include <libpq-fe.h>

#include "db/db.h"

enum {
    DB_MAX_PARAMS = 64,      /* the widest statement (a certificate row) has fewer than 30 */
    DB_MAX_PREPARED = 256,   /* statements are program text: more means text is being built */
    DB_MAX_CURSORS = 4,      /* db_each inside a row function of db_each */
    DB_MAX_STMTS = 256,      /* in one pipeline */
    DB_GRACE_MS = 2000,      /* past statement_timeout before the connection is given up */
    DB_CONNECT_MS = 10000,   /* db_connect, outside a pool */
    DB_STATEMENT_MS = 10000, /* default statement_timeout */
    DB_IDLE_TX_MS = 60000,   /* the server ends a transaction whose client went silent */
    DB_POOL_MAX = 64,
};
#define DB_MAX_PARAM_BYTES ((size_t)256 << 20) /* encoded arrays of one statement */

struct db_prepared {
    char *sql; /* NULL: free slot */
    uint64_t hash;
    Oid types[DB_MAX_PARAMS];
    size_t n_params;
};

struct db_conn {
    PGconn *pg;           /* NULL: not connected */
    struct db_pool *pool; /* NULL: outside a pool */
    char *conninfo;
    unsigned statement_ms;
    bool broken;       /* to be closed: outcome unknown, out of step, or caches void */
    bool tx_failed;    /* a check of ours failed inside the open transaction: it must not commit */
    bool unreplicated; /* the server told that a commit may be missing on its standby */
    unsigned cursors;
    size_t n_prepared;
    struct db_prepared *prepared; /* DB_MAX_PREPARED slots, open addressing */
    struct buf scratch;           /* encoded parameters of the statement being sent */
    const char *values[DB_MAX_PARAMS];
    int lengths[DB_MAX_PARAMS];
    int formats[DB_MAX_PARAMS];
    Oid types[DB_MAX_PARAMS];
};

struct db_result {
    PGresult *pg;
};

/* ---- conn.c ---- */

/* db_conn_open connects within `timeout_ms` and sets the session up. */
enum chancery_err db_conn_open(struct db_conn *conn, const char *application, unsigned timeout_ms,
                               struct diag *diag) MUST_CHECK;

/* db_conn_close ends the connection and forgets its prepared statements; the struct stays usable.
 */
void db_conn_close(struct db_conn *conn);

/* db_conn_wipe closes and frees what the struct owns. */
void db_conn_wipe(struct db_conn *conn);

/* db_conn_alive says whether an idle connection still stands, without a round trip: a server that
 * ended it has left a message or an end of file in the socket. */
bool db_conn_alive(struct db_conn *conn);

/* db_conn_deadline is the monotonic time at which a statement started now is given up. */
int64_t db_conn_deadline(const struct db_conn *conn);

/* db_conn_flush sends all queued bytes, reading meanwhile so that neither side can block the other.
 */
enum chancery_err db_conn_flush(struct db_conn *conn, int64_t deadline_ms) MUST_CHECK;

/* db_conn_next waits for the next result; *out is NULL at the end of a statement. CH_UNAVAILABLE
 * when the connection is lost or the deadline has passed; the connection is then broken. */
enum chancery_err db_conn_next(struct db_conn *conn, int64_t deadline_ms,
                               PGresult **out) MUST_CHECK;

/* ---- exec.c ---- */

/* db_prepare finds or makes the prepared statement for `sql` with the types in conn->types and
 * writes its name. */
enum chancery_err db_prepare(struct db_conn *conn, const char *sql, size_t n_params, char name[16],
                             struct diag *diag) MUST_CHECK;

/* db_run sends what was queued and returns the one result. `in_tx` and `commit` say what a lost
 * connection means: CH_UNAVAILABLE inside a transaction that did not reach COMMIT, else CH_UNKNOWN.
 */
enum chancery_err db_run(struct db_conn *conn, bool in_tx, PGresult **out,
                         struct diag *diag) MUST_CHECK;

/* db_command runs fixed SQL without parameters or rows (BEGIN, COMMIT, SET ...). */
enum chancery_err db_command(struct db_conn *conn, const char *sql, bool in_tx,
                             struct diag *diag) MUST_CHECK;

/* db_commit commits; CH_UNKNOWN when the outcome is not known. db_rollback never fails: a
 * connection that cannot roll back is broken. */
enum chancery_err db_commit(struct db_conn *conn, struct diag *diag) MUST_CHECK;
void db_rollback(struct db_conn *conn);

/* db_in_tx says whether a transaction is open. */
bool db_in_tx(const struct db_conn *conn);

/* ---- params.c ---- */

/* db_encode puts parameters into conn->values, lengths, formats and types. The bytes of scalars
 * stay where the caller has them. */
enum chancery_err db_encode(struct db_conn *conn, const struct db_param *params, size_t n,
                            struct diag *diag) MUST_CHECK;

/* ---- errmap.c ---- */

/* db_error_result maps the SQLSTATE of a failed result and fills `diag`: field = constraint or
 * column, rule = "db.<sqlstate>". Marks the connection broken where only a new one helps. */
enum chancery_err db_error_result(struct db_conn *conn, const PGresult *r, struct diag *diag);

/* db_error_sqlstate maps five characters. */
enum chancery_err db_error_sqlstate(const char *sqlstate);

/* db_error_lost marks the connection broken; CH_UNAVAILABLE inside a transaction, CH_UNKNOWN
 * outside. */
enum chancery_err db_error_lost(struct db_conn *conn, bool in_tx, struct diag *diag);

/* db_error_connect reports why a connection could not be made. */
enum chancery_err db_error_connect(const PGconn *pg, struct diag *diag);

#endif
