/* Periodic tasks, one thread each, and stop hooks. */
#include <errno.h>
#include <time.h>

#include "daemon_int.h"

enum chancery_err daemon_every(struct daemon *d, const char *name, unsigned interval_ms,
                               daemon_task_fn *fn, void *ctx)
{
    if (d->n_tasks == DAEMON_TASKS_MAX || atomic_load(&d->started)) {
        return CH_LIMIT;
    }
    d->tasks[d->n_tasks++] = (struct daemon_task){
        .d = d, .name = name, .interval_ms = interval_ms, .fn = fn, .ctx = ctx};
    return CH_OK;
}

void daemon_every_wake(struct daemon *d, const char *name)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < d->n_tasks; i++) {
        if (strcmp(d->tasks[i].name, name) == 0) {
            d->tasks[i].wake = true;
        }
    }
    pthread_cond_broadcast(&d->tasks_cond);
    pthread_mutex_unlock(&d->lock);
}

static void task_wait(struct daemon_task *t)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += t->interval_ms / 1000;
    until.tv_nsec += (long)(t->interval_ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    pthread_mutex_lock(&t->d->lock);
    while (rc != ETIMEDOUT && !t->wake && !daemon_stopping(t->d)) {
        rc = pthread_cond_timedwait(&t->d->tasks_cond, &t->d->lock, &until);
    }
    t->wake = false;
    pthread_mutex_unlock(&t->d->lock);
}

static void *task_main(void *arg)
{
    struct daemon_task *t = arg;
    while (!daemon_stopping(t->d)) {
        t->fn(t->ctx);
        task_wait(t);
    }
    return NULL;
}

enum chancery_err daemon_tasks_start(struct daemon *d)
{
    for (size_t i = 0; i < d->n_tasks; i++) {
        if (pthread_create(&d->tasks[i].thread, NULL, task_main, &d->tasks[i]) != 0) {
            return CH_NOMEM;
        }
        d->tasks[i].running = true;
    }
    return CH_OK;
}

/* `stopping` is set before. */
void daemon_tasks_stop(struct daemon *d)
{
    pthread_mutex_lock(&d->lock);
    pthread_cond_broadcast(&d->tasks_cond);
    pthread_mutex_unlock(&d->lock);
    for (size_t i = 0; i < d->n_tasks; i++) {
        if (d->tasks[i].running) {
            pthread_join(d->tasks[i].thread, NULL);
            d->tasks[i].running = false;
        }
    }
}

enum chancery_err daemon_on_stop(struct daemon *d, daemon_task_fn *fn, void *ctx)
{
    if (d->n_stop_hooks == DAEMON_HOOKS_MAX) {
        return CH_LIMIT;
    }
    d->stop_hooks[d->n_stop_hooks++] = (struct daemon_hook){fn, ctx};
    return CH_OK;
}

void daemon_stop_hooks(struct daemon *d)
{
    while (d->n_stop_hooks > 0) {
        d->n_stop_hooks--;
        d->stop_hooks[d->n_stop_hooks].fn(d->stop_hooks[d->n_stop_hooks].ctx);
    }
}

bool daemon_stopping(const struct daemon *d)
{
    return atomic_load(&d->stopping);
}
