/* Server life: make, register services, listen, start, drain, free.
 *
 * The order of the end is libgrpc's: mark draining, shutdown_and_notify, wait for its tag with
 * grace, cancel what is left and wait again, shut the queue down, join threads, destroy the server,
 * then the queue. Any other order crashes or races in 1.51. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "log/log.h"
#include "server_int.h"

#define PING_MIN_MS 500 /* below every client's keepalive time, or long calls get GOAWAY */
#define CONNECTION_AGE_MS                                                                          \
    900000 /* reconnect now and then, so that renewed certificates come in                         \
            */
#define HANDSHAKE_MS 10000
#define METADATA_MAX (16 << 10)

static void on_shutdown(struct rpc_tag *tag, bool ok)
{
    (void)ok;
    struct rpc_server *s = tag->owner;
    pthread_mutex_lock(&s->lock);
    s->drained = true;
    pthread_cond_broadcast(&s->idle);
    pthread_mutex_unlock(&s->lock);
}

static grpc_arg int_arg(const char *key, int value)
{
    grpc_arg a;
    memset(&a, 0, sizeof a);
    a.type = GRPC_ARG_INTEGER;
    a.key = (char *)(uintptr_t)key;
    a.value.integer = value;
    return a;
}

static void create_server(struct rpc_server *s)
{
    grpc_arg args[] = {
        int_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* else two servers share a port without a word */
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)s->opts.message_max),
        int_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)s->opts.inflight_max),
        int_arg(GRPC_ARG_MAX_METADATA_SIZE, METADATA_MAX),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, 10000),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 5000),
        int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        int_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        int_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_MIN_MS),
        int_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_MS),
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, CONNECTION_AGE_MS),
        int_arg(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, SERVER_TIME_MAX_MS),
        /* identity only: a compressed bomb would unfold past message_max */
        int_arg(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1),
        int_arg(GRPC_ARG_ENABLE_CHANNELZ, 0),
    };
    grpc_channel_args list = {sizeof args / sizeof args[0], args};
    s->server = grpc_server_create(&list, NULL);
    s->cq = grpc_completion_queue_create_for_next(NULL);
    grpc_server_register_completion_queue(s->server, s->cq, NULL);
}

static void default_opts(struct rpc_server_opts *o)
{
    o->queue_max = o->queue_max == 0 ? 1024 : o->queue_max;
    o->inflight_max = o->inflight_max == 0 ? 4096 : o->inflight_max;
    o->message_max = o->message_max == 0 ? (size_t)4 << 20 : o->message_max;
    o->grace_ms = o->grace_ms == 0 ? 5000 : o->grace_ms;
}

enum chancery_err rpc_server_new(const struct rpc_server_opts *opts, struct rpc_server **out,
                                 struct diag *diag)
{
    if (opts->trust_domain == NULL || opts->trust_domain[0] == '\0') {
        return diag_set(diag, CH_INVALID, "trust_domain", "required", "a trust domain is required");
    }
    if (opts->message_max > INT32_MAX || opts->inflight_max > INT32_MAX) {
        return diag_set(diag, CH_INVALID, "message_max", "range", "limits must fit in 31 bits");
    }
    TRY(rpc_tls_check(&opts->tls, diag));
    struct rpc_server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        return CH_NOMEM;
    }
    s->opts = *opts;
    default_opts(&s->opts);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&s->idle, &attr);
    pthread_condattr_destroy(&attr);
    pthread_cond_init(&s->work, NULL);
    s->shutdown_tag = (struct rpc_tag){.fn = on_shutdown, .owner = s};
    s->trust_domain = strdup(opts->trust_domain);
    s->tls_dir = strdup(opts->tls.dir);
    s->deny = rpc_deny_new(opts->tls.deny_file);
    create_server(s);
    if (s->trust_domain == NULL || s->tls_dir == NULL || s->deny == NULL) {
        rpc_server_free(s);
        return CH_NOMEM;
    }
    *out = s;
    return CH_OK;
}

enum chancery_err rpc_server_add(struct rpc_server *s, const ProtobufCServiceDescriptor *sd,
                                 const struct rpc_method *methods, size_t n, void *ctx)
{
    if (s->n_services == SERVER_SERVICES_MAX || s->started) {
        return s->started ? CH_PRECONDITION : CH_LIMIT;
    }
    const struct rpc_method **table = calloc(sd->n_methods + 1, sizeof *table);
    if (table == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const ProtobufCMethodDescriptor *md =
            protobuf_c_service_descriptor_get_method_by_name(sd, methods[i].name);
        if (md == NULL || methods[i].kind == 0 || methods[i].handler == NULL ||
            table[md - sd->methods] != NULL) {
            free(table);
            return CH_INVALID;
        }
        table[md - sd->methods] = &methods[i];
    }
    s->services[s->n_services++] = (struct service){sd, table, ctx};
    return CH_OK;
}

enum chancery_err rpc_server_listen(struct rpc_server *s, const char *address, int *out_port,
                                    struct diag *diag)
{
    if (s->n_ports == SERVER_PORTS_MAX || s->started) {
        return CH_PRECONDITION;
    }
    struct rpc_tls_port *source = rpc_tls_port_new(s->tls_dir);
    if (source == NULL) {
        return CH_NOMEM;
    }
    s->ports[s->n_ports++] = source; /* even when binding fails: libgrpc may still hold it */
    grpc_server_credentials *creds = rpc_tls_server(source);
    int port = grpc_server_add_http2_port(s->server, address, creds);
    grpc_server_credentials_release(creds);
    if (port == 0) {
        return diag_set(diag, CH_IO, "listen", "rpc.listen",
                        "cannot listen on %s: address in use or not ours", address);
    }
    if (out_port != NULL) {
        *out_port = port;
    }
    return CH_OK;
}

static void *poller_main(void *arg)
{
    struct rpc_server *s = arg;
    rpc_poll(s->cq);
    return NULL;
}

enum chancery_err rpc_server_start(struct rpc_server *s, struct diag *diag)
{
    if (s->started || s->n_ports == 0) {
        return diag_set(diag, CH_PRECONDITION, "", "rpc.start",
                        "nothing listens, or started twice");
    }
    TRY(rpc_pool_start(s));
    if (pthread_create(&s->poller, NULL, poller_main, s) != 0) {
        rpc_pool_stop(s);
        return diag_set(diag, CH_NOMEM, "", "rpc.start", "no thread for the poller");
    }
    grpc_server_start(s->server);
    s->started = true;
    for (int i = 0; i < SERVER_ARMED; i++) {
        rpc_call_arm(s);
    }
    return CH_OK;
}

void rpc_server_set_ready(struct rpc_server *s, bool ready)
{
    if (atomic_exchange(&s->ready, ready) != ready && s->started) {
        rpc_health_ready_changed(s);
    }
}

/* Waits until libgrpc has drained and no call is left, at most `ms` (0: for ever). */
static bool wait_drained(struct rpc_server *s, unsigned ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    int rc = 0;
    pthread_mutex_lock(&s->lock);
    while (rc != ETIMEDOUT && (!s->drained || atomic_load(&s->inflight) > 0)) {
        rc = ms == 0 ? pthread_cond_wait(&s->idle, &s->lock)
                     : pthread_cond_timedwait(&s->idle, &s->lock, &until);
    }
    bool done = s->drained && atomic_load(&s->inflight) == 0;
    pthread_mutex_unlock(&s->lock);
    return done;
}

void rpc_server_stop(struct rpc_server *s)
{
    if (!s->started || s->stopped) {
        return;
    }
    atomic_store(&s->draining, true);
    rpc_tag_arm(&s->shutdown_tag);
    grpc_server_shutdown_and_notify(s->server, s->cq, &s->shutdown_tag);
    rpc_health_end_watches(s);
    if (!wait_drained(s, s->opts.grace_ms)) {
        grpc_server_cancel_all_calls(s->server);
        /* Handlers are not interrupted: what they hold must not be freed under them. */
        if (!wait_drained(s, s->opts.grace_ms)) {
            log_event(LOG_LEVEL_ERROR, "rpc.drain.stuck",
                      LOG_NUM("calls", atomic_load(&s->inflight)));
            (void)wait_drained(s, 0);
        }
    }
    pthread_mutex_lock(&s->lock);
    s->stopped = true;
    pthread_mutex_unlock(&s->lock);
    grpc_completion_queue_shutdown(s->cq);
    pthread_join(s->poller, NULL);
    rpc_pool_stop(s);
}

void rpc_server_free(struct rpc_server *s)
{
    if (s == NULL) {
        return;
    }
    if (!s->started) { /* the library wants the same farewell from a server that never ran */
        rpc_tag_arm(&s->shutdown_tag);
        grpc_server_shutdown_and_notify(s->server, s->cq, &s->shutdown_tag);
        grpc_completion_queue_shutdown(s->cq);
        rpc_poll(s->cq);
        rpc_pool_stop(s);
    } else {
        rpc_server_stop(s);
    }
    grpc_server_destroy(s->server);
    grpc_completion_queue_destroy(s->cq);
    for (struct rpc_call *c; (c = call_list_pop(&s->free_calls)) != NULL;) {
        rpc_call_free_memory(c);
    }
    for (size_t i = 0; i < s->n_services; i++) {
        free(s->services[i].by_index);
    }
    for (size_t i = 0; i < s->n_ports; i++) {
        rpc_tls_port_free(s->ports[i]);
    }
    rpc_peer_forget(s);
    rpc_deny_free(s->deny);
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->work);
    pthread_cond_destroy(&s->idle);
    free(s->trust_domain);
    free(s->tls_dir);
    free(s);
}
