/* One call from arrival to release: see the state list in server_int.h. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "os/os.h"
#include "server_int.h"

static int64_t mono_us(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* ---- references ---- */

void rpc_call_ref(struct rpc_call *call)
{
    atomic_fetch_add_explicit(&call->refs, 1, memory_order_relaxed);
}

void rpc_call_free_memory(struct rpc_call *call)
{
    grpc_metadata_array_destroy(&call->metadata);
    arena_clear(&call->arena);
    arena_clear(&call->recv_arena);
    pthread_mutex_destroy(&call->lock);
    pthread_cond_destroy(&call->cond);
    free(call);
}

/* Gives the slot back: nothing of the library's memory may stay in it. */
static void call_release(struct rpc_call *call)
{
    struct rpc_server *s = call->server;
    if (call->call != NULL && s->opts.on_done != NULL && call->md != NULL) {
        s->opts.on_done(s->opts.hook_ctx, call->service->sd->name, call->md->name, call->result,
                        mono_us() - call->start_us);
    }
    grpc_byte_buffer_destroy(call->in_bytes);
    grpc_byte_buffer_destroy(call->out_bytes);
    grpc_slice_unref(call->error_detail);
    grpc_call_details_destroy(&call->details);
    bool counted = call->call != NULL;
    if (counted) {
        grpc_call_unref(call->call);
    }
    arena_reset(&call->arena);
    arena_clear(&call->recv_arena);
    pthread_mutex_lock(&s->lock);
    bool keep = s->free_calls.n < SERVER_CALLS_KEPT && !s->stopped;
    if (keep) {
        call_list_push(&s->free_calls, call);
    }
    if (counted && atomic_fetch_sub(&s->inflight, 1) == 1) {
        pthread_cond_broadcast(&s->idle);
    }
    pthread_mutex_unlock(&s->lock);
    if (!keep) {
        rpc_call_free_memory(call);
    }
}

void rpc_call_unref(struct rpc_call *call)
{
    if (atomic_fetch_sub_explicit(&call->refs, 1, memory_order_acq_rel) == 1) {
        call_release(call);
    }
}

static bool call_batch(struct rpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag)
{
    rpc_call_ref(call);
    if (rpc_batch(call->call, ops, n, tag)) {
        return true;
    }
    rpc_call_unref(call);
    return false;
}

/* ---- the last batch ---- */

static size_t add_headers(struct rpc_call *call, grpc_op *op)
{
    if (call->headers_sent) {
        return 0;
    }
    call->headers_sent = true;
    op->op = GRPC_OP_SEND_INITIAL_METADATA;
    return 1;
}

static void add_error(struct rpc_call *call, grpc_op *op, grpc_slice *text)
{
    op->op = GRPC_OP_SEND_STATUS_FROM_SERVER;
    op->data.send_status_from_server.status = rpc_status_of(call->result);
    if (call->result == CH_OK) {
        return;
    }
    call->error_detail = rpc_error_pack(call->result, &call->diag);
    call->error_md[0].key = grpc_slice_from_static_string(RPC_ERROR_KEY);
    call->error_md[0].value = call->error_detail;
    /* Channels repeat what a lost connection left open. This is an answer, after our own tries and
     * waits: repeated by the channel it would take the caller's whole time (gRPC A6, pushback). */
    call->error_md[1].key = grpc_slice_from_static_string("grpc-retry-pushback-ms");
    call->error_md[1].value = grpc_slice_from_static_string("-1");
    op->data.send_status_from_server.trailing_metadata = call->error_md;
    op->data.send_status_from_server.trailing_metadata_count = 2;
    const char *message = call->diag.text[0] != '\0' ? call->diag.text : err_name(call->result);
    *text = grpc_slice_from_copied_string(message);
    op->data.send_status_from_server.status_details = text;
}

/* Takes the handling reference. */
void rpc_call_finish(struct rpc_call *call, enum chancery_err err)
{
    grpc_op ops[3];
    memset(ops, 0, sizeof ops);
    size_t n = add_headers(call, &ops[0]);
    if (err == CH_OK && call->out != NULL) {
        call->out_bytes = rpc_pack(call->out);
        if (call->out_bytes == NULL) {
            err = CH_NOMEM;
        } else {
            ops[n].op = GRPC_OP_SEND_MESSAGE;
            ops[n++].data.send_message.send_message = call->out_bytes;
        }
    }
    call->result = err;
    grpc_slice text = grpc_empty_slice();
    add_error(call, &ops[n++], &text);
    (void)call_batch(call, ops, n, &call->tag_send);
    grpc_slice_unref(text);
    rpc_call_unref(call);
}

/* ---- streams: a worker waits for the poller ---- */

void rpc_call_op_begin(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    call->op_done = false;
    pthread_mutex_unlock(&call->lock);
}

bool rpc_call_wait(struct rpc_call *call)
{
    pthread_mutex_lock(&call->lock);
    while (!call->op_done) {
        pthread_cond_wait(&call->cond, &call->lock);
    }
    bool ok = call->op_ok;
    pthread_mutex_unlock(&call->lock);
    return ok;
}

static void op_signal(struct rpc_call *call, bool ok)
{
    pthread_mutex_lock(&call->lock);
    call->op_done = true;
    call->op_ok = ok;
    pthread_cond_signal(&call->cond);
    pthread_mutex_unlock(&call->lock);
}

/* ---- completions, on the poller ---- */

static void on_send(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = tag->owner;
    if (call->health == HEALTH_WATCH) {
        rpc_health_watch_sent(call);
    } else {
        op_signal(call, ok);
    }
    rpc_call_unref(call);
}

static void on_close(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = tag->owner;
    if (!ok || call->close_cancelled) {
        atomic_store(&call->cancelled, true);
    }
    if (call->health == HEALTH_WATCH) {
        rpc_health_watch_closed(call);
    }
    rpc_call_unref(call);
}

static void shed(struct rpc_call *call)
{
    rpc_call_finish(call, diag_set(&call->diag, CH_BUSY, "", "rpc.shed",
                                   "the server is overloaded: retry with back-off"));
}

static void on_recv(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = tag->owner;
    if (call->health != HEALTH_NO) {
        rpc_health_run(call);
    } else if (call->method->kind == RPC_CLIENT_STREAM) {
        op_signal(call, ok);
    } else if (!ok || call->in_bytes == NULL) {
        rpc_call_finish(call, diag_set(&call->diag, CH_CANCELLED, "", "rpc.no_request",
                                       "the call ended before its request arrived"));
    } else if (!rpc_pool_push(call, false)) {
        shed(call);
    }
    rpc_call_unref(call);
}

static bool call_recv(struct rpc_call *call)
{
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_MESSAGE;
    op.data.recv_message.recv_message = &call->in_bytes;
    return call_batch(call, &op, 1, &call->tag_recv);
}

/* ---- dispatch ---- */

static struct slice details_path(const struct rpc_call *call)
{
    return slice_of(GRPC_SLICE_START_PTR(call->details.method),
                    GRPC_SLICE_LENGTH(call->details.method));
}

/* "/pkg.Service/Method" */
static bool find_method(struct rpc_call *call)
{
    struct slice path = details_path(call);
    for (size_t i = 0; i < call->server->n_services; i++) {
        const struct service *sv = &call->server->services[i];
        size_t len = strlen(sv->sd->name);
        char name[128];
        if (path.len < len + 3 || path.len - len - 2 >= sizeof name || path.ptr[0] != '/' ||
            path.ptr[len + 1] != '/' || memcmp(path.ptr + 1, sv->sd->name, len) != 0) {
            continue;
        }
        memcpy(name, path.ptr + len + 2, path.len - len - 2);
        name[path.len - len - 2] = '\0';
        const ProtobufCMethodDescriptor *md =
            protobuf_c_service_descriptor_get_method_by_name(sv->sd, name);
        if (md == NULL || sv->by_index[md - sv->sd->methods] == NULL) {
            return false;
        }
        call->service = sv;
        call->md = md;
        call->method = sv->by_index[md - sv->sd->methods];
        return true;
    }
    return false;
}

static void refuse(struct rpc_call *call, enum chancery_err why)
{
    call->refused = why;
    /* Refusals are for the audit log: they pass a full queue, within the limit of calls at all. */
    bool room = atomic_load(&call->server->inflight) <= call->server->opts.inflight_max;
    if (call->server->opts.on_refused == NULL || call->md == NULL || !rpc_pool_push(call, room)) {
        rpc_call_finish(call, why);
    }
}

static void dispatch(struct rpc_call *call)
{
    enum chancery_err err = rpc_peer_identify(call);
    call->health = err == CH_OK ? rpc_health_match(details_path(call)) : HEALTH_NO;
    if (call->health != HEALTH_NO) {
        if (!call_recv(call)) {
            rpc_call_finish(call, CH_INTERNAL);
        }
        return;
    }
    bool known = find_method(call);
    if (err != CH_OK) {
        refuse(call, err);
    } else if (!known) {
        rpc_call_finish(call, diag_set(&call->diag, CH_UNSUPPORTED, "", "rpc.method",
                                       "this server has no such method"));
    } else if (!rpc_peer_allowed(call)) {
        (void)diag_set(&call->diag, CH_DENIED, "caller", "caller.not_allowed", "%s may not call %s",
                       call->caller.uri, call->md->name);
        refuse(call, CH_DENIED);
    } else if (atomic_load(&call->server->inflight) > call->server->opts.inflight_max) {
        shed(call);
    } else if (call->method->kind == RPC_CLIENT_STREAM) {
        if (!rpc_pool_push(call, false)) {
            shed(call);
        }
    } else if (!call_recv(call)) {
        rpc_call_finish(call, CH_INTERNAL);
    }
}

/* ---- arrival ---- */

static int64_t left_ms(gpr_timespec deadline)
{
    gpr_timespec left = gpr_time_sub(gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC),
                                     gpr_now(GPR_CLOCK_MONOTONIC));
    if (gpr_time_cmp(left, gpr_time_from_millis(SERVER_TIME_MAX_MS, GPR_TIMESPAN)) > 0) {
        return SERVER_TIME_MAX_MS;
    }
    return gpr_time_to_millis(left);
}

static void on_new(struct rpc_tag *tag, bool ok)
{
    struct rpc_call *call = tag->owner;
    struct rpc_server *s = call->server;
    if (!ok) { /* shutting down: no call came */
        call->call = NULL;
        rpc_call_unref(call);
        return;
    }
    atomic_fetch_add(&s->inflight, 1);
    if (!atomic_load(&s->draining)) {
        rpc_call_arm(s);
    }
    call->start_us = mono_us();
    call->deadline_ms = os_mono_ms() + left_ms(call->details.deadline);
    grpc_op op;
    memset(&op, 0, sizeof op);
    op.op = GRPC_OP_RECV_CLOSE_ON_SERVER;
    op.data.recv_close_on_server.cancelled = &call->close_cancelled;
    (void)call_batch(call, &op, 1, &call->tag_close);
    dispatch(call);
}

static struct rpc_call *call_take(struct rpc_server *s)
{
    pthread_mutex_lock(&s->lock);
    struct rpc_call *call = call_list_pop(&s->free_calls);
    pthread_mutex_unlock(&s->lock);
    if (call == NULL) {
        call = calloc(1, sizeof *call);
        if (call == NULL) {
            return NULL;
        }
        call->server = s;
        pthread_mutex_init(&call->lock, NULL);
        pthread_cond_init(&call->cond, NULL);
        arena_init(&call->arena, SERVER_CALL_ARENA);
        arena_init(&call->recv_arena, SERVER_CALL_ARENA);
        grpc_metadata_array_init(&call->metadata);
        call->tag_new = (struct rpc_tag){.fn = on_new, .owner = call};
        call->tag_recv = (struct rpc_tag){.fn = on_recv, .owner = call};
        call->tag_send = (struct rpc_tag){.fn = on_send, .owner = call};
        call->tag_close = (struct rpc_tag){.fn = on_close, .owner = call};
    }
    return call;
}

static void call_prepare(struct rpc_call *call)
{
    call->call = NULL;
    grpc_call_details_init(&call->details);
    call->metadata.count = 0; /* elements belonged to the previous call */
    atomic_store(&call->refs, 1);
    atomic_store(&call->cancelled, false);
    call->close_cancelled = 0;
    call->service = NULL;
    call->method = NULL;
    call->md = NULL;
    call->health = HEALTH_NO;
    call->refused = CH_OK;
    diag_clear(&call->diag);
    call->in_bytes = call->out_bytes = NULL;
    call->in = call->out = NULL;
    call->deferred = call->headers_sent = false;
    call->result = CH_INTERNAL;
    call->error_detail = grpc_empty_slice();
    memset(call->error_md, 0, sizeof call->error_md);
    call->watch_told = -1;
    call->watch_sending = call->watch_ended = false;
}

void rpc_call_arm(struct rpc_server *s)
{
    struct rpc_call *call = call_take(s);
    if (call == NULL) {
        return;
    }
    call_prepare(call);
    rpc_tag_arm(&call->tag_new);
    grpc_call_error e = grpc_server_request_call(s->server, &call->call, &call->details,
                                                 &call->metadata, s->cq, s->cq, &call->tag_new);
    if (e != GRPC_CALL_OK) {
        log_event(LOG_LEVEL_ERROR, "rpc.request_call",
                  LOG_STR("why", grpc_call_error_to_string(e)));
        call->call = NULL;
        rpc_call_unref(call);
    }
}

/* ---- handler, on a worker ---- */

/* Work for a caller that no longer waits is not begun. */
static enum chancery_err still_wanted(struct rpc_call *call)
{
    if (rpc_time_left_ms(call) <= 0) {
        return diag_set(&call->diag, CH_DEADLINE, "", "rpc.expired",
                        "the deadline passed before the call was begun");
    }
    if (atomic_load(&call->cancelled)) {
        return diag_set(&call->diag, CH_CANCELLED, "", "rpc.cancelled", "the caller is gone");
    }
    return CH_OK;
}

static enum chancery_err handle(struct rpc_call *call)
{
    TRY(still_wanted(call));
    enum rpc_kind kind = call->method->kind;
    if (kind != RPC_CLIENT_STREAM) {
        TRY(rpc_unpack(call->in_bytes, call->md->input, &call->arena, &call->in, &call->diag));
        grpc_byte_buffer_destroy(call->in_bytes);
        call->in_bytes = NULL;
    }
    if (kind != RPC_SERVER_STREAM) {
        call->out = rpc_new_message(call->md->output, &call->arena);
        if (call->out == NULL) {
            return CH_NOMEM;
        }
    }
    return call->method->handler(call, call->in, call->out, call->service->ctx);
}

void rpc_call_run(struct rpc_call *call)
{
    if (call->refused != CH_OK) {
        call->server->opts.on_refused(call->server->opts.hook_ctx, call->service->sd->name,
                                      call->md->name, call->caller.uri, call->refused);
        rpc_call_finish(call, call->refused);
        return;
    }
    /* A deferred call may be finished, and its slot reused, before its handler returns: hold it. */
    rpc_call_ref(call);
    enum chancery_err err = handle(call);
    if (!call->deferred) {
        rpc_call_finish(call, err);
    }
    rpc_call_unref(call);
}
