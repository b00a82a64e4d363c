/* See the header. */
#include "fixture.h"

#include <stdio.h>
#include <time.h>

#include "os/os.h"

static enum chancery_err at_gate(struct fx *fx)
{
    pthread_mutex_lock(&fx->lock);
    fx->inside++;
    pthread_cond_broadcast(&fx->cond);
    while (!fx->gate_open) {
        pthread_cond_wait(&fx->cond, &fx->lock);
    }
    fx->inside--;
    pthread_mutex_unlock(&fx->lock);
    return CH_OK;
}

static void nap_10ms(void)
{
    (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
}

/* Answers one ack: index = sequence of the request, leaf_hash = the caller's URI. */
static enum chancery_err answer(struct rpc_call *call, const Chancery__Audit__V1__AppendRequest *in,
                                Chancery__Audit__V1__AppendResponse *out)
{
    struct arena *arena = rpc_arena(call);
    Chancery__Audit__V1__Ack *ack = arena_alloc(arena, sizeof *ack);
    Chancery__Audit__V1__Ack **acks = arena_alloc(arena, sizeof *acks);
    if (ack == NULL || acks == NULL) {
        return CH_NOMEM;
    }
    chancery__audit__v1__ack__init(ack);
    ack->index = in->sequence;
    ack->leaf_hash = rpc_bytes(arena, slice_str(rpc_caller(call)));
    acks[0] = ack;
    out->acks = acks;
    out->n_acks = 1;
    return CH_OK;
}

static enum chancery_err append(struct rpc_call *call, const ProtobufCMessage *in_base,
                                ProtobufCMessage *out_base, void *ctx)
{
    struct fx *fx = ctx;
    const Chancery__Audit__V1__AppendRequest *in =
        (const Chancery__Audit__V1__AppendRequest *)in_base;
    Chancery__Audit__V1__AppendResponse *out = (Chancery__Audit__V1__AppendResponse *)out_base;
    atomic_fetch_add(&fx->handled, 1);
    const char *action = in->n_entries == 0 ? "ok" : in->entries[0]->action;
    if (strcmp(action, "fail") == 0) {
        (void)diag_set(rpc_diag(call), CH_REFUSED, "entries[0].action", "test.rule", "because %s",
                       "\xc3\xa9t\xc3\xa9");
        return diag_ref(rpc_diag(call), CH_REFUSED, "RFC 5280 4.1");
    }
    if (strcmp(action, "away") == 0) {
        return diag_set(rpc_diag(call), CH_UNAVAILABLE, "", "fx.away", "a part is away");
    }
    if (strcmp(action, "gate") == 0) {
        TRY(at_gate(fx));
    }
    if (strcmp(action, "cancel") == 0) {
        pthread_mutex_lock(&fx->lock);
        fx->inside++;
        pthread_cond_broadcast(&fx->cond);
        pthread_mutex_unlock(&fx->lock);
        while (!rpc_cancelled(call)) {
            nap_10ms();
        }
        atomic_store(&fx->stream_cancelled, true);
        return CH_CANCELLED;
    }
    TRY(answer(call, in, out));
    if (strcmp(action, "defer") == 0) {
        rpc_defer(call);
        pthread_mutex_lock(&fx->lock);
        fx->deferred = call;
        pthread_cond_broadcast(&fx->cond);
        pthread_mutex_unlock(&fx->lock);
    }
    return CH_OK;
}

/* first_index = n: sends n messages; UINT64_MAX: until the peer is gone. */
static enum chancery_err stream_entries(struct rpc_call *call, const ProtobufCMessage *in_base,
                                        ProtobufCMessage *out, void *ctx)
{
    (void)out;
    struct fx *fx = ctx;
    uint64_t n = ((const Chancery__Audit__V1__StreamEntriesRequest *)in_base)->first_index;
    for (uint64_t i = 0; i < n; i++) {
        Chancery__Audit__V1__LogEntry entry, *entries[1] = {&entry};
        chancery__audit__v1__log_entry__init(&entry);
        entry.index = i;
        Chancery__Audit__V1__StreamEntriesResponse m;
        chancery__audit__v1__stream_entries_response__init(&m);
        m.entries = entries;
        m.n_entries = 1;
        enum chancery_err err = rpc_send(call, &m.base);
        if (err != CH_OK) {
            atomic_store(&fx->stream_cancelled, true);
            return err;
        }
        atomic_fetch_add(&fx->stream_sent, 1);
    }
    return n == 3 ? diag_set(rpc_diag(call), CH_INTEGRITY, "", "test.stream", "after three")
                  : CH_OK;
}

/* log_index = bytes received in chunks; a chunk "stop" makes it refuse at once. */
static enum chancery_err sign_crl(struct rpc_call *call, const ProtobufCMessage *in,
                                  ProtobufCMessage *out, void *ctx)
{
    (void)in;
    (void)ctx;
    uint64_t total = 0;
    for (;;) {
        ProtobufCMessage *m = NULL;
        enum chancery_err err = rpc_recv(call, &m);
        if (err == CH_END) {
            ((Chancery__Ca__V1__SignCrlResponse *)out)->log_index = total;
            return CH_OK;
        }
        TRY(err);
        const Chancery__Ca__V1__SignCrlRequest *r = (const Chancery__Ca__V1__SignCrlRequest *)m;
        total += r->chunk.len;
        if (slice_eq(rpc_slice(r->chunk), slice_str("stop"))) {
            return diag_set(rpc_diag(call), CH_REFUSED, "chunk", "test.stop", "stopped");
        }
        rpc_recv_reset(call);
    }
}

static const char *const only_ca[] = {"/chancery/ca", NULL};
static const char *const anyone[] = {"*", NULL};
static const struct rpc_method audit_methods[] = {
    {"Append", RPC_UNARY, append, only_ca},
    {"StreamEntries", RPC_SERVER_STREAM, stream_entries, anyone},
};
static const struct rpc_method ca_methods[] = {{"SignCrl", RPC_CLIENT_STREAM, sign_crl, only_ca}};

static void on_refused(void *ctx, const char *service, const char *method, const char *uri,
                       enum chancery_err why)
{
    (void)service;
    (void)method;
    (void)why;
    struct fx *fx = ctx;
    pthread_mutex_lock(&fx->lock);
    (void)snprintf(fx->refused_uri, sizeof fx->refused_uri, "%s", uri);
    pthread_mutex_unlock(&fx->lock);
    atomic_fetch_add(&fx->refused, 1);
}

static void on_done(void *ctx, const char *service, const char *method, enum chancery_err err,
                    int64_t us)
{
    (void)service;
    (void)method;
    (void)err;
    assert_true(us >= 0);
    atomic_fetch_add(&((struct fx *)ctx)->done, 1);
}

void fx_setup(struct fx *fx)
{
    memset(fx, 0, sizeof *fx);
    pthread_mutex_init(&fx->lock, NULL);
    pthread_cond_init(&fx->cond, NULL);
    test_tmpdir(fx->dir);
    (void)snprintf(fx->server_dir, sizeof fx->server_dir, "%s/server", fx->dir);
    (void)snprintf(fx->client_dir, sizeof fx->client_dir, "%s/client", fx->dir);
    (void)snprintf(fx->other_dir, sizeof fx->other_dir, "%s/other", fx->dir);
    (void)snprintf(fx->deny, sizeof fx->deny, "%s/deny", fx->dir);
    fx->ca = test_ca_new("test infrastructure");
    test_ca_issue(fx->ca, fx->server_dir, SERVER_URI);
    test_ca_issue(fx->ca, fx->client_dir, CLIENT_URI);
    test_ca_issue(fx->ca, fx->other_dir, OTHER_URI);
}

struct rpc_server_opts fx_opts(struct fx *fx)
{
    return (struct rpc_server_opts){.tls = {fx->server_dir, fx->deny},
                                    .trust_domain = TD,
                                    .on_refused = on_refused,
                                    .on_done = on_done,
                                    .hook_ctx = fx,
                                    .grace_ms = 3000};
}

void fx_serve(struct fx *fx, const struct rpc_server_opts *opts)
{
    struct rpc_server_opts mine = fx_opts(fx);
    struct diag diag = {0};
    char address[64];
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", fx->port);
    assert_int_equal(rpc_server_new(opts == NULL ? &mine : opts, &fx->server, &diag), CH_OK);
    assert_int_equal(rpc_server_add(fx->server, &chancery__audit__v1__audit_service__descriptor,
                                    audit_methods, 2, fx),
                     CH_OK);
    assert_int_equal(
        rpc_server_add(fx->server, &chancery__ca__v1__ca_service__descriptor, ca_methods, 1, fx),
        CH_OK);
    int64_t until = os_mono_ms() + 3000; /* a stopped predecessor's port may need a moment */
    enum chancery_err err = rpc_server_listen(fx->server, address, &fx->port, &diag);
    while (err != CH_OK && os_mono_ms() < until) {
        nap_10ms();
        err = rpc_server_listen(fx->server, address, &fx->port, &diag);
    }
    assert_int_equal(err, CH_OK);
    assert_int_equal(rpc_server_start(fx->server, &diag), CH_OK);
    rpc_server_set_ready(fx->server, true);
    (void)snprintf(fx->target, sizeof fx->target, "127.0.0.1:%d", fx->port);
}

void fx_stop(struct fx *fx)
{
    rpc_server_stop(fx->server);
    rpc_server_free(fx->server);
    fx->server = NULL;
}

void fx_teardown(struct fx *fx)
{
    if (fx->server != NULL) {
        fx_open(fx);
        fx_stop(fx);
    }
    test_ca_free(fx->ca);
    test_rmdir(fx->dir);
    pthread_mutex_destroy(&fx->lock);
    pthread_cond_destroy(&fx->cond);
}

struct rpc_channel *fx_channel_opts(struct fx *fx, const struct rpc_channel_opts *opts)
{
    struct rpc_channel *c = NULL;
    struct diag diag = {0};
    if (rpc_channel_new(fx->target, opts, &c, &diag) != CH_OK) {
        fail_msg("%s", diag.text);
    }
    return c;
}

struct rpc_channel *fx_channel(struct fx *fx, const char *identity_dir)
{
    struct rpc_channel_opts o = {
        .tls = {identity_dir, NULL}, .trust_domain = TD, .peer_uri = "/chancery/audit"};
    return fx_channel_opts(fx, &o);
}

struct append_call {
    Chancery__Audit__V1__AppendRequest request;
    Chancery__Audit__V1__Entry entry, *entries[1];
};

static void append_fill(struct append_call *a, const char *action)
{
    chancery__audit__v1__append_request__init(&a->request);
    chancery__audit__v1__entry__init(&a->entry);
    a->entry.action = (char *)(uintptr_t)action;
    a->entries[0] = &a->entry;
    a->request.entries = a->entries;
    a->request.n_entries = 1;
    a->request.sequence = 42;
}

enum chancery_err fx_append_full(struct rpc_channel *c, const char *action, unsigned timeout_ms,
                                 struct arena *arena, Chancery__Audit__V1__AppendResponse **out,
                                 struct diag *diag)
{
    struct append_call a;
    append_fill(&a, action);
    ProtobufCMessage *m = NULL;
    TRY(rpc_call_unary(c, &chancery__audit__v1__audit_service__descriptor, "Append",
                       &a.request.base, timeout_ms, arena, &m, diag));
    *out = (Chancery__Audit__V1__AppendResponse *)m;
    return CH_OK;
}

enum chancery_err fx_append(struct rpc_channel *c, const char *action, unsigned timeout_ms,
                            struct diag *diag)
{
    CLEANUP(arena_clear) struct arena arena = {0};
    Chancery__Audit__V1__AppendResponse *out = NULL;
    return fx_append_full(c, action, timeout_ms, &arena, &out, diag);
}

static void async_done(void *ctx, enum chancery_err err, const ProtobufCMessage *out,
                       const struct diag *diag)
{
    struct fx_async *a = ctx;
    assert_true((err == CH_OK) == (out != NULL));
    pthread_mutex_lock(&a->fx->lock);
    a->err = err;
    a->diag = *diag;
    a->done = true;
    pthread_cond_broadcast(&a->fx->cond);
    pthread_mutex_unlock(&a->fx->lock);
}

void fx_append_async(struct fx *fx, struct rpc_channel *c, const char *action, unsigned timeout_ms,
                     struct fx_async *a)
{
    *a = (struct fx_async){.fx = fx};
    struct append_call call;
    append_fill(&call, action);
    assert_int_equal(rpc_call_async(c, &chancery__audit__v1__audit_service__descriptor, "Append",
                                    &call.request.base, timeout_ms, async_done, a),
                     CH_OK);
}

void fx_async_wait(struct fx_async *a)
{
    pthread_mutex_lock(&a->fx->lock);
    while (!a->done) {
        pthread_cond_wait(&a->fx->cond, &a->fx->lock);
    }
    pthread_mutex_unlock(&a->fx->lock);
}

bool fx_async_done(struct fx_async *a)
{
    pthread_mutex_lock(&a->fx->lock);
    bool done = a->done;
    pthread_mutex_unlock(&a->fx->lock);
    return done;
}

void fx_wait_inside(struct fx *fx, unsigned n)
{
    pthread_mutex_lock(&fx->lock);
    while (fx->inside < n) {
        pthread_cond_wait(&fx->cond, &fx->lock);
    }
    pthread_mutex_unlock(&fx->lock);
}

void fx_open(struct fx *fx)
{
    pthread_mutex_lock(&fx->lock);
    fx->gate_open = true;
    pthread_cond_broadcast(&fx->cond);
    pthread_mutex_unlock(&fx->lock);
}

struct rpc_call *fx_wait_deferred(struct fx *fx)
{
    pthread_mutex_lock(&fx->lock);
    while (fx->deferred == NULL) {
        pthread_cond_wait(&fx->cond, &fx->lock);
    }
    struct rpc_call *call = fx->deferred;
    fx->deferred = NULL;
    pthread_mutex_unlock(&fx->lock);
    return call;
}

unsigned fx_until_ok(struct rpc_channel *c, unsigned ms)
{
    int64_t start = os_mono_ms();
    struct diag diag = {0};
    while (fx_append(c, "ok", 2000, &diag) != CH_OK) {
        if (os_mono_ms() - start > ms) {
            fail_msg("still failing after %u ms: %s", ms, diag.text);
        }
        nap_10ms();
    }
    return (unsigned)(os_mono_ms() - start);
}
