/* A list of running batches; workers and callers take the next index of the first batch that has
 * one. */
#include "pool.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

struct pool_batch {
    signer_pool_fn *fn;
    void *ctx;
    size_t n, next, done;
    struct pool_batch *later;
};

struct signer_pool {
    pthread_mutex_t lock;
    pthread_cond_t work, finished;
    struct pool_batch *batches; /* with indices left, oldest first */
    bool stopping;
    unsigned n_threads;
    pthread_t threads[];
};

/* Takes the batch off the list once its last index is given out. */
static size_t pool_take(struct signer_pool *p, struct pool_batch *b)
{
    size_t i = b->next++;
    if (b->next == b->n) {
        struct pool_batch **link = &p->batches;
        while (*link != b) {
            link = &(*link)->later;
        }
        *link = b->later;
    }
    return i;
}

/* Runs one index of `b`; called and returns with the lock held. */
static void pool_step(struct signer_pool *p, struct pool_batch *b)
{
    size_t i = pool_take(p, b);
    (void)pthread_mutex_unlock(&p->lock);
    b->fn(b->ctx, i);
    (void)pthread_mutex_lock(&p->lock);
    if (++b->done == b->n) {
        (void)pthread_cond_broadcast(&p->finished);
    }
}

static void *pool_main(void *arg)
{
    struct signer_pool *p = arg;
    (void)pthread_mutex_lock(&p->lock);
    while (!p->stopping) {
        if (p->batches == NULL) {
            (void)pthread_cond_wait(&p->work, &p->lock);
            continue;
        }
        pool_step(p, p->batches);
    }
    (void)pthread_mutex_unlock(&p->lock);
    return NULL;
}

enum chancery_err signer_pool_new(unsigned threads, struct signer_pool **out)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned wanted = threads > 0 ? threads : cores > 0 ? (unsigned)cores : 1;
    struct signer_pool *p = calloc(1, sizeof *p + wanted * sizeof p->threads[0]);
    if (p == NULL) {
        return CH_NOMEM;
    }
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->work, NULL);
    (void)pthread_cond_init(&p->finished, NULL);
    while (p->n_threads < wanted &&
           pthread_create(&p->threads[p->n_threads], NULL, pool_main, p) == 0) {
        p->n_threads++;
    }
    if (p->n_threads == 0) {
        signer_pool_free(p);
        return CH_NOMEM;
    }
    *out = p;
    return CH_OK;
}

void signer_pool_run(struct signer_pool *p, signer_pool_fn *fn, void *ctx, size_t n)
{
    if (n <= 1) { /* alone: no hand-over between threads */
        for (size_t i = 0; i < n; i++) {
            fn(ctx, i);
        }
        return;
    }
    struct pool_batch batch = {.fn = fn, .ctx = ctx, .n = n};
    (void)pthread_mutex_lock(&p->lock);
    struct pool_batch **link = &p->batches;
    while (*link != NULL) {
        link = &(*link)->later;
    }
    *link = &batch;
    (void)pthread_cond_broadcast(&p->work);
    while (batch.next < batch.n) {
        pool_step(p, &batch);
    }
    while (batch.done < batch.n) {
        (void)pthread_cond_wait(&p->finished, &p->lock);
    }
    (void)pthread_mutex_unlock(&p->lock);
}

void signer_pool_free(struct signer_pool *p)
{
    if (p == NULL) {
        return;
    }
    (void)pthread_mutex_lock(&p->lock);
    p->stopping = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->n_threads; i++) {
        (void)pthread_join(p->threads[i], NULL);
    }
    (void)pthread_cond_destroy(&p->finished);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_mutex_destroy(&p->lock);
    free(p);
}
