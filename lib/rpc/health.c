/* grpc.health.v1, answered on the poller thread: it never waits for a worker. */
#include <string.h>

#include "grpc/health/v1/health.pb-c.h"
#include "server_int.h"

#define SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING
#define NOT_SERVING GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__NOT_SERVING

enum call_health rpc_health_match(struct slice path)
{
    static const char check[] = "/grpc.health.v1.Health/Check";
    static const char watch[] = "/grpc.health.v1.Health/Watch";
    if (slice_eq(path, slice_of(check, sizeof check - 1))) {
        return HEALTH_CHECK;
    }
    return slice_eq(path, slice_of(watch, sizeof watch - 1)) ? HEALTH_WATCH : HEALTH_NO;
}

static int status_now(struct rpc_server *s)
{
    return atomic_load(&s->ready) && !atomic_load(&s->draining) ? (int)SERVING : (int)NOT_SERVING;
}

static bool service_known(const struct rpc_server *s, const char *name)
{
    bool known = name[0] == '\0';
    for (size_t i = 0; i < s->n_services; i++) {
        known = known || strcmp(s->services[i].sd->name, name) == 0;
    }
    return known;
}

/* Server's lock held. Sends the present status unless it was the last one told, or one is on its
 * way. Returns true when the watch must be finished by the caller after the lock is released. */
static bool watch_tell(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    if (call->watch_sending || call->watch_ended) {
        return false;
    }
    bool end = atomic_load(&call->cancelled) || atomic_load(&s->draining);
    int status = status_now(s);
    if (end) {
        call->watch_ended = true;
        call_list_remove(&s->watchers, call);
        return true;
    }
    if (call->watch_told == status) {
        return false;
    }
    Grpc__Health__V1__HealthCheckResponse m;
    grpc__health__v1__health_check_response__init(&m);
    m.status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status;
    grpc_byte_buffer_destroy(call->out_bytes);
    call->out_bytes = rpc_pack(&m.base);
    grpc_op ops[2];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    if (!call->headers_sent) {
        call->headers_sent = true;
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    ops[n].op = GRPC_OP_SEND_MESSAGE;
    ops[n++].data.send_message.send_message = call->out_bytes;
    call->watch_told = status;
    call->watch_sending = true;
    rpc_call_ref(call);
    if (!rpc_batch(call->call, ops, n, &call->tag_send)) {
        rpc_call_unref(call); /* the handling reference is still held: not the last */
        call->watch_sending = false;
    }
    return false;
}

static void watch_step(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    pthread_mutex_lock(&s->lock);
    bool end = watch_tell(call);
    pthread_mutex_unlock(&s->lock);
    if (end) {
        rpc_call_finish(call, diag_set(&call->diag, CH_UNAVAILABLE, "", "rpc.draining",
                                       "the server is stopping"));
    }
}

void rpc_health_watch_sent(struct rpc_call *call)
{
    pthread_mutex_lock(&call->server->lock);
    call->watch_sending = false;
    pthread_mutex_unlock(&call->server->lock);
    watch_step(call);
}

void rpc_health_watch_closed(struct rpc_call *call)
{
    pthread_mutex_lock(&call->server->lock);
    bool listed = call->server->watchers.head == call || call->prev != NULL;
    pthread_mutex_unlock(&call->server->lock);
    if (listed) {
        watch_step(call);
    }
}

void rpc_health_run(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    ProtobufCMessage *in = NULL;
    enum chancery_err err = CH_CANCELLED;
    if (call->in_bytes != NULL) {
        err = rpc_unpack(call->in_bytes, &grpc__health__v1__health_check_request__descriptor,
                         &call->arena, &in, &call->diag);
    }
    if (err == CH_OK &&
        !service_known(s, ((const Grpc__Health__V1__HealthCheckRequest *)in)->service)) {
        err = diag_set(&call->diag, CH_NOT_FOUND, "service", "health.service", "unknown service");
    }
    if (err != CH_OK) {
        call->health = HEALTH_CHECK;
        rpc_call_finish(call, err);
        return;
    }
    if (call->health == HEALTH_CHECK) {
        Grpc__Health__V1__HealthCheckResponse *out =
            (Grpc__Health__V1__HealthCheckResponse *)rpc_new_message(
                &grpc__health__v1__health_check_response__descriptor, &call->arena);
        if (out != NULL) {
            out->status = (Grpc__Health__V1__HealthCheckResponse__ServingStatus)status_now(s);
            call->out = &out->base;
        }
        rpc_call_finish(call, out == NULL ? CH_NOMEM : CH_OK);
        return;
    }
    pthread_mutex_lock(&s->lock);
    call_list_push(&s->watchers, call);
    pthread_mutex_unlock(&s->lock);
    watch_step(call);
}

/* A watch leaves the list only under the lock, so each is visited by taking the list apart. */
void rpc_health_ready_changed(struct rpc_server *s)
{
    for (;;) {
        struct rpc_call *ended = NULL;
        pthread_mutex_lock(&s->lock);
        for (struct rpc_call *c = s->watchers.head; c != NULL && ended == NULL;) {
            struct rpc_call *next = c->next;
            if (watch_tell(c)) {
                ended = c;
            }
            c = next;
        }
        pthread_mutex_unlock(&s->lock);
        if (ended == NULL) {
            return;
        }
        rpc_call_finish(ended, diag_set(&ended->diag, CH_UNAVAILABLE, "", "rpc.draining",
                                        "the server is stopping"));
    }
}

void rpc_health_end_watches(struct rpc_server *s)
{
    rpc_health_ready_changed(s);
}
