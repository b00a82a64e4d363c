/* Worker threads and the bounded queue of calls that wait for one. */
#include <stdlib.h>
#include <unistd.h>

#include "server_int.h"

bool rpc_pool_push(struct rpc_call *call, bool always)
{
    struct rpc_server *s = call->server;
    pthread_mutex_lock(&s->lock);
    bool room = always || s->queue.n < s->opts.queue_max;
    if (room) {
        call_list_push(&s->queue, call);
        pthread_cond_signal(&s->work);
    }
    pthread_mutex_unlock(&s->lock);
    return room;
}

static void *worker_main(void *arg)
{
    struct rpc_server *s = arg;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (s->queue.head == NULL && !s->workers_end) {
            pthread_cond_wait(&s->work, &s->lock);
        }
        struct rpc_call *call = call_list_pop(&s->queue);
        pthread_mutex_unlock(&s->lock);
        if (call == NULL) {
            return NULL;
        }
        rpc_call_run(call);
    }
}

enum chancery_err rpc_pool_start(struct rpc_server *s)
{
    unsigned n = s->opts.workers;
    if (n == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        n = cores < 2 ? 4 : (unsigned)cores * 2;
    }
    s->workers = calloc(n, sizeof *s->workers);
    if (s->workers == NULL) {
        return CH_NOMEM;
    }
    while (s->n_workers < n) {
        if (pthread_create(&s->workers[s->n_workers], NULL, worker_main, s) != 0) {
            rpc_pool_stop(s);
            return CH_NOMEM;
        }
        s->n_workers++;
    }
    return CH_OK;
}

void rpc_pool_stop(struct rpc_server *s)
{
    pthread_mutex_lock(&s->lock);
    s->workers_end = true;
    pthread_cond_broadcast(&s->work);
    pthread_mutex_unlock(&s->lock);
    for (unsigned i = 0; i < s->n_workers; i++) {
        pthread_join(s->workers[i], NULL);
    }
    s->n_workers = 0;
    free(s->workers);
    s->workers = NULL;
}
