/* Counts of finished RPCs per method, written to the process log once a minute: event "rpc.calls"
 * with the calls since the line before, how many ended in an error, how many of those because
 * something was away or full, and how long they took. Methods without calls have no line. */
#include "daemon_int.h"
#include "log/log.h"

#define METRICS_US_MAX                                                                             \
    ((int64_t)3600 * 1000000) /* one call counts an hour at most: sums stay far from overflow */

/* Strings belong to descriptors, one each per process: addresses compare. */
static struct daemon_calls *find(struct daemon *d, const char *service, const char *method)
{
    for (size_t i = 0; i < d->n_calls; i++) {
        if (d->calls[i].service == service && d->calls[i].method == method) {
            return &d->calls[i];
        }
    }
    if (d->n_calls == DAEMON_CALLS_MAX) {
        return NULL;
    }
    d->calls[d->n_calls] = (struct daemon_calls){.service = service, .method = method};
    return &d->calls[d->n_calls++];
}

void daemon_calls_done(void *ctx, const char *service, const char *method, enum chancery_err err,
                       int64_t duration_us)
{
    struct daemon *d = ctx;
    int64_t us = duration_us < 0 ? 0 : duration_us > METRICS_US_MAX ? METRICS_US_MAX : duration_us;
    pthread_mutex_lock(&d->lock);
    struct daemon_calls *c = find(d, service, method);
    if (c != NULL) {
        c->n++;
        c->errors += err != CH_OK;
        c->unavailable += err == CH_UNAVAILABLE || err == CH_BUSY;
        c->sum_us += us;
        c->max_us = us > c->max_us ? us : c->max_us;
    }
    pthread_mutex_unlock(&d->lock);
}

size_t daemon_calls_take(struct daemon *d, struct daemon_calls out[DAEMON_CALLS_MAX])
{
    size_t n = 0;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n_calls; i++) {
        if (d->calls[i].n > 0) {
            out[n++] = d->calls[i];
            d->calls[i] =
                (struct daemon_calls){.service = d->calls[i].service, .method = d->calls[i].method};
        }
    }
    pthread_mutex_unlock(&d->lock);
    return n;
}

void daemon_calls_log(void *ctx)
{
    struct daemon_calls rows[DAEMON_CALLS_MAX];
    size_t n = daemon_calls_take(ctx, rows);
    for (size_t i = 0; i < n; i++) {
        const struct daemon_calls *c = &rows[i];
        log_event(LOG_LEVEL_INFO, "rpc.calls", LOG_STR("service", c->service),
                  LOG_STR("method", c->method), LOG_NUM("calls", c->n),
                  LOG_NUM("errors", c->errors), LOG_NUM("unavailable", c->unavailable),
                  LOG_NUM("mean_us", c->sum_us / (int64_t)c->n), LOG_NUM("max_us", c->max_us));
    }
}
