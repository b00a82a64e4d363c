/* PostgreSQL: pool, prepared statements, pipeline mode, transactions with honest outcomes.
 *
 * The only module that knows libpq. Parameters only, binary format; no SQL is ever built from data.
 * A connection is used by one thread at a time. Times are int64 seconds or nanoseconds as the
 * column says; the schema uses bigint for times that logic compares. */
#ifndef CHANCERY_DB_DB_H
#define CHANCERY_DB_DB_H

#include "base/bytes.h"

struct db_pool;
struct db_conn;

struct db_pool_opts {
    const char *conninfo;    /* libpq; password-less (peer or certificate) */
    unsigned size;           /* connections; 0: 4 */
    unsigned acquire_ms;     /* longest wait for a free connection; 0: 2000 */
    unsigned statement_ms;   /* statement_timeout; 0: 10000 */
    const char *application; /* application_name */
};

/* db_pool_new prepares the pool; connections open when first needed, so it succeeds without a
 * server. */
enum chancery_err db_pool_new(const struct db_pool_opts *opts, struct db_pool **out,
                              struct diag *diag) MUST_CHECK;
void db_pool_free(struct db_pool *pool);

/* db_acquire takes a live connection (reconnecting when the old one died). CH_UNAVAILABLE when the
 * database cannot be reached, CH_BUSY when none came free in time. */
enum chancery_err db_acquire(struct db_pool *pool, struct db_conn **out,
                             struct diag *diag) MUST_CHECK;
void db_release(struct db_conn *conn);

/* db_connect opens one connection outside a pool (advisory locks, migrations); db_disconnect ends
 * it. */
enum chancery_err db_connect(const char *conninfo, struct db_conn **out,
                             struct diag *diag) MUST_CHECK;
void db_disconnect(struct db_conn *conn);

/* ---- parameters ---- */

enum db_type {
    DB_NULL = 0,
    DB_BYTES,
    DB_TEXT,
    DB_INT4,
    DB_INT8,
    DB_BOOL,
    DB_BYTES_ARRAY,
    DB_TEXT_ARRAY,
    DB_INT4_ARRAY,
    DB_INT8_ARRAY,
    DB_BOOL_ARRAY
};
struct db_param {
    enum db_type type;
    struct slice bytes;         /* BYTES, TEXT */
    int64_t num;                /* INT4, INT8, BOOL */
    const struct slice *slices; /* BYTES_ARRAY, TEXT_ARRAY; a slice with ptr NULL is SQL NULL */
    const int64_t *nums;        /* INT4_ARRAY, INT8_ARRAY, BOOL_ARRAY */
    size_t count;
};
#define DB_P_NULL() ((struct db_param){.type = DB_NULL})
#define DB_P_BYTES(s) ((struct db_param){.type = DB_BYTES, .bytes = (s)})
#define DB_P_TEXT(s) ((struct db_param){.type = DB_TEXT, .bytes = (s)})
#define DB_P_STR(z) ((struct db_param){.type = DB_TEXT, .bytes = slice_str(z)})
#define DB_P_INT4(v) ((struct db_param){.type = DB_INT4, .num = (v)})
#define DB_P_INT8(v) ((struct db_param){.type = DB_INT8, .num = (v)})
#define DB_P_BOOL(v) ((struct db_param){.type = DB_BOOL, .num = (v) ? 1 : 0})
#define DB_P_BYTES_ARRAY(p, n)                                                                     \
    ((struct db_param){.type = DB_BYTES_ARRAY, .slices = (p), .count = (n)})
#define DB_P_TEXT_ARRAY(p, n)                                                                      \
    ((struct db_param){.type = DB_TEXT_ARRAY, .slices = (p), .count = (n)})
#define DB_P_INT4_ARRAY(p, n) ((struct db_param){.type = DB_INT4_ARRAY, .nums = (p), .count = (n)})
#define DB_P_INT8_ARRAY(p, n) ((struct db_param){.type = DB_INT8_ARRAY, .nums = (p), .count = (n)})
#define DB_P_BOOL_ARRAY(p, n) ((struct db_param){.type = DB_BOOL_ARRAY, .nums = (p), .count = (n)})

/* ---- statements ---- */

struct db_result; /* rows; free with db_result_free */

/* db_exec runs one statement, prepared once per connection and text. Array parameters with unnest()
 * insert many rows in one statement: the fast way for batches. *out may be NULL when no rows
 * matter. Errors: CH_EXISTS (unique violation; diag->field is the constraint's name), CH_CONFLICT
 * (serialisation, deadlock), CH_PRECONDITION (check/raise exception P0001), CH_DENIED (privilege),
 * CH_UNAVAILABLE (connection lost; outside a transaction the effect is unknown: CH_UNKNOWN),
 * CH_DEADLINE (statement timeout), CH_DB. */
enum chancery_err db_exec(struct db_conn *conn, const char *sql, const struct db_param *params,
                          size_t n_params, struct db_result **out, struct diag *diag) MUST_CHECK;

/* db_script runs several statements without parameters (migrations). */
enum chancery_err db_script(struct db_conn *conn, const char *sql, struct diag *diag) MUST_CHECK;

size_t db_rows(const struct db_result *r);
uint64_t db_affected(const struct db_result *r);
bool db_is_null(const struct db_result *r, size_t row, size_t col);
int64_t db_int(const struct db_result *r, size_t row, size_t col); /* int2/int4/int8/bool */
struct slice db_bytes(const struct db_result *r, size_t row,
                      size_t col); /* bytea, text; valid with r */
/* db_array reads a one-dimensional text[] or bytea[] into `out` (borrowed from r; NULL elements
 * have ptr NULL). CH_LIMIT when it holds more than `cap`, CH_INVALID when it has more dimensions.
 */
enum chancery_err db_array(const struct db_result *r, size_t row, size_t col, struct slice *out,
                           size_t cap, size_t *out_n) MUST_CHECK;
void db_result_free(struct db_result *r);

/* ---- pipeline ----
 * Several statements, one round trip, one implicit transaction. Results are checked, rows dropped;
 * the first error is returned and nothing of the pipeline took effect. CH_UNKNOWN when the
 * connection died before the commit was confirmed: look up before retrying. */
struct db_stmt {
    const char *sql;
    const struct db_param *params;
    size_t n_params;
    int64_t want_affected; /* exact number of rows the statement must touch; -1: any. A mismatch
                              rolls back with CH_PRECONDITION */
};
enum chancery_err db_pipeline(struct db_conn *conn, const struct db_stmt *stmts, size_t n,
                              struct diag *diag) MUST_CHECK;

/* ---- transactions ---- */

typedef enum chancery_err db_tx_fn(struct db_conn *conn, void *ctx, struct diag *diag);
struct db_tx_opts {
    bool serializable; /* else READ COMMITTED */
    bool read_only;    /* REPEATABLE READ snapshot, read only */
    unsigned retries;  /* on CH_CONFLICT; 0: 5 */
};

/* db_tx runs `fn` in a transaction and commits, retrying conflicts. CH_UNKNOWN: the connection died
 * during COMMIT. */
enum chancery_err db_tx(struct db_pool *pool, const struct db_tx_opts *opts, db_tx_fn *fn,
                        void *ctx, struct diag *diag) MUST_CHECK;

/* db_each reads a large result in constant memory: calls `row` per row, which may run other
 * statements on `conn`. Only inside a transaction (CH_PRECONDITION otherwise). The first error of
 * `row` ends it and is returned. */
typedef enum chancery_err db_row_fn(void *ctx, const struct db_result *r, size_t row);
enum chancery_err db_each(struct db_conn *conn, const char *sql, const struct db_param *params,
                          size_t n_params, db_row_fn *row, void *ctx, struct diag *diag) MUST_CHECK;

/* db_now_s reads the server's clock, for the skew check. */
enum chancery_err db_now_s(struct db_pool *pool, int64_t *out, struct diag *diag) MUST_CHECK;

/* db_migrate applies the numbered files NNNN_name.sql of `dir` that are not yet in
 * chancery_meta.migration, in order, each in a transaction, under an advisory lock; a file whose
 * recorded SHA-256 differs is CH_INTEGRITY. *out_applied counts. */
enum chancery_err db_migrate(struct db_conn *conn, const char *dir, unsigned *out_applied,
                             struct diag *diag) MUST_CHECK;

#endif
