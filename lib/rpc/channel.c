/* Channels: target, credentials, back-off, keepalive, retry policy, registered methods. */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client_int.h"

#define BACKOFF_MIN_MS 100
#define BACKOFF_MAX_MS 250
#define CONNECT_MS                                                                                 \
    5000 /* one attempt, TLS handshake included; libgrpc calls it the minimum back-off */
#define KEEPALIVE_MIN_MS                                                                           \
    1000 /* servers answer faster pings with GOAWAY (server.c: PING_MIN_MS)                        \
          */
#define KEEPALIVE_TIMEOUT_MS 3000
#define TARGET_MAX 1024
#define SERVICE_CONFIG_MAX ((size_t)64 << 10)

static grpc_arg int_arg(const char *key, int value)
{
    grpc_arg a;
    memset(&a, 0, sizeof a);
    a.type = GRPC_ARG_INTEGER;
    a.key = (char *)(uintptr_t)key;
    a.value.integer = value;
    return a;
}

static grpc_arg string_arg(const char *key, const char *value)
{
    grpc_arg a;
    memset(&a, 0, sizeof a);
    a.type = GRPC_ARG_STRING;
    a.key = (char *)(uintptr_t)key;
    a.value.string = (char *)(uintptr_t)value;
    return a;
}

/* "pkg.Service/Method": the characters of protobuf names and nothing that JSON would have to
 * escape. */
static bool method_name_ok(const char *s)
{
    const char *slash = strchr(s, '/');
    for (const char *p = s; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && *p != '.' && *p != '_' && p != slash) {
            return false;
        }
    }
    return slash != NULL && slash != s && slash[1] != '\0';
}

/* grpc.service_config: retries on UNAVAILABLE for the methods declared idempotent, for no others.
 */
static enum chancery_err service_config(const char *const *idempotent, bool round_robin,
                                        struct buf *out, struct diag *diag)
{
    TRY(buf_printf(out, "{\"loadBalancingConfig\":[{\"%s\":{}}],\"methodConfig\":[",
                   round_robin ? "round_robin" : "pick_first"));
    for (size_t i = 0; idempotent != NULL && idempotent[i] != NULL; i++) {
        if (!method_name_ok(idempotent[i])) {
            return diag_set(diag, CH_INVALID, "idempotent", "rpc.method",
                            "\"%s\" is not pkg.Service/Method", idempotent[i]);
        }
        int service = (int)(strchr(idempotent[i], '/') - idempotent[i]);
        TRY(buf_printf(out,
                       "%s{\"name\":[{\"service\":\"%.*s\",\"method\":\"%s\"}],\"retryPolicy\":{"
                       "\"maxAttempts\":4,\"initialBackoff\":\"0.05s\",\"maxBackoff\":\"0.25s\","
                       "\"backoffMultiplier\":2,\"retryableStatusCodes\":[\"UNAVAILABLE\"]}}",
                       i == 0 ? "" : ",", service, idempotent[i], idempotent[i] + service + 1));
    }
    TRY(buf_add_str(out, "]}"));
    return buf_add_u8(out, 0);
}

/* libgrpc takes lists of literal addresses only with their scheme. */
static enum chancery_err target_uri(const char *target, char *out, bool *out_many,
                                    struct diag *diag)
{
    *out_many = strchr(target, ',') != NULL;
    const char *scheme = "";
    if (*out_many && strncmp(target, "unix:", 5) != 0) {
        scheme = "ipv4:";
        if (strspn(target, "0123456789.:,") != strlen(target)) {
            return diag_set(diag, CH_INVALID, "target", "rpc.target",
                            "a list of addresses holds IPv4 literals: %s", target);
        }
    }
    int n = snprintf(out, TARGET_MAX, "%s%s", scheme, target);
    if (target[0] == '\0' || n < 0 || n >= TARGET_MAX) {
        return diag_set(diag, CH_INVALID, "target", "rpc.target", "bad target \"%s\"", target);
    }
    return CH_OK;
}

static enum chancery_err peer_uri(const struct rpc_channel_opts *o, char *out, struct diag *diag)
{
    const char *peer = o->peer_uri == NULL ? "" : o->peer_uri;
    int n = peer[0] == '/' ? snprintf(out, RPC_URI_MAX, "spiffe://%s%s", o->trust_domain, peer)
                           : snprintf(out, RPC_URI_MAX, "%s", peer);
    if (n < 0 || n >= RPC_URI_MAX || !rpc_uri_in_domain(out, o->trust_domain)) {
        return diag_set(diag, CH_INVALID, "peer_uri", "rpc.peer_uri", "\"%s\" is no identity of %s",
                        peer, o->trust_domain);
    }
    return CH_OK;
}

static grpc_channel *open_channel(const char *target, const struct rpc_channel_opts *o,
                                  const char *config, grpc_channel_credentials *creds)
{
    unsigned keepalive = o->keepalive_ms == 0 ? 5000 : o->keepalive_ms;
    keepalive = keepalive < KEEPALIVE_MIN_MS ? KEEPALIVE_MIN_MS : keepalive;
    size_t max = o->message_max == 0 ? (size_t)16 << 20 : o->message_max;
    grpc_arg args[] = {
        int_arg(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, CONNECT_MS),
        int_arg(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, BACKOFF_MIN_MS),
        int_arg(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, BACKOFF_MAX_MS),
        int_arg(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, 1000),
        int_arg(GRPC_ARG_KEEPALIVE_TIME_MS, (int)keepalive),
        int_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_TIMEOUT_MS),
        int_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
        int_arg(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0),
        int_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, (int)max),
        int_arg(GRPC_ARG_ENABLE_HTTP_PROXY, 0), /* the environment does not choose our peers */
        int_arg(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1),
        int_arg(GRPC_ARG_ENABLE_CHANNELZ, 0),
        int_arg(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1),
        string_arg(GRPC_ARG_SERVICE_CONFIG, config),
    };
    grpc_channel_args list = {sizeof args / sizeof args[0], args};
    return grpc_channel_create(target, creds, &list);
}

static bool copy_list(const char *const *in, char ***out)
{
    size_t n = 0;
    while (in != NULL && in[n] != NULL) {
        n++;
    }
    *out = calloc(n + 1, sizeof **out);
    for (size_t i = 0; *out != NULL && i < n; i++) {
        (*out)[i] = strdup(in[i]);
        if ((*out)[i] == NULL) {
            return false;
        }
    }
    return *out != NULL;
}

enum chancery_err rpc_channel_new(const char *target, const struct rpc_channel_opts *opts,
                                  struct rpc_channel **out, struct diag *diag)
{
    char uri[RPC_URI_MAX], address[TARGET_MAX];
    bool many = false;
    if (opts->trust_domain == NULL || opts->message_max > INT32_MAX ||
        opts->keepalive_ms > INT32_MAX) {
        return diag_set(diag, CH_INVALID, "trust_domain", "required", "bad channel options");
    }
    TRY(peer_uri(opts, uri, diag));
    TRY(target_uri(target, address, &many, diag));
    TRY(rpc_tls_check(&opts->tls, diag));
    CLEANUP(buf_clear) struct buf config;
    buf_init(&config, SERVICE_CONFIG_MAX);
    TRY(service_config(opts->idempotent, many, &config, diag));
    struct rpc_channel *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return CH_NOMEM;
    }
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->idle, NULL);
    grpc_channel_credentials *creds =
        copy_list(opts->idempotent, &c->idempotent) ? rpc_tls_client(&opts->tls, uri) : NULL;
    if (creds == NULL) {
        rpc_channel_free(c);
        return CH_NOMEM;
    }
    c->channel = open_channel(address, opts, (const char *)config.ptr, creds);
    grpc_channel_credentials_release(creds);
    (void)grpc_channel_check_connectivity_state(c->channel, 1);
    *out = c;
    return CH_OK;
}

void rpc_channel_free(struct rpc_channel *c)
{
    if (c == NULL) {
        return;
    }
    pthread_mutex_lock(&c->lock);
    while (c->calls > 0) {
        pthread_cond_wait(&c->idle, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    if (c->channel != NULL) {
        grpc_channel_destroy(c->channel);
    }
    for (struct channel_method *m = atomic_load(&c->methods); m != NULL;) {
        struct channel_method *next = m->next;
        free(m);
        m = next;
    }
    for (size_t i = 0; c->idempotent != NULL && c->idempotent[i] != NULL; i++) {
        free(c->idempotent[i]);
    }
    free(c->idempotent);
    pthread_mutex_destroy(&c->lock);
    pthread_cond_destroy(&c->idle);
    free(c);
}

/* Lock held. */
static struct channel_method *method_add(struct rpc_channel *c,
                                         const ProtobufCServiceDescriptor *sd,
                                         const ProtobufCMethodDescriptor *md)
{
    size_t len = strlen(sd->name) + strlen(md->name) + 3;
    struct channel_method *m = calloc(1, sizeof *m + len);
    if (m == NULL) {
        return NULL;
    }
    (void)snprintf(m->path, len, "/%s/%s", sd->name, md->name);
    m->md = md;
    for (size_t i = 0; c->idempotent[i] != NULL; i++) {
        m->repeatable = m->repeatable || strcmp(c->idempotent[i], m->path + 1) == 0;
    }
    m->handle = grpc_channel_register_call(c->channel, m->path, NULL, NULL);
    m->next = atomic_load(&c->methods);
    atomic_store(&c->methods, m);
    return m;
}

static struct channel_method *method_known(struct rpc_channel *c,
                                           const ProtobufCMethodDescriptor *md)
{
    struct channel_method *m = atomic_load(&c->methods);
    while (m != NULL && m->md != md) {
        m = m->next;
    }
    return m;
}

enum chancery_err rpc_channel_method(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                     const char *name, const struct channel_method **out,
                                     struct diag *diag)
{
    const ProtobufCMethodDescriptor *md =
        protobuf_c_service_descriptor_get_method_by_name(sd, name);
    if (md == NULL) {
        return diag_set(diag, CH_INVALID, "", "rpc.method", "%s has no method %s", sd->name, name);
    }
    struct channel_method *m = method_known(c, md);
    if (m == NULL) {
        pthread_mutex_lock(&c->lock);
        m = method_known(c, md);
        m = m != NULL ? m : method_add(c, sd, md);
        pthread_mutex_unlock(&c->lock);
    }
    *out = m;
    return m == NULL ? CH_NOMEM : CH_OK;
}

grpc_call *rpc_channel_call(struct rpc_channel *c, const struct channel_method *m,
                            grpc_completion_queue *cq, unsigned timeout_ms)
{
    return grpc_channel_create_registered_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS, cq,
                                               m->handle, rpc_deadline(timeout_ms), NULL);
}
