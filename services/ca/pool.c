/* A list of jobs, each a counter of items; workers take items of the first job that has some left.
 */
#include "pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS_MAX 64

struct job {
    struct job *next;
    ca_pool_fn *fn;
    void *ctx;
    size_t n, taken, ended;
};

struct ca_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, ended;
    struct job *jobs; /* with items not yet taken */
    bool stopping;
    pthread_t threads[THREADS_MAX];
    unsigned n_threads;
};

/* Takes one item of `j`, which has some; the lock is held. A job without items leaves the list. */
static size_t take(struct ca_pool *p, struct job *j)
{
    size_t index = j->taken++;
    if (j->taken == j->n) {
        struct job **at = &p->jobs;
        while (*at != j) {
            at = &(*at)->next;
        }
        *at = j->next;
    }
    return index;
}

/* Runs one item without the lock and counts it. */
static void run_one(struct ca_pool *p, struct job *j)
{
    size_t index = take(p, j);
    pthread_mutex_unlock(&p->lock);
    j->fn(j->ctx, index);
    pthread_mutex_lock(&p->lock);
    if (++j->ended == j->n) {
        pthread_cond_broadcast(&p->ended);
    }
}

static void *worker(void *arg)
{
    struct ca_pool *p = arg;
    pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (p->jobs != NULL) {
            run_one(p, p->jobs);
        } else {
            pthread_cond_wait(&p->work, &p->lock);
        }
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum chancery_err ca_pool_new(unsigned threads, struct ca_pool **out)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0) {
        threads = cores > 1 ? (unsigned)cores - 1 : 0;
    }
    threads = threads > THREADS_MAX ? THREADS_MAX : threads;
    struct ca_pool *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return CH_NOMEM;
    }
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->work, NULL);
    pthread_cond_init(&p->ended, NULL);
    while (p->n_threads < threads) {
        if (pthread_create(&p->threads[p->n_threads], NULL, worker, p) != 0) {
            ca_pool_free(p);
            return CH_NOMEM;
        }
        p->n_threads++;
    }
    *out = p;
    return CH_OK;
}

void ca_pool_run(struct ca_pool *p, ca_pool_fn *fn, void *ctx, size_t n)
{
    if (n <= 1 || p->n_threads == 0) {
        for (size_t i = 0; i < n; i++) {
            fn(ctx, i);
        }
        return;
    }
    struct job j = {.fn = fn, .ctx = ctx, .n = n};
    pthread_mutex_lock(&p->lock);
    struct job **last = &p->jobs;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    *last = &j;
    pthread_cond_broadcast(&p->work);
    while (j.taken < j.n) {
        run_one(p, &j);
    }
    while (j.ended < j.n) {
        pthread_cond_wait(&p->ended, &p->lock);
    }
    pthread_mutex_unlock(&p->lock);
}

void ca_pool_free(struct ca_pool *p)
{
    if (p == NULL) {
        return;
    }
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++) {
        pthread_join(p->threads[i], NULL);
    }
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->work);
    pthread_cond_destroy(&p->ended);
    free(p);
}
