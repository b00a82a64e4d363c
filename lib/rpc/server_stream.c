/* What handlers see of a call, and the stream operations: the worker starts one and waits for the
 * poller; one message in flight is the flow control. */
#include <string.h>

#include "os/os.h"
#include "server_int.h"

struct arena *rpc_arena(struct rpc_call *call)
{
    return &call->arena;
}

struct diag *rpc_diag(struct rpc_call *call)
{
    return &call->diag;
}

const char *rpc_caller(const struct rpc_call *call)
{
    return call->caller.uri;
}

const uint8_t *rpc_caller_cert_sha256(const struct rpc_call *call)
{
    return call->caller.cert_sha256;
}

int64_t rpc_time_left_ms(const struct rpc_call *call)
{
    return call->deadline_ms - os_mono_ms();
}

bool rpc_cancelled(const struct rpc_call *call)
{
    return atomic_load(&call->cancelled);
}

enum chancery_err rpc_send(struct rpc_call *call, const ProtobufCMessage *m)
{
    grpc_op ops[2];
    memset(ops, 0, sizeof ops);
    size_t n = 0;
    if (!call->headers_sent) {
        call->headers_sent = true;
        ops[n++].op = GRPC_OP_SEND_INITIAL_METADATA;
    }
    call->out_bytes = rpc_pack(m);
    if (call->out_bytes == NULL) {
        return CH_NOMEM;
    }
    ops[n].op = GRPC_OP_SEND_MESSAGE;
    ops[n++].data.send_message.send_message = call->out_bytes;
    rpc_call_op_begin(call);
    rpc_call_ref(call);
    bool ok = rpc_batch(call->call, ops, n, &call->tag_send);
    if (ok) {
        ok = rpc_call_wait(call);
    } else {
        rpc_call_unref(call);
    }
    grpc_byte_buffer_destroy(call->out_bytes);
    call->out_bytes = NULL;
    return ok ? CH_OK
              : diag_set(&call->diag, CH_CANCELLED, "", "rpc.cancelled", "the caller is gone");
}

enum chancery_err rpc_recv(struct rpc_call *call, ProtobufCMessage **out)
{
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->in_bytes;
    rpc_call_op_begin(call);
    rpc_call_ref(call);
    bool ok = rpc_batch(call->call, &op, 1, &call->tag_recv);
    if (ok) {
        ok = rpc_call_wait(call);
    } else {
        rpc_call_unref(call);
    }
    if (ok && call->in_bytes != NULL) {
        enum chancery_err err =
            rpc_unpack(call->in_bytes, call->md->input, &call->recv_arena, out, &call->diag);
        grpc_byte_buffer_destroy(call->in_bytes);
        call->in_bytes = NULL;
        return err;
    }
    if (atomic_load(&call->cancelled) || rpc_time_left_ms(call) <= 0 ||
        grpc_call_failed_before_recv_message(call->call)) {
        return diag_set(&call->diag, CH_CANCELLED, "", "rpc.cancelled", "the caller is gone");
    }
    return CH_END;
}

void rpc_recv_reset(struct rpc_call *call)
{
    arena_reset(&call->recv_arena);
}

void rpc_defer(struct rpc_call *call)
{
    call->deferred = true;
}

void rpc_finish(struct rpc_call *call, enum chancery_err err)
{
    rpc_call_finish(call, err);
}
