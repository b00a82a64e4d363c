/* Client side of streams: straight code, the calling thread polls the stream's own queue. One
 * thread at a time per stream. */
#include <stdlib.h>
#include <string.h>

#include "client_int.h"

struct rpc_stream {
    const struct channel_method *method;
    enum rpc_kind kind;
    grpc_call *call;
    grpc_completion_queue *cq;
    struct reply reply;
    struct rpc_tag tag_op, tag_status;
    bool headers_read, status_pending, status_read;
};

/* Starts reading the status: it completes when the call ends, whatever else goes on. */
static bool start_status(struct rpc_stream *s)
{
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_STATUS_ON_CLIENT;
    op.data.recv_status_on_client.trailing_metadata = &s->reply.trailing;
    op.data.recv_status_on_client.status = &s->reply.code;
    op.data.recv_status_on_client.status_details = &s->reply.text;
    s->status_pending = rpc_batch(s->call, &op, 1, &s->tag_status);
    return s->status_pending;
}

static void read_status(struct rpc_stream *s)
{
    if (s->status_pending) {
        (void)rpc_pluck(s->cq, &s->tag_status);
        s->status_pending = false;
        s->status_read = true;
    }
}

static bool run(struct rpc_stream *s, const grpc_op *ops, size_t n)
{
    return rpc_batch(s->call, ops, n, &s->tag_op) && rpc_pluck(s->cq, &s->tag_op);
}

/* Sends headers, and for a server stream the request and the end of sending. */
static enum chancery_err begin(struct rpc_stream *s, const ProtobufCMessage *first)
{
    grpc_op ops[3];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    grpc_byte_buffer *request = NULL;
    if (first != NULL) {
        request = rpc_pack(first);
        if (request == NULL) {
            return CH_NOMEM;
        }
        ops[n].op = GRPC_OP_SEND_MESSAGE;
        ops[n++].data.send_message.send_message = request;
    }
    if (s->kind == RPC_SERVER_STREAM) {
        ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    }
    (void)run(s, ops, n); /* a failure shows in the status */
    grpc_byte_buffer_destroy(request);
    return start_status(s) ? CH_OK : CH_INTERNAL;
}

enum chancery_err rpc_stream_open(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                  const char *method, enum rpc_kind kind,
                                  const ProtobufCMessage *first, unsigned timeout_ms,
                                  struct rpc_stream **out, struct diag *diag)
{
    const struct channel_method *m = NULL;
    TRY(rpc_channel_method(c, sd, method, &m, diag));
    if ((kind != RPC_SERVER_STREAM && kind != RPC_CLIENT_STREAM) || timeout_ms == 0 ||
        timeout_ms > INT32_MAX || (kind == RPC_SERVER_STREAM && first == NULL) ||
        (first != NULL && first->descriptor != m->md->input)) {
        return diag_set(
            diag, CH_INVALID, "", "rpc.arguments",
            "a deadline, a stream kind and a request of the method's type are required");
    }
    struct rpc_stream *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return CH_NOMEM;
    }
    s->method = m;
    s->kind = kind;
    s->cq = rpc_pluck_take();
    s->call = rpc_channel_call(c, m, s->cq, timeout_ms);
    rpc_reply_init(&s->reply);
    enum chancery_err err = begin(s, first);
    if (err != CH_OK) {
        rpc_stream_free(s);
        return err;
    }
    *out = s;
    return CH_OK;
}

enum chancery_err rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *m)
{
    if (s->kind != RPC_CLIENT_STREAM || m->descriptor != s->method->md->input) {
        return CH_INVALID;
    }
    grpc_byte_buffer *bytes = rpc_pack(m);
    if (bytes == NULL) {
        return CH_NOMEM;
    }
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_SEND_MESSAGE;
    op.data.send_message.send_message = bytes;
    bool ok = run(s, &op, 1);
    grpc_byte_buffer_destroy(bytes);
    return ok ? CH_OK : CH_CANCELLED; /* why: rpc_stream_finish */
}

/* Reads one message's bytes into reply.bytes; NULL there at the end. */
static void read_bytes(struct rpc_stream *s, bool close)
{
    grpc_op ops[3];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    if (close) {
        ops[n++].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
    }
    if (!s->headers_read) {
        s->headers_read = true;
        ops[n].op = GRPC_OP_RECV_INITIAL_METADATA;
        ops[n++].data.recv_initial_metadata.recv_initial_metadata = &s->reply.initial;
    }
    ops[n].op = GRPC_OP_RECV_MESSAGE;
    ops[n++].data.recv_message.recv_message = &s->reply.bytes;
    (void)run(s, ops, n);
}

static void drop_bytes(struct rpc_stream *s)
{
    grpc_byte_buffer_destroy(s->reply.bytes);
    s->reply.bytes = NULL;
}

static enum chancery_err status(struct rpc_stream *s, struct diag *diag)
{
    read_status(s);
    return rpc_status_read(s->reply.code, s->reply.text, &s->reply.trailing, s->method->repeatable,
                           diag);
}

enum chancery_err rpc_stream_recv(struct rpc_stream *s, struct arena *arena, ProtobufCMessage **out)
{
    if (s->kind != RPC_SERVER_STREAM) {
        return CH_INVALID;
    }
    if (s->status_read) {
        return CH_END;
    }
    read_bytes(s, false);
    if (s->reply.bytes == NULL) {
        enum chancery_err err = status(s, NULL);
        return err == CH_OK ? CH_END : err;
    }
    enum chancery_err err = rpc_unpack(s->reply.bytes, s->method->md->output, arena, out, NULL);
    drop_bytes(s);
    return err;
}

enum chancery_err rpc_stream_finish(struct rpc_stream *s, struct arena *arena,
                                    ProtobufCMessage **out, struct diag *diag)
{
    if (s->kind == RPC_CLIENT_STREAM && !s->status_read) {
        read_bytes(s, true);
        enum chancery_err err = status(s, diag);
        if (err == CH_OK) {
            err = rpc_reply_read(&s->reply, s->method, arena, out, diag);
        }
        drop_bytes(s);
        return err;
    }
    if (!s->status_read) { /* a server stream left early */
        (void)grpc_call_cancel(s->call, NULL);
        read_status(s);
        return CH_CANCELLED;
    }
    return status(s, diag);
}

void rpc_stream_free(struct rpc_stream *s)
{
    if (s == NULL) {
        return;
    }
    if (s->status_pending) {
        (void)grpc_call_cancel(s->call, NULL);
        read_status(s);
    }
    rpc_reply_clear(&s->reply);
    grpc_call_unref(s->call);
    rpc_pluck_give(s->cq);
    free(s);
}
