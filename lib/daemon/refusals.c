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

/* Appends up to FLUSH_BATCH queued refusals; they leave the queue only when durable. */
static bool flush_some(struct daemon *d)
{
    static const char rule[] = "caller.not_allowed";
    struct daemon_refusal *copy = calloc(FLUSH_BATCH, sizeof *copy);
    struct daemon_field(*fields)[4] = calloc(FLUSH_BATCH, sizeof *fields);
    struct daemon_entry entries[FLUSH_BATCH];
    struct daemon_ack *acks = calloc(FLUSH_BATCH, sizeof *acks);
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    while (copy != NULL && n < d->refusals_n && n < FLUSH_BATCH) {
        copy[n] = d->refusals[(d->refusals_head + n) % DAEMON_REFUSALS_MAX];
        n++;
    }
    pthread_mutex_unlock(&d->lock);
    bool done = false;
    if (n > 0 && fields != NULL && acks != NULL) {
        for (size_t i = 0; i < n; i++) {
            fields[i][0] = DAEMON_STR("rule", rule);
            fields[i][1] = DAEMON_STR("caller", copy[i].caller);
            fields[i][2] = DAEMON_STR("service", copy[i].service);
            fields[i][3] = DAEMON_STR("method", copy[i].method);
            entries[i] =
                (struct daemon_entry){.action = "refusal", .fields = fields[i], .n_fields = 4};
        }
        done = daemon_audit_append(d, entries, n, 3000, acks, NULL) == CH_OK;
    }
    if (done) {
        pthread_mutex_lock(&d->lock);
        d->refusals_head = (d->refusals_head + n) % DAEMON_REFUSALS_MAX;
        d->refusals_n -= n;
        pthread_mutex_unlock(&d->lock);
    }
    free(copy);
    free(fields);
    free(acks);
    return done;
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
