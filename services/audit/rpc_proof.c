/* GetProof, which may wait for a checkpoint without holding a worker. */
#include <pthread.h>
#include <stdlib.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "os/os.h"
#include "service.h"
#include "store.h"

#define PROOF_TEXT_MAX ((size_t)16 << 10)

/* One waiting call; lives in the call's arena. */
struct waiter {
    struct rpc_call *call;
    Chancery__Audit__V1__GetProofResponse *out;
    uint64_t index;
    int64_t until_ms;
    struct waiter *next;
};
struct audit_waiters {
    pthread_mutex_t mutex;
    struct waiter *list;
    size_t n;
    bool closed;
};

struct audit_waiters *audit_waiters_new(void)
{
    struct audit_waiters *w = calloc(1, sizeof *w);
    if (w != NULL) {
        (void)pthread_mutex_init(&w->mutex, NULL);
    }
    return w;
}

void audit_waiters_free(struct audit_waiters *w)
{
    if (w != NULL) {
        (void)pthread_mutex_destroy(&w->mutex);
        free(w);
    }
}

struct one_leaf {
    struct arena *arena;
    ProtobufCBinaryData *out;
};

static enum chancery_err take_leaf(void *ctx, uint64_t index, struct slice leaf)
{
    (void)index;
    struct one_leaf *o = ctx;
    *o->out = rpc_bytes(o->arena, leaf);
    return o->out->data == NULL ? CH_NOMEM : CH_END;
}

static enum chancery_err answer(struct audit_service *s, struct rpc_call *call, uint64_t index,
                                Chancery__Audit__V1__GetProofResponse *out)
{
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, PROOF_TEXT_MAX);
    TRY(audit_publisher_prove(s->publisher, index, &text, rpc_diag(call)));
    struct db_conn *conn = NULL;
    TRY(db_acquire(s->pool, &conn, rpc_diag(call)));
    struct one_leaf leaf = {rpc_arena(call), &out->leaf};
    enum chancery_err err =
        audit_store_read(conn, index, index + 1, take_leaf, &leaf, rpc_diag(call));
    db_release(conn);
    if (err != CH_OK) {
        return err;
    }
    out->proof = arena_str(rpc_arena(call), buf_slice(&text));
    return out->proof == NULL ? CH_NOMEM : CH_OK;
}

void audit_waiters_serve(struct audit_service *s, bool stopping)
{
    struct audit_waiters *w = s->waiters;
    uint64_t size = 0;
    struct waiter *ripe = NULL;
    int64_t now_ms = os_mono_ms();
    bool published = audit_publisher_note(s->publisher, NULL, &size, NULL) == CH_OK;
    (void)pthread_mutex_lock(&w->mutex);
    w->closed = w->closed || stopping;
    for (struct waiter **at = &w->list; *at != NULL;) {
        struct waiter *one = *at;
        if ((published && one->index < size) || one->until_ms <= now_ms || stopping) {
            *at = one->next;
            one->next = ripe;
            ripe = one;
            w->n--;
        } else {
            at = &one->next;
        }
    }
    (void)pthread_mutex_unlock(&w->mutex);
    while (ripe != NULL) {
        struct waiter *next = ripe->next; /* its memory goes with the call */
        rpc_finish(ripe->call, answer(s, ripe->call, ripe->index, ripe->out));
        ripe = next;
    }
}

static enum chancery_err wait_for(struct audit_service *s, struct rpc_call *call, uint64_t index,
                                  int64_t wait_ms, Chancery__Audit__V1__GetProofResponse *out)
{
    struct waiter *one = arena_alloc(rpc_arena(call), sizeof *one);
    if (one == NULL) {
        return CH_NOMEM;
    }
    *one = (struct waiter){
        .call = call, .out = out, .index = index, .until_ms = os_mono_ms() + wait_ms};
    struct audit_waiters *w = s->waiters;
    (void)pthread_mutex_lock(&w->mutex);
    enum chancery_err err = w->closed                   ? CH_UNAVAILABLE
                            : w->n >= AUDIT_WAITERS_MAX ? CH_BUSY
                                                        : CH_OK;
    if (err == CH_OK) {
        rpc_defer(call);
        one->next = w->list;
        w->list = one;
        w->n++;
    }
    (void)pthread_mutex_unlock(&w->mutex);
    return err == CH_OK ? CH_OK
                        : diag_set(rpc_diag(call), err, "wait_ms", "audit.proof.waiters",
                                   "too many calls wait for a checkpoint, or the log is stopping");
}

enum chancery_err audit_rpc_get_proof(struct rpc_call *call, const ProtobufCMessage *in,
                                      ProtobufCMessage *out, void *ctx)
{
    struct audit_service *s = ctx;
    const Chancery__Audit__V1__GetProofRequest *m =
        (const Chancery__Audit__V1__GetProofRequest *)in;
    Chancery__Audit__V1__GetProofResponse *r = (Chancery__Audit__V1__GetProofResponse *)out;
    if (m->wait_ms > AUDIT_PROOF_WAIT_MAX_MS) {
        return diag_set(rpc_diag(call), CH_LIMIT, "wait_ms", "audit.proof.wait", "at most %d ms",
                        AUDIT_PROOF_WAIT_MAX_MS);
    }
    uint64_t size = 0;
    enum chancery_err err = audit_publisher_note(s->publisher, NULL, &size, NULL);
    if ((err == CH_OK && m->index < size) || m->wait_ms == 0) {
        return answer(s, call, m->index, r);
    }
    struct audit_position at;
    audit_writer_position(s->writer, &at);
    if (at.active && m->index >= at.size) {
        return diag_set(rpc_diag(call), CH_NOT_FOUND, "index", "audit.proof.index",
                        "the log has no entry %llu", (unsigned long long)m->index);
    }
    return wait_for(s, call, m->index, m->wait_ms, r);
}
