/* The queue of history records and its table. */
#include "history.h"

#include <pthread.h>
#include <stdlib.h>

#define ROWS_PER_READ 4 /* 4 MiB at a time */
#define ROW_SPAN_S 3600 /* a row covers the time between two writes: far less */
#define PURGE_ROWS 200  /* deleted per statement: short locks, short statements */
#define PURGE_STATEMENTS 500

/* What goes into one row. */
struct run {
    struct run *next;
    struct buf records;
    int64_t from_s, until_s;
    uint32_t items, permitted;
};

struct policy_history {
    struct db_pool *db;
    unsigned days;
    pthread_mutex_t lock;
    struct run *first, *last; /* last is being filled */
    size_t waiting;           /* octets of all runs */
    uint64_t dropped;
};

struct policy_history *policy_history_new(struct db_pool *db, unsigned days)
{
    struct policy_history *h = calloc(1, sizeof *h);
    if (h != NULL) {
        h->db = db;
        h->days = days;
        pthread_mutex_init(&h->lock, NULL);
    }
    return h;
}

static void run_free(struct run *r)
{
    if (r != NULL) {
        buf_clear(&r->records);
        free(r);
    }
}

void policy_history_free(struct policy_history *h)
{
    if (h == NULL) {
        return;
    }
    while (h->first != NULL) {
        struct run *r = h->first;
        h->first = r->next;
        run_free(r);
    }
    pthread_mutex_destroy(&h->lock);
    free(h);
}

static bool is_full(const struct run *r)
{
    return r->items >= POLICY_HISTORY_RUN || r->records.len >= POLICY_HISTORY_ROW;
}

/* The run to fill. Locked. */
static struct run *open_run(struct policy_history *h)
{
    if (h->last != NULL && !is_full(h->last)) {
        return h->last;
    }
    struct run *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    buf_init(&r->records, TRIAL_BODY_MAX);
    if (h->last == NULL) {
        h->first = r;
    } else {
        h->last->next = r;
    }
    h->last = r;
    return r;
}

/* Locked. */
static bool append(struct policy_history *h, struct slice records, uint32_t n, uint32_t permitted,
                   int64_t now_s)
{
    struct run *r = h->waiting + records.len > POLICY_HISTORY_QUEUE ? NULL : open_run(h);
    if (r == NULL || buf_add(&r->records, records) != CH_OK) {
        h->dropped += n;
        return false;
    }
    r->from_s = r->items == 0 || now_s < r->from_s ? now_s : r->from_s;
    r->until_s = r->items == 0 || now_s > r->until_s ? now_s : r->until_s;
    r->items += n;
    r->permitted += permitted;
    h->waiting += records.len;
    return is_full(r);
}

bool policy_history_add(struct policy_history *h, struct slice records, uint32_t n,
                        uint32_t permitted, int64_t now_s)
{
    if (h->days == 0 || n == 0) {
        return false;
    }
    pthread_mutex_lock(&h->lock);
    bool full = append(h, records, n, permitted, now_s);
    pthread_mutex_unlock(&h->lock);
    return full;
}

uint64_t policy_history_dropped(struct policy_history *h)
{
    pthread_mutex_lock(&h->lock);
    uint64_t n = h->dropped;
    pthread_mutex_unlock(&h->lock);
    return n;
}

/* ---- writing ---- */

static struct run *take_all(struct policy_history *h)
{
    pthread_mutex_lock(&h->lock);
    struct run *r = h->first;
    h->first = h->last = NULL;
    pthread_mutex_unlock(&h->lock);
    return r;
}

/* What could not be written goes before what came meanwhile. */
static void put_back(struct policy_history *h, struct run *list)
{
    if (list == NULL) {
        return;
    }
    struct run *end = list;
    while (end->next != NULL) {
        end = end->next;
    }
    pthread_mutex_lock(&h->lock);
    end->next = h->first;
    h->first = list;
    h->last = h->last == NULL ? end : h->last;
    pthread_mutex_unlock(&h->lock);
}

/* Nobody waits for the disk here: a crash of the server may lose what it has not yet written. */
static enum chancery_err insert(struct db_conn *conn, const struct run *r, struct diag *diag)
{
    static const char sql[] =
        "WITH c AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true)) "
        "INSERT INTO policy.history (from_s, until_s, items, permitted, records) "
        "SELECT $1, $2, $3, $4, $5 FROM c";
    const struct db_param params[] = {DB_P_INT8(r->from_s), DB_P_INT8(r->until_s),
                                      DB_P_INT4(r->items), DB_P_INT4(r->permitted),
                                      DB_P_BYTES(buf_slice(&r->records))};
    return db_exec(conn, sql, params, 5, NULL, diag);
}

enum chancery_err policy_history_write(struct policy_history *h, struct diag *diag)
{
    struct db_conn *conn = NULL;
    struct run *list = take_all(h);
    if (list == NULL) {
        return CH_OK;
    }
    enum chancery_err err = db_acquire(h->db, &conn, diag);
    size_t written = 0;
    while (err == CH_OK && list != NULL) {
        err = insert(conn, list, diag);
        /* Of a commit whose outcome is not known twice is worse than not at all. */
        if (err == CH_OK || err == CH_UNKNOWN) {
            struct run *done = list;
            list = done->next;
            written += done->records.len;
            run_free(done);
        }
    }
    db_release(conn);
    put_back(h, list);
    pthread_mutex_lock(&h->lock);
    h->waiting -= written;
    pthread_mutex_unlock(&h->lock);
    return err;
}

enum chancery_err policy_history_purge(struct policy_history *h, int64_t now_s, struct diag *diag)
{
    struct db_conn *conn = NULL;
    int64_t before = now_s - (int64_t)h->days * 86400;
    const struct db_param params[] = {DB_P_INT8(before), DB_P_INT4(PURGE_ROWS)};
    TRY(db_acquire(h->db, &conn, diag));
    enum chancery_err err = CH_OK;
    bool more = true;
    for (unsigned i = 0; err == CH_OK && more && i < PURGE_STATEMENTS; i++) {
        struct db_result *r = NULL;
        err = db_exec(conn,
                      "DELETE FROM policy.history WHERE id IN (SELECT h.id FROM policy.history h "
                      "WHERE h.until_s < $1 ORDER BY h.until_s, h.id LIMIT $2)",
                      params, 2, &r, diag);
        more = err == CH_OK && db_affected(r) == PURGE_ROWS;
        db_result_free(r);
    }
    db_release(conn);
    return err;
}

/* ---- reading ---- */

struct place {
    int64_t until_s, id;
};

static enum chancery_err read_some(struct policy_history *h, struct place *at, int64_t to_s,
                                   struct db_result **out, struct diag *diag)
{
    struct db_conn *conn = NULL;
    int64_t last = to_s > INT64_MAX - ROW_SPAN_S ? INT64_MAX : to_s + ROW_SPAN_S;
    const struct db_param params[] = {DB_P_INT8(at->until_s), DB_P_INT8(at->id), DB_P_INT8(to_s),
                                      DB_P_INT8(last), DB_P_INT4(ROWS_PER_READ)};
    TRY(db_acquire(h->db, &conn, diag));
    enum chancery_err err =
        db_exec(conn,
                "SELECT until_s, id, records FROM policy.history WHERE (until_s, id) > ($1, $2) "
                "AND from_s <= $3 AND until_s <= $4 ORDER BY until_s, id LIMIT $5",
                params, 5, out, diag);
    db_release(conn);
    return err;
}

enum chancery_err policy_history_read(struct policy_history *h, int64_t from_s, int64_t to_s,
                                      policy_history_row_fn *row, void *ctx, struct diag *diag)
{
    struct place at = {from_s, -1};
    enum chancery_err err = CH_OK;
    for (size_t n = ROWS_PER_READ; err == CH_OK && n == ROWS_PER_READ;) {
        struct db_result *r = NULL;
        TRY(read_some(h, &at, to_s, &r, diag));
        n = db_rows(r);
        for (size_t i = 0; err == CH_OK && i < n; i++) {
            at = (struct place){db_int(r, i, 0), db_int(r, i, 1)};
            err = row(ctx, db_bytes(r, i, 2));
        }
        db_result_free(r);
    }
    return err;
}
