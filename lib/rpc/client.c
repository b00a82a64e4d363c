/* Unary calls: blocking (the calling thread polls its own pluck queue, no thread switch) and
 * asynchronous (completed by the process's background thread). */
#include <stdlib.h>
#include <string.h>

#include "client_int.h"
#include "grpc/health/v1/health.pb-c.h"

void rpc_reply_init(struct reply *r)
{
    memset(r, 0, sizeof *r);
    grpc_metadata_array_init(&r->initial);
    grpc_metadata_array_init(&r->trailing);
    r->text = grpc_empty_slice();
    r->code = GRPC_STATUS_UNKNOWN;
}

void rpc_reply_clear(struct reply *r)
{
    grpc_metadata_array_destroy(&r->initial);
    grpc_metadata_array_destroy(&r->trailing);
    grpc_byte_buffer_destroy(r->bytes);
    grpc_slice_unref(r->text);
    memset(r, 0, sizeof *r); /* libgrpc leaves the pointers: a second clear must find none */
    r->text = grpc_empty_slice();
}

size_t rpc_reply_unary_ops(struct reply *r, grpc_byte_buffer *request, grpc_op ops[6])
{
    memset(ops, 0, sizeof(grpc_op) * 6);
    ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
    ops[1].op = GRPC_OP_SEND_MESSAGE;
    ops[1].data.send_message.send_message = request;
    ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    ops[3].op = GRPC_OP_RECV_INITIAL_METADATA;
    ops[3].data.recv_initial_metadata.recv_initial_metadata = &r->initial;
    ops[4].op = GRPC_OP_RECV_MESSAGE;
    ops[4].data.recv_message.recv_message = &r->bytes;
    ops[5].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    ops[5].data.recv_status_on_client.trailing_metadata = &r->trailing;
    ops[5].data.recv_status_on_client.status = &r->code;
    ops[5].data.recv_status_on_client.status_details = &r->text;
    return 6;
}

enum chancery_err rpc_reply_read(struct reply *r, const struct channel_method *m,
                                 struct arena *arena, ProtobufCMessage **out, struct diag *diag)
{
    TRY(rpc_status_read(r->code, r->text, &r->trailing, m->repeatable, diag));
    if (r->bytes == NULL) {
        return diag_set(diag, CH_INTERNAL, "", "rpc.no_answer", "success without a message");
    }
    return rpc_unpack(r->bytes, m->md->output, arena, out, diag);
}

static enum chancery_err check_args(const ProtobufCMessage *in, const struct channel_method *m,
                                    unsigned timeout_ms, struct diag *diag)
{
    if (timeout_ms == 0 || timeout_ms > INT32_MAX || in->descriptor != m->md->input) {
        return diag_set(diag, CH_INVALID, "", "rpc.arguments",
                        "a deadline and a request of the method's type are required");
    }
    return CH_OK;
}

enum chancery_err rpc_call_unary(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                 const char *method, const ProtobufCMessage *in,
                                 unsigned timeout_ms, struct arena *arena, ProtobufCMessage **out,
                                 struct diag *diag)
{
    const struct channel_method *m = NULL;
    TRY(rpc_channel_method(c, sd, method, &m, diag));
    TRY(check_args(in, m, timeout_ms, diag));
    grpc_completion_queue *cq = rpc_pluck_take();
    grpc_call *call = rpc_channel_call(c, m, cq, timeout_ms);
    grpc_byte_buffer *request = rpc_pack(in);
    struct reply reply;
    rpc_reply_init(&reply);
    grpc_op ops[6];
    struct rpc_tag tag = {0};
    enum chancery_err err = CH_INTERNAL;
    if (request == NULL) {
        err = CH_NOMEM;
    } else if (rpc_batch(call, ops, rpc_reply_unary_ops(&reply, request, ops), &tag)) {
        (void)rpc_pluck(cq, &tag); /* the status says how it went */
        err = rpc_reply_read(&reply, m, arena, out, diag);
    }
    grpc_byte_buffer_destroy(request);
    rpc_reply_clear(&reply);
    grpc_call_unref(call);
    rpc_pluck_give(cq);
    return err;
}

/* ---- asynchronous ---- */

struct async_call {
    struct rpc_tag tag;
    struct rpc_channel *channel;
    const struct channel_method *method;
    grpc_call *call;
    grpc_byte_buffer *request;
    struct reply reply;
    rpc_async_done *done;
    void *ctx;
};

static void async_free(struct async_call *a)
{
    struct rpc_channel *c = a->channel;
    grpc_byte_buffer_destroy(a->request);
    rpc_reply_clear(&a->reply);
    grpc_call_unref(a->call);
    free(a);
    pthread_mutex_lock(&c->lock);
    if (--c->calls == 0) {
        pthread_cond_broadcast(&c->idle);
    }
    pthread_mutex_unlock(&c->lock);
}

static void on_async(struct rpc_tag *tag, bool ok)
{
    (void)ok;
    struct async_call *a = tag->owner;
    CLEANUP(arena_clear) struct arena arena;
    arena_init(&arena, CLIENT_ARENA_MAX);
    struct diag diag = {0};
    ProtobufCMessage *out = NULL;
    enum chancery_err err = rpc_reply_read(&a->reply, a->method, &arena, &out, &diag);
    a->done(a->ctx, err, err == CH_OK ? out : NULL, &diag);
    async_free(a);
}

enum chancery_err rpc_call_async(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                 const char *method, const ProtobufCMessage *in,
                                 unsigned timeout_ms, rpc_async_done *done, void *ctx)
{
    const struct channel_method *m = NULL;
    TRY(rpc_channel_method(c, sd, method, &m, NULL));
    TRY(check_args(in, m, timeout_ms, NULL));
    struct async_call *a = calloc(1, sizeof *a);
    if (a == NULL) {
        return CH_NOMEM;
    }
    a->request = rpc_pack(in);
    if (a->request == NULL) {
        free(a);
        return CH_NOMEM;
    }
    *a = (struct async_call){.channel = c,
                             .method = m,
                             .request = a->request,
                             .done = done,
                             .ctx = ctx,
                             .tag = {.fn = on_async, .owner = a}};
    rpc_reply_init(&a->reply);
    a->call = rpc_channel_call(c, m, rpc_client_cq(), timeout_ms);
    pthread_mutex_lock(&c->lock);
    c->calls++;
    pthread_mutex_unlock(&c->lock);
    grpc_op ops[6];
    if (!rpc_batch(a->call, ops, rpc_reply_unary_ops(&a->reply, a->request, ops), &a->tag)) {
        async_free(a);
        return CH_INTERNAL;
    }
    return CH_OK;
}

enum chancery_err rpc_health_check(struct rpc_channel *c, unsigned timeout_ms, bool *out_ready,
                                   struct diag *diag)
{
    *out_ready = false;
    CLEANUP(arena_clear) struct arena arena;
    arena_init(&arena, 1 << 20);
    Grpc__Health__V1__HealthCheckRequest in;
    grpc__health__v1__health_check_request__init(&in);
    ProtobufCMessage *out = NULL;
    TRY(rpc_call_unary(c, &grpc__health__v1__health__descriptor, "Check", &in.base, timeout_ms,
                       &arena, &out, diag));
    *out_ready = ((Grpc__Health__V1__HealthCheckResponse *)out)->status ==
                 GRPC__HEALTH__V1__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return CH_OK;
}
