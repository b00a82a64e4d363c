/* Database of the process: pool, reachability and clock. */
#include "daemon/daemon_db.h"

#include <stdlib.h>

#include "daemon_int.h"

struct daemon_db {
    struct daemon *d;
    struct db_pool *pool;
};

static enum chancery_err database_ok(void *ctx, struct diag *diag)
{
    const struct daemon_db *db = ctx;
    int64_t now = 0;
    TRY(db_now_s(db->pool, &now, diag));
    daemon_clock_skew(db->d, now);
    return CH_OK;
}

static enum chancery_err clock_ok(void *ctx, struct diag *diag)
{
    const struct daemon_db *db = ctx;
    if (!atomic_load(&db->d->clock_skewed)) {
        return CH_OK;
    }
    return diag_set(diag, CH_PRECONDITION, "clock", "clock.skew",
                    "this clock and the database's differ by over %d s", DAEMON_SKEW_MAX_S);
}

static void db_close(void *ctx)
{
    struct daemon_db *db = ctx;
    db_pool_free(db->pool);
    free(db);
}

enum chancery_err daemon_db_open(struct daemon *d, struct db_pool **out, struct diag *diag)
{
    const struct conf_node *conf = NULL;
    struct db_pool_opts o = {.application = d->instance};
    int64_t size = 0;
    TRY(conf_map(conf_root(d->doc), "database", CONF_REQUIRED, &conf, diag));
    TRY(conf_string(conf, "conninfo", CONF_REQUIRED, &o.conninfo, diag));
    TRY(conf_int(conf, "pool", CONF_OPTIONAL, 1, 256, &size, diag));
    o.size = (unsigned)size;
    struct daemon_db *db = calloc(1, sizeof *db);
    if (db == NULL) {
        return CH_NOMEM;
    }
    db->d = d;
    enum chancery_err err = db_pool_new(&o, &db->pool, diag);
    if (err == CH_OK) {
        err = daemon_own(d, db_close, db);
    }
    if (err != CH_OK) {
        db_close(db);
        return err;
    }
    TRY(daemon_check_add(d, "database", database_ok, db));
    TRY(daemon_check_add(d, "clock", clock_ok, db));
    *out = db->pool;
    return CH_OK;
}
