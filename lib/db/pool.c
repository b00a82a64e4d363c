/* A fixed number of connections, opened when first needed, checked when taken.
 *
 * The lock covers only the choice of a slot; connecting happens outside it. Free slots that are
 * connected are preferred, so an idle process keeps few backends. */
#include "db/db_int.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

enum { DEFAULT_SIZE = 4, DEFAULT_ACQUIRE_MS = 2000 };

struct db_pool {
    pthread_mutex_t lock;
    pthread_cond_t freed; /* CLOCK_MONOTONIC */
    char *application;
    unsigned size, acquire_ms;
    struct db_conn *conns;
    bool *busy;
};

static enum chancery_err check_conninfo(const char *conninfo, struct diag *diag)
{
    char *text = NULL;
    PQconninfoOption *options = conninfo == NULL ? NULL : PQconninfoParse(conninfo, &text);
    if (options == NULL) {
        enum chancery_err err =
            diag_set(diag, CH_INVALID, "database.conninfo", "db.conninfo",
                     "not a libpq connection string: %s", text == NULL ? "missing" : text);
        PQfreemem(text);
        return err;
    }
    bool password = false;
    for (const PQconninfoOption *o = options; o->keyword != NULL; o++) {
        password = password || (strcmp(o->keyword, "password") == 0 && o->val != NULL);
    }
    PQconninfoFree(options);
    if (password) {
        return diag_set(diag, CH_INVALID, "database.conninfo", "db.conninfo.password",
                        "no passwords: use peer or certificate authentication");
    }
    return CH_OK;
}

static enum chancery_err init_conns(struct db_pool *pool, const struct db_pool_opts *opts)
{
    for (unsigned i = 0; i < pool->size; i++) {
        struct db_conn *conn = &pool->conns[i];
        conn->pool = pool;
        conn->statement_ms = opts->statement_ms == 0 ? DB_STATEMENT_MS : opts->statement_ms;
        buf_init(&conn->scratch, DB_MAX_PARAM_BYTES);
        conn->conninfo = strdup(opts->conninfo);
        if (conn->conninfo == NULL) {
            return CH_NOMEM;
        }
    }
    return CH_OK;
}

enum chancery_err db_pool_new(const struct db_pool_opts *opts, struct db_pool **out,
                              struct diag *diag)
{
    TRY(check_conninfo(opts->conninfo, diag));
    if (opts->size > DB_POOL_MAX) {
        return diag_set(diag, CH_LIMIT, "database.pool", "db.pool.size",
                        "a pool has at most %d connections", DB_POOL_MAX);
    }
    struct db_pool *pool = calloc(1, sizeof *pool);
    if (pool == NULL) {
        return diag_set(diag, CH_NOMEM, "", "db.pool", "out of memory");
    }
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&pool->freed, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&pool->lock, NULL);
    pool->size = opts->size == 0 ? DEFAULT_SIZE : opts->size;
    pool->acquire_ms = opts->acquire_ms == 0 ? DEFAULT_ACQUIRE_MS : opts->acquire_ms;
    pool->application = strdup(opts->application == NULL ? "chancery" : opts->application);
    pool->conns = calloc(pool->size, sizeof *pool->conns);
    pool->busy = calloc(pool->size, sizeof *pool->busy);
    if (pool->application == NULL || pool->conns == NULL || pool->busy == NULL ||
        init_conns(pool, opts) != CH_OK) {
        db_pool_free(pool);
        return diag_set(diag, CH_NOMEM, "", "db.pool", "out of memory");
    }
    *out = pool;
    return CH_OK;
}

void db_pool_free(struct db_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (unsigned i = 0; pool->conns != NULL && i < pool->size; i++) {
        db_conn_wipe(&pool->conns[i]);
    }
    free(pool->conns);
    free(pool->busy);
    free(pool->application);
    (void)pthread_cond_destroy(&pool->freed);
    (void)pthread_mutex_destroy(&pool->lock);
    free(pool);
}

/* Index of a free slot, connected ones first; size when there is none. Under the lock. */
static unsigned choose(const struct db_pool *pool)
{
    unsigned found = pool->size;
    for (unsigned i = 0; i < pool->size; i++) {
        if (!pool->busy[i] && pool->conns[i].pg != NULL) {
            return i;
        }
        if (!pool->busy[i] && found == pool->size) {
            found = i;
        }
    }
    return found;
}

static enum chancery_err take_slot(struct db_pool *pool, struct db_conn **out, struct diag *diag)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(pool->acquire_ms / 1000);
    until.tv_nsec += (long)(pool->acquire_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&pool->lock);
    unsigned i = choose(pool);
    while (i == pool->size &&
           pthread_cond_timedwait(&pool->freed, &pool->lock, &until) != ETIMEDOUT) {
        i = choose(pool);
    }
    if (i == pool->size) {
        i = choose(pool);
    }
    if (i < pool->size) {
        pool->busy[i] = true;
    }
    (void)pthread_mutex_unlock(&pool->lock);
    if (i == pool->size) {
        return diag_set(diag, CH_BUSY, "", "db.pool.busy",
                        "no database connection came free within %u ms", pool->acquire_ms);
    }
    *out = &pool->conns[i];
    return CH_OK;
}

enum chancery_err db_acquire(struct db_pool *pool, struct db_conn **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    TRY(take_slot(pool, &conn, diag));
    if (!db_conn_alive(conn)) {
        enum chancery_err err = db_conn_open(conn, pool->application, pool->acquire_ms, diag);
        if (err != CH_OK) {
            db_release(conn);
            return err;
        }
    }
    *out = conn;
    return CH_OK;
}

void db_release(struct db_conn *conn)
{
    if (conn == NULL) {
        return;
    }
    struct db_pool *pool = conn->pool;
    /* A transaction left open, or anything half read, ends with the connection. */
    if (conn->pg != NULL && (conn->broken || PQtransactionStatus(conn->pg) != PQTRANS_IDLE ||
                             PQpipelineStatus(conn->pg) != PQ_PIPELINE_OFF)) {
        db_conn_close(conn);
    }
    (void)pthread_mutex_lock(&pool->lock);
    pool->busy[conn - pool->conns] = false;
    (void)pthread_cond_signal(&pool->freed);
    (void)pthread_mutex_unlock(&pool->lock);
}
