/* The writer thread: queue, activation, group commit. */
#include "writer.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "log/log.h"
#include "os/os.h"
#include "store.h"

#define RETRY_MS 100 /* between attempts to become active: clients resume within 2 s */
#define IDLE_MS 1000 /* between looks at an idle connection: a lost lock is noticed */

struct audit_writer {
    char *conninfo, *instance, *self;
    enum chancery_err (*admit)(void *ctx, uint64_t size, struct diag *diag);
    void *ctx;
    pthread_t thread;

    pthread_mutex_t mutex;
    pthread_cond_t wake;
    struct audit_append *head, **tail;
    size_t queued, queued_bytes;
    bool stopping;
    struct audit_position position;
    enum chancery_err why; /* while not active */
    struct diag why_diag;

    /* The thread's own. */
    struct db_conn *conn;
    struct audit_state state;
    struct audit_batch batch;
    uint64_t self_sequence;
};

static void set_inactive(struct audit_writer *w, enum chancery_err err, const struct diag *diag)
{
    (void)pthread_mutex_lock(&w->mutex);
    bool told = !w->position.active && w->why == err && strcmp(w->why_diag.rule, diag->rule) == 0;
    w->position.active = false;
    w->why = err;
    w->why_diag = *diag;
    (void)pthread_mutex_unlock(&w->mutex);
    if (!told) {
        log_diag(err == CH_INTEGRITY ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "audit.inactive", err,
                 diag);
    }
}

static void set_active(struct audit_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    w->position = (struct audit_position){true, w->state.next, w->state.epoch};
    (void)pthread_mutex_unlock(&w->mutex);
    log_event(LOG_LEVEL_INFO, "audit.active", LOG_NUM("size", w->state.next),
              LOG_NUM("epoch", w->state.epoch));
}

static void drop_state(struct audit_writer *w)
{
    audit_state_clear(&w->state);
    if (w->conn != NULL) {
        db_disconnect(w->conn);
        w->conn = NULL;
    }
}

static enum chancery_err activate(struct audit_writer *w, struct diag *diag)
{
    if (w->conn == NULL) {
        TRY(db_connect(w->conninfo, &w->conn, diag));
    }
    bool locked = false;
    TRY(audit_store_lock(w->conn, &locked, diag));
    if (!locked) {
        return diag_set(diag, CH_UNAVAILABLE, "audit", "audit.standby",
                        "another instance is the writer");
    }
    int64_t epoch = 0;
    TRY(audit_store_epoch(w->conn, w->instance, os_now_ns(), &epoch, diag));
    TRY(audit_state_init(&w->state));
    w->state.epoch = epoch;
    TRY(audit_state_load(&w->state, w->conn, diag));
    return w->admit(w->ctx, w->state.next, diag);
}

/* false: not active yet; tries again after a pause. A stand-by keeps its connection. */
static bool become_active(struct audit_writer *w)
{
    struct diag diag = {0};
    enum chancery_err err = activate(w, &diag);
    if (err == CH_OK) {
        set_active(w);
        return true;
    }
    if (strcmp(diag.rule, "audit.standby") != 0) {
        drop_state(w);
    }
    set_inactive(w, err, &diag);
    return false;
}

static void finish(struct audit_append *a, enum chancery_err err, const struct diag *diag)
{
    if (diag != NULL && err != CH_OK) {
        a->diag = *diag;
    }
    a->done(a, err);
}

static void finish_all(struct audit_append *list, enum chancery_err err, const struct diag *diag)
{
    while (list != NULL) {
        struct audit_append *next = list->next;
        finish(list, err, diag);
        list = next;
    }
}

/* Takes queued Appends up to the size of a row, at least one. Waits while there are none. */
static struct audit_append *take_queued(struct audit_writer *w, bool *out_stop)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += IDLE_MS / 1000;
    (void)pthread_mutex_lock(&w->mutex);
    while (w->head == NULL && !w->stopping) {
        if (pthread_cond_timedwait(&w->wake, &w->mutex, &until) != 0) {
            break;
        }
    }
    struct audit_append *list = w->head;
    struct audit_append **last = &w->head;
    size_t bytes = 0;
    while (*last != NULL && (bytes == 0 || bytes + (*last)->bytes <= AUDIT_ROW_BYTES)) {
        bytes += (*last)->bytes;
        w->queued--;
        w->queued_bytes -= (*last)->bytes;
        last = &(*last)->next;
    }
    struct audit_append *rest = *last;
    *last = NULL;
    w->head = rest;
    if (rest == NULL) {
        w->tail = &w->head;
    }
    *out_stop = w->stopping && list == NULL;
    (void)pthread_mutex_unlock(&w->mutex);
    return list;
}

static struct audit_append *take_all(struct audit_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    struct audit_append *list = w->head;
    w->head = NULL;
    w->tail = &w->head;
    w->queued = w->queued_bytes = 0;
    (void)pthread_mutex_unlock(&w->mutex);
    return list;
}

/* Builds the row. CH_OK also when single Appends were refused: a->err says so. */
static enum chancery_err build(struct audit_writer *w, struct audit_append *list, struct diag *diag)
{
    audit_batch_begin(&w->batch, &w->state, os_now_ns());
    for (struct audit_append *a = list; a != NULL; a = a->next) {
        a->err = audit_batch_add(&w->batch, &w->state, a);
        if (audit_batch_spoils(a->err)) {
            return diag_set(diag, CH_UNAVAILABLE, "audit", "audit.batch",
                            "the row could not be built: %s", err_name(a->err));
        }
    }
    return CH_OK;
}

static enum chancery_err commit(struct audit_writer *w, struct diag *diag)
{
    if (w->batch.n == 0) {
        return CH_OK; /* repetitions only: they are durable already */
    }
    OS_FAILPOINT("audit.queued");
    TRY(audit_store_insert(w->conn, w->batch.first, w->batch.n, w->state.epoch, w->batch.ts_ns,
                           buf_slice(&w->batch.row), diag));
    OS_FAILPOINT("audit.committed");
    (void)pthread_mutex_lock(&w->mutex);
    w->position.size = w->state.next;
    (void)pthread_mutex_unlock(&w->mutex);
    return CH_OK;
}

static void acknowledge(struct audit_append *list)
{
    while (list != NULL) {
        struct audit_append *next = list->next;
        finish(list, list->err, NULL);
        list = next;
    }
}

/* The error a producer sees: CH_UNKNOWN stays (the row may be there), all else did not happen. */
static enum chancery_err outward(enum chancery_err err)
{
    return err == CH_UNKNOWN ? CH_UNKNOWN : CH_UNAVAILABLE;
}

static bool write_once(struct audit_writer *w, struct audit_append *list)
{
    struct diag diag = {0};
    enum chancery_err err = build(w, list, &diag);
    if (err == CH_OK) {
        err = commit(w, &diag);
    }
    if (err == CH_OK) {
        acknowledge(list);
        return true;
    }
    /* State is ahead of the log now, or the log of the state: only a fresh start tells. */
    drop_state(w);
    set_inactive(w, err, &diag);
    finish_all(list, outward(err), &diag);
    return false;
}

/* An idle writer looks whether its session, and with it the lock, still lives. */
static bool still_there(struct audit_writer *w)
{
    struct diag diag = {0};
    uint64_t size = 0;
    enum chancery_err err = audit_store_size(w->conn, &size, &diag);
    if (err == CH_OK && size == w->state.next) {
        return true;
    }
    if (err == CH_OK) {
        err = diag_set(&diag, CH_CONFLICT, "audit.batch", "audit.writer.fenced",
                       "another writer has added entries");
    }
    drop_state(w);
    set_inactive(w, err, &diag);
    return false;
}

static void pause_inactive(struct audit_writer *w)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    /* A contradiction in the database is for people: no hurry. */
    until.tv_nsec += (w->why == CH_INTEGRITY ? 10 : 1) * RETRY_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&w->mutex);
    while (!w->stopping && pthread_cond_timedwait(&w->wake, &w->mutex, &until) == 0) {
        continue;
    }
    (void)pthread_mutex_unlock(&w->mutex);
}

static bool is_stopping(struct audit_writer *w)
{
    (void)pthread_mutex_lock(&w->mutex);
    bool stopping = w->stopping;
    (void)pthread_mutex_unlock(&w->mutex);
    return stopping;
}

static void *writer_main(void *arg)
{
    struct audit_writer *w = arg;
    bool active = false;
    bool stop = false;
    while (!stop) {
        bool refused = false;
        if (!active) {
            active = become_active(w);
            refused = !active;
        }
        if (active) {
            struct audit_append *list = take_queued(w, &stop);
            active = list != NULL ? write_once(w, list) : stop || still_there(w);
        }
        if (!active) {
            finish_all(take_all(w), w->why, &w->why_diag); /* only this thread writes `why` */
            stop = is_stopping(w);
            if (!stop && refused) { /* a lost connection is opened again at once */
                pause_inactive(w);
            }
        }
    }
    struct diag diag = {0};
    (void)diag_set(&diag, CH_UNAVAILABLE, "audit", "audit.stopping", "the log is stopping");
    set_inactive(w, CH_UNAVAILABLE, &diag);
    finish_all(take_all(w), CH_UNAVAILABLE, &diag);
    drop_state(w);
    return NULL;
}

static void writer_free(struct audit_writer *w)
{
    buf_clear(&w->batch.row);
    buf_clear(&w->batch.leaf);
    free(w->conninfo);
    free(w->instance);
    free(w->self);
    free(w);
}

static void init_sync(struct audit_writer *w)
{
    pthread_condattr_t attr;
    (void)pthread_condattr_init(&attr);
    (void)pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&w->wake, &attr);
    (void)pthread_condattr_destroy(&attr);
    (void)pthread_mutex_init(&w->mutex, NULL);
}

enum chancery_err audit_writer_start(const struct audit_writer_opts *opts,
                                     struct audit_writer **out, struct diag *diag)
{
    struct audit_writer *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return CH_NOMEM;
    }
    w->conninfo = strdup(opts->conninfo);
    w->instance = strdup(opts->instance);
    w->self = strdup(opts->self);
    if (w->conninfo == NULL || w->instance == NULL || w->self == NULL) {
        writer_free(w);
        return diag_set(diag, CH_NOMEM, "", "audit.memory", "out of memory");
    }
    w->admit = opts->admit;
    w->ctx = opts->ctx;
    w->tail = &w->head;
    w->why =
        diag_set(&w->why_diag, CH_UNAVAILABLE, "audit", "audit.starting", "the log is starting");
    buf_init(&w->batch.row, AUDIT_ROW_BYTES_MAX);
    buf_init(&w->batch.leaf, AUDIT_LEAF_MAX);
    w->batch.self = slice_str(w->self);
    w->batch.self_sequence = &w->self_sequence;
    os_random(w->batch.self_boot, AUDIT_BOOT);
    init_sync(w);
    if (pthread_create(&w->thread, NULL, writer_main, w) != 0) {
        (void)pthread_cond_destroy(&w->wake);
        (void)pthread_mutex_destroy(&w->mutex);
        writer_free(w);
        return diag_set(diag, CH_NOMEM, "", "audit.thread", "cannot start the writer thread");
    }
    *out = w;
    return CH_OK;
}

void audit_writer_stop(struct audit_writer *w)
{
    if (w == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&w->mutex);
    w->stopping = true;
    (void)pthread_cond_broadcast(&w->wake);
    (void)pthread_mutex_unlock(&w->mutex);
    (void)pthread_join(w->thread, NULL);
    (void)pthread_cond_destroy(&w->wake);
    (void)pthread_mutex_destroy(&w->mutex);
    writer_free(w);
}

enum chancery_err audit_writer_submit(struct audit_writer *w, struct audit_append *a,
                                      struct diag *diag)
{
    a->next = NULL;
    a->err = CH_OK;
    a->bytes = 0;
    for (size_t i = 0; i < a->n; i++) {
        a->bytes += a->items[i].f.len + a->producer.len + 256;
    }
    enum chancery_err err = CH_OK;
    (void)pthread_mutex_lock(&w->mutex);
    size_t share = a->priority ? 1 : 2;
    if (!w->position.active || w->stopping) {
        err = w->stopping ? CH_UNAVAILABLE : outward(w->why);
        err = w->why == CH_INTEGRITY ? CH_INTEGRITY : err;
        (void)diag_set(diag, err, w->why_diag.field, w->why_diag.rule, "%s", w->why_diag.text);
    } else if (w->queued >= AUDIT_QUEUE_MAX / share ||
               w->queued_bytes + a->bytes > AUDIT_QUEUE_BYTES_MAX / share) {
        err = diag_set(diag, CH_BUSY, "audit", "audit.queue",
                       "too many entries are waiting to be written");
    } else {
        *w->tail = a;
        w->tail = &a->next;
        w->queued++;
        w->queued_bytes += a->bytes;
        (void)pthread_cond_signal(&w->wake);
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return err;
}

void audit_writer_position(struct audit_writer *w, struct audit_position *out)
{
    (void)pthread_mutex_lock(&w->mutex);
    *out = w->position;
    (void)pthread_mutex_unlock(&w->mutex);
}

enum chancery_err audit_writer_check(struct audit_writer *w, struct diag *diag)
{
    (void)pthread_mutex_lock(&w->mutex);
    enum chancery_err err = w->position.active ? CH_OK : w->why;
    if (err != CH_OK && diag != NULL) {
        *diag = w->why_diag;
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return err;
}
