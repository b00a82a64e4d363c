/* Transactions with retry of conflicts and an honest outcome of COMMIT. */
#include "db/db_int.h"

#include <time.h>

#include "os/os.h"

enum { DEFAULT_RETRIES = 5, BACKOFF_FIRST_MS = 2, BACKOFF_MAX_MS = 100 };

static const char *begin_sql(const struct db_tx_opts *o)
{
    if (o != NULL && o->serializable) {
        return o->read_only ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"
                            : "BEGIN ISOLATION LEVEL SERIALIZABLE";
    }
    if (o != NULL && o->read_only) {
        return "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
    }
    return "BEGIN ISOLATION LEVEL READ COMMITTED";
}

/* Losers of a conflict come back at random moments, so that they do not meet again. */
static void back_off(unsigned attempt)
{
    unsigned limit = (unsigned)BACKOFF_FIRST_MS << (attempt > 6 ? 6 : attempt);
    limit = limit > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : limit;
    uint32_t r = 0;
    os_random(&r, sizeof r);
    long us = (long)(r % (limit * 1000u)) + 100;
    struct timespec t = {.tv_sec = 0, .tv_nsec = us * 1000};
    (void)nanosleep(&t, NULL);
}

static enum chancery_err run_once(struct db_conn *conn, const char *begin, db_tx_fn *fn, void *ctx,
                                  struct diag *diag)
{
    TRY(db_command(conn, begin, true, diag)); /* nothing has happened yet: loss means UNAVAILABLE */
    conn->tx_failed = false;
    enum chancery_err err = fn(conn, ctx, diag);
    if (err != CH_OK) {
        db_rollback(conn);
        return err;
    }
    err = db_commit(conn, diag);
    if (err != CH_OK && err != CH_UNKNOWN) {
        db_rollback(conn);
    }
    return err;
}

enum chancery_err db_tx(struct db_pool *pool, const struct db_tx_opts *opts, db_tx_fn *fn,
                        void *ctx, struct diag *diag)
{
    unsigned retries = opts == NULL || opts->retries == 0 ? DEFAULT_RETRIES : opts->retries;
    for (unsigned attempt = 0;; attempt++) {
        struct db_conn *conn = NULL;
        TRY(db_acquire(pool, &conn, diag));
        enum chancery_err err = run_once(conn, begin_sql(opts), fn, ctx, diag);
        db_release(conn);
        if (err != CH_CONFLICT || attempt >= retries) {
            return err;
        }
        back_off(attempt);
    }
}

enum chancery_err db_now_s(struct db_pool *pool, int64_t *out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    TRY(db_acquire(pool, &conn, diag));
    enum chancery_err err = db_exec(
        conn, "SELECT floor(extract(epoch FROM clock_timestamp()))::int8", NULL, 0, &r, diag);
    if (err == CH_OK) {
        *out = db_int(r, 0, 0);
    }
    db_result_free(r);
    db_release(conn);
    return err == CH_UNKNOWN ? CH_UNAVAILABLE : err; /* reading has no outcome to be unsure of */
}
