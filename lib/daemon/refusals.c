/* Refused calls on their way to the audit log: authenticated ones one by one, junk as a count.
 *
 * The RPC worker that refuses only queues; a task appends. A queue that is full counts what it
 * drops, and the count is logged: a flood cannot push anything else out of the process. */
#include <stdio.h>
#include <stdlib.h>

#include "daemon_int.h"
#include "log/log.h"
#include "os/os.h"

#define JUNK_INTERVAL_MS 60000
#define FLUSH_BATCH 64
#define FLUSH_MS 3000

enum chancery_err daemon_refusals_init(struct daemon *d)
{
    d->refusals = calloc(DAEMON_REFUSALS_MAX, sizeof *d->refusals);
    d->junk_next_ms = os_mono_ms() + JUNK_INTERVAL_MS;
    d->junk_since_s = os_now_s();
    return d->refusals == NULL ? CH_NOMEM : CH_OK;
}

void daemon_refused(void *ctx, const char *service, const char *method, const char *caller,
                    enum chancery_err why)
{
    struct daemon *d = ctx;
    pthread_mutex_lock(&d->lock);
    if (why != CH_DENIED) {
        d->junk++;
    } else if (d->refusals_n == DAEMON_REFUSALS_MAX) {
        d->refusals_lost++;
    } else {
        struct daemon_refusal *r =
            &d->refusals[(d->refusals_head + d->refusals_n++) % DAEMON_REFUSALS_MAX];
        (void)snprintf(r->service, sizeof r->service, "%s", service);
        (void)snprintf(r->method, sizeof r->method, "%s", method);
        (void)snprintf(r->caller, sizeof r->caller, "%s", caller);
    }
    pthread_mutex_unlock(&d->lock);
    if (why == CH_DENIED) {
        daemon_every_wake(d, "refusals");
    }
}

/* A failure that the same entries will meet again: they must not block the ones behind them. */
static bool is_final(enum chancery_err err)
{
    switch (err) {
    case CH_INVALID:
    case CH_MALFORMED:
    case CH_LIMIT:
    case CH_UNSUPPORTED:
    case CH_EXISTS:
    case CH_REFUSED:
        return true;
    default:
        return false;
    }
}

struct flush {
    struct daemon_refusal copy[FLUSH_BATCH];
    struct daemon_field fields[FLUSH_BATCH][4];
    struct daemon_entry entries[FLUSH_BATCH];
    struct daemon_ack acks[FLUSH_BATCH];
    size_t n;
};

static void flush_fill(struct daemon *d, struct flush *f)
{
    pthread_mutex_lock(&d->lock);
    while (f->n < d->refusals_n && f->n < FLUSH_BATCH) {
        f->copy[f->n] = d->refusals[(d->refusals_head + f->n) % DAEMON_REFUSALS_MAX];
        f->n++;
    }
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < f->n; i++) {
        f->fields[i][0] = DAEMON_STR("rule", "caller.not_allowed");
        f->fields[i][1] = DAEMON_STR("caller", f->copy[i].caller);
        f->fields[i][2] = DAEMON_STR("service", f->copy[i].service);
        f->fields[i][3] = DAEMON_STR("method", f->copy[i].method);
        f->entries[i] =
            (struct daemon_entry){.action = "refusal", .fields = f->fields[i], .n_fields = 4};
    }
}

/* Appends up to FLUSH_BATCH queued refusals. They leave the queue when they are durable, or when
 * the log will never take them: then they are counted. */
static bool flush_some(struct daemon *d)
{
    struct flush *f = calloc(1, sizeof *f);
    if (f == NULL) {
        return false;
    }
    flush_fill(d, f);
    struct diag diag = {0};
    enum chancery_err err =
        f->n == 0 ? CH_END : daemon_audit_append(d, f->entries, f->n, FLUSH_MS, f->acks, &diag);
    size_t lost = is_final(err) ? f->n : 0;
    for (size_t i = 0; err == CH_OK && i < f->n; i++) {
        lost += f->acks[i].err != CH_OK;
    }
    if (lost > 0) {
        log_diag(LOG_LEVEL_ERROR, "audit.refusals_not_taken", err, &diag);
    }
    bool gone = err == CH_OK || is_final(err);
    if (gone) {
        pthread_mutex_lock(&d->lock);
        d->refusals_head = (d->refusals_head + f->n) % DAEMON_REFUSALS_MAX;
        d->refusals_n -= f->n;
        d->refusals_lost += lost;
        pthread_mutex_unlock(&d->lock);
    }
    free(f);
    return gone;
}

static void flush_counts(struct daemon *d, bool now)
{
    pthread_mutex_lock(&d->lock);
    bool due = (now || os_mono_ms() >= d->junk_next_ms) && (d->junk > 0 || d->refusals_lost > 0);
    uint64_t junk = d->junk, lost = d->refusals_lost;
    int64_t since = d->junk_since_s;
    pthread_mutex_unlock(&d->lock);
    if (!due) {
        return;
    }
    const struct daemon_field fields[] = {
        DAEMON_NUM("unauthenticated", junk),
        DAEMON_NUM("unrecorded", lost),
        DAEMON_NUM("since_s", since),
        DAEMON_NUM("until_s", os_now_s()),
    };
    if (daemon_audit(d, "refusal.aggregate", fields, 4, NULL, NULL) == CH_OK) {
        pthread_mutex_lock(&d->lock);
        d->junk -= junk;
        d->refusals_lost -= lost;
        d->junk_since_s = os_now_s();
        d->junk_next_ms = os_mono_ms() + JUNK_INTERVAL_MS;
        pthread_mutex_unlock(&d->lock);
    }
}

void daemon_refusals_flush(void *ctx)
{
    struct daemon *d = ctx;
    while (flush_some(d)) {
    }
    flush_counts(d, daemon_stopping(d));
}
