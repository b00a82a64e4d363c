/* Private: server, call, worker pool.
 *
 * Life of a call (server_call.c). The poller thread runs every completion; a call is freed when its
 * last reference goes: one for being handled, one per operation in flight.
 *
 *   arrived -> refused: worker runs the hook, status sent
 *           -> shed: status sent at once
 *           -> health: answered by the poller
 *           -> receiving (unary, server stream) -> queued -> handler on a worker -> finishing
 *           -> queued (client stream) -> handler on a worker -> finishing
 *   finishing: the last batch is in flight; after it, free. */
#ifndef CHANCERY_RPC_SERVER_INT_H
#define CHANCERY_RPC_SERVER_INT_H

#include <pthread.h>

#include "rpc_int.h"

#define SERVER_SERVICES_MAX 16
#define SERVER_PORTS_MAX 8
#define SERVER_ARMED 32       /* calls the library may hand over before the next poll */
#define SERVER_IDENTITIES 64  /* peers whose certificates are remembered as read */
#define SERVER_CALLS_KEPT 256 /* idle call slots kept for reuse */
#define SERVER_CALL_ARENA ((size_t)128 << 20) /* unpacked request + response of one call */
#define SERVER_TIME_MAX_MS 3600000            /* calls without a deadline get one hour */

struct service {
    const ProtobufCServiceDescriptor *sd;
    const struct rpc_method **by_index; /* parallel to sd->methods; NULL: unimplemented */
    void *ctx;
};

struct known_peer {
    uint64_t pem_hash;
    char *pem;
    struct rpc_identity id;
    enum chancery_err err; /* why this certificate is not acceptable */
};

struct call_list {
    struct rpc_call *head, *tail;
    unsigned n;
};

struct rpc_server {
    struct rpc_server_opts opts;
    char *trust_domain, *tls_dir;
    struct rpc_deny *deny;
    grpc_server *server;
    grpc_completion_queue *cq;
    struct service services[SERVER_SERVICES_MAX];
    size_t n_services;
    struct rpc_tls_port *ports[SERVER_PORTS_MAX];
    size_t n_ports;

    pthread_t poller;
    pthread_t *workers;
    unsigned n_workers;
    bool started, stopped;

    /* Read and written by the poller thread only. */
    struct known_peer known[SERVER_IDENTITIES];
    unsigned known_next;

    atomic_bool draining, ready;
    atomic_uint inflight;

    pthread_mutex_t lock; /* everything below */
    pthread_cond_t work, idle;
    struct call_list queue, free_calls, watchers;
    bool workers_end, drained;
    struct rpc_tag shutdown_tag;
};

enum call_health { HEALTH_NO = 0, HEALTH_CHECK, HEALTH_WATCH };

struct rpc_call {
    struct rpc_server *server;
    struct rpc_call *next, *prev; /* queue, free list or watcher list */
    grpc_call *call;
    grpc_call_details details;
    grpc_metadata_array metadata;
    struct rpc_tag tag_new, tag_recv, tag_send, tag_close;
    atomic_uint refs;
    atomic_bool cancelled;
    int close_cancelled;
    int64_t start_us, deadline_ms; /* CLOCK_MONOTONIC */

    const struct service *service;
    const struct rpc_method *method;
    const ProtobufCMethodDescriptor *md;
    enum call_health health;
    enum chancery_err refused; /* hook pending: why */
    struct rpc_identity caller;

    struct arena arena, recv_arena; /* recv_arena: messages of a client stream */
    struct diag diag;
    grpc_byte_buffer *in_bytes;
    ProtobufCMessage *in, *out;
    bool deferred;
    enum chancery_err result;

    /* What is being sent; lives until the batch completes. */
    bool headers_sent;
    grpc_byte_buffer *out_bytes;
    grpc_slice error_detail;
    grpc_metadata error_md[2]; /* detail; no retries */

    /* Streams: the worker waits here for the poller. */
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool op_done, op_ok;

    /* Health watch, under the server's lock. */
    int watch_told; /* last status sent; -1: none */
    bool watch_sending, watch_ended;
};

/* server_call.c */
void rpc_call_arm(struct rpc_server *s);  /* ask the library for one more call */
void rpc_call_run(struct rpc_call *call); /* on a worker */
void rpc_call_finish(struct rpc_call *call, enum chancery_err err);
void rpc_call_ref(struct rpc_call *call);
void rpc_call_unref(struct rpc_call *call);
void rpc_call_free_memory(struct rpc_call *call);
/* Waits, on a worker, for the operation that was started with tag_recv or tag_send. */
bool rpc_call_wait(struct rpc_call *call);
void rpc_call_op_begin(struct rpc_call *call);

/* server_peer.c: who calls; fills call->caller. CH_OK, CH_UNAUTHENTICATED. */
enum chancery_err rpc_peer_identify(struct rpc_call *call);
bool rpc_peer_allowed(const struct rpc_call *call);
void rpc_peer_forget(struct rpc_server *s);

/* server_pool.c */
enum chancery_err rpc_pool_start(struct rpc_server *s);
void rpc_pool_stop(struct rpc_server *s);
bool rpc_pool_push(struct rpc_call *call, bool always); /* false: queue full */

/* health.c */
enum call_health rpc_health_match(struct slice path);
void rpc_health_run(struct rpc_call *call); /* request received; on the poller */
void rpc_health_ready_changed(struct rpc_server *s);
void rpc_health_end_watches(struct rpc_server *s);
void rpc_health_watch_closed(struct rpc_call *call);
void rpc_health_watch_sent(struct rpc_call *call);

static inline void call_list_push(struct call_list *l, struct rpc_call *c)
{
    c->next = NULL;
    c->prev = l->tail;
    if (l->tail == NULL) {
        l->head = c;
    } else {
        l->tail->next = c;
    }
    l->tail = c;
    l->n++;
}

static inline void call_list_remove(struct call_list *l, struct rpc_call *c)
{
    *(c->prev == NULL ? &l->head : &c->prev->next) = c->next;
    *(c->next == NULL ? &l->tail : &c->next->prev) = c->prev;
    c->next = c->prev = NULL;
    l->n--;
}

static inline struct rpc_call *call_list_pop(struct call_list *l)
{
    struct rpc_call *c = l->head;
    if (c != NULL) {
        call_list_remove(l, c);
    }
    return c;
}

#endif
