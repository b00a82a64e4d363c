/* gRPC for the rest of Chancery: the only module that knows grpc_*.
 *
 * Server: generic dispatch from protobuf-c service descriptors. Poller threads own the completion
 * queue (so the transport never freezes behind busy handlers, and health answers at once); handlers
 * run on a worker pool. Each call has an arena; request and response messages live in it.
 * Client: one channel per target, shared by all threads; blocking, asynchronous and streaming
 * calls. All connections are mutual TLS with SPIFFE URI identities, certificates reloaded while
 * running. Errors travel as gRPC status plus packed chancery.common.v1.ErrorDetail in
 * "chancery-error-bin". fork() without exec after rpc_init is forbidden (libgrpc). */
#ifndef CHANCERY_RPC_RPC_H
#define CHANCERY_RPC_RPC_H

#include <protobuf-c/protobuf-c.h>

#include "base/bytes.h"

/* rpc_init blocks SIGTERM/SIGINT/SIGHUP in the calling thread (libgrpc's threads inherit that),
 * starts libgrpc and the poller thread that keeps channels reconnecting. Once per process. */
enum chancery_err rpc_init(void) MUST_CHECK;

/* rpc_shutdown stops what rpc_init started; servers and channels must be freed before. */
void rpc_shutdown(void);

/* Where identity files are: cert.pem (chain), key.pem, ca.pem in one folder, watched and reloaded.
 * deny_file: lines of lower-case hex SHA-256 of SubjectPublicKeyInfo that are refused; re-read when
 * it changes; NULL or missing file: nothing denied. */
struct rpc_tls {
    const char *dir;
    const char *deny_file;
};

/* rpc_tls_identity checks the folder (three files that form an identity) and writes the URI that
 * its certificate names; "" when it names none or several. CH_NOT_FOUND, CH_INVALID, CH_LIMIT. */
enum chancery_err rpc_tls_identity(const struct rpc_tls *tls, char *out_uri, size_t cap,
                                   struct diag *diag) MUST_CHECK;

/* ---- server ---- */

struct rpc_server;
struct rpc_call;

enum rpc_kind { RPC_UNARY = 1, RPC_SERVER_STREAM, RPC_CLIENT_STREAM };

/* A handler. `in` is the request (NULL for RPC_CLIENT_STREAM: use rpc_recv); `out` is an
 * initialised response to fill with memory of rpc_arena (NULL for RPC_SERVER_STREAM: use rpc_send).
 * Returns CH_OK or an error whose detail it put into rpc_diag(call). RPC_UNARY handlers may call
 * rpc_defer and finish later from any thread. */
typedef enum chancery_err rpc_handler(struct rpc_call *call, const ProtobufCMessage *in,
                                      ProtobufCMessage *out, void *ctx);

/* One row of a service's method table. callers: NULL-terminated list of identity patterns allowed
 * to call: a full URI, or one ending in "*" (prefix match), or "*" alone for any authenticated
 * caller. A pattern beginning with "/" is relative to the own trust domain:
 * "/chancery/ca" means "spiffe://<trust-domain>/chancery/ca". */
struct rpc_method {
    const char *name; /* as in the .proto: "IssueBatch" */
    enum rpc_kind kind;
    rpc_handler *handler;
    const char *const *callers;
};

/* Told of each call that is refused before its handler: caller outside the allow-list (CH_DENIED)
 * or without acceptable identity (CH_UNAUTHENTICATED). For audit; runs on a worker. */
typedef void rpc_refused_fn(void *ctx, const char *service, const char *method,
                            const char *caller_uri, enum chancery_err why);

/* Told of each finished call. For metrics. */
typedef void rpc_done_fn(void *ctx, const char *service, const char *method, enum chancery_err err,
                         int64_t duration_us);

struct rpc_server_opts {
    struct rpc_tls tls;
    const char *trust_domain; /* required */
    unsigned workers;         /* handler threads; 0: 2 per core, at least 4 */
    unsigned queue_max;       /* calls waiting for a worker; past it CH_BUSY; 0: 1024 */
    unsigned inflight_max;    /* deferred and running calls; past it CH_BUSY; 0: 4096 */
    size_t message_max;       /* bytes per received message; 0: 4 MiB */
    unsigned grace_ms;        /* drain time at stop; 0: 5000 */
    rpc_refused_fn *on_refused;
    rpc_done_fn *on_done;
    void *hook_ctx;
};

/* rpc_server_new makes a server; nothing listens yet. */
enum chancery_err rpc_server_new(const struct rpc_server_opts *opts, struct rpc_server **out,
                                 struct diag *diag) MUST_CHECK;

/* rpc_server_add registers a service. Each row must name a method of `sd`; methods of `sd` without
 * a row answer UNIMPLEMENTED. The table must outlive the server. */
enum chancery_err rpc_server_add(struct rpc_server *s, const ProtobufCServiceDescriptor *sd,
                                 const struct rpc_method *methods, size_t n, void *ctx) MUST_CHECK;

/* rpc_server_listen binds "host:port" (port 0: any) or "unix:path"; *out_port gets the bound port.
 */
enum chancery_err rpc_server_listen(struct rpc_server *s, const char *address, int *out_port,
                                    struct diag *diag) MUST_CHECK;

/* rpc_server_start starts pollers and workers; health says NOT_SERVING until rpc_server_set_ready.
 */
enum chancery_err rpc_server_start(struct rpc_server *s, struct diag *diag) MUST_CHECK;

/* rpc_server_set_ready sets what grpc.health.v1 answers (service "" and every registered one). */
void rpc_server_set_ready(struct rpc_server *s, bool ready);

/* rpc_server_stop drains: new calls refused, running ones get grace_ms, then are cancelled. */
void rpc_server_stop(struct rpc_server *s);

/* rpc_server_free after stop. NULL is fine. */
void rpc_server_free(struct rpc_server *s);

/* Inside a handler. */
struct arena *rpc_arena(struct rpc_call *call);
struct diag *rpc_diag(struct rpc_call *call);
const char *rpc_caller(const struct rpc_call *call); /* SPIFFE URI, never NULL or "" */
const uint8_t *rpc_caller_cert_sha256(const struct rpc_call *call); /* 32 bytes */
int64_t rpc_time_left_ms(const struct rpc_call *call);              /* to the caller's deadline */
bool rpc_cancelled(const struct rpc_call *call);

/* rpc_send writes one message of a server stream; CH_CANCELLED when the peer is gone. */
enum chancery_err rpc_send(struct rpc_call *call, const ProtobufCMessage *m) MUST_CHECK;

/* rpc_recv reads the next message of a client stream; CH_END after the last. Messages stay valid
 * until rpc_recv_reset or the call's end: a handler of long streams calls it when it is done with
 * one. */
enum chancery_err rpc_recv(struct rpc_call *call, ProtobufCMessage **out) MUST_CHECK;
void rpc_recv_reset(struct rpc_call *call);

/* rpc_defer: the unary handler will return CH_OK now and someone calls rpc_finish exactly once
 * later; call, request and response stay valid until then. */
void rpc_defer(struct rpc_call *call);
void rpc_finish(struct rpc_call *call, enum chancery_err err);

/* ---- client ---- */

struct rpc_channel;
struct rpc_channel_opts {
    struct rpc_tls tls;
    const char *trust_domain;
    const char *peer_uri;  /* required identity; "/chancery/ca" is relative to the domain */
    unsigned keepalive_ms; /* 0: 5000 */
    size_t message_max;    /* 0: 16 MiB */
    const char *const
        *idempotent; /* NULL-terminated "pkg.Service/Method": retried on UNAVAILABLE */
};

/* rpc_channel_new prepares a channel to `target` ("host:port", "unix:path"; several addresses
 * separated by commas are used round robin). Connecting happens in the background, with back-off of
 * at most 250 ms. */
enum chancery_err rpc_channel_new(const char *target, const struct rpc_channel_opts *opts,
                                  struct rpc_channel **out, struct diag *diag) MUST_CHECK;
void rpc_channel_free(struct rpc_channel *c);

/* rpc_call_unary calls and waits. `out` lives in `arena`. On failure `diag` gets the server's
 * detail; CH_UNAVAILABLE also when the peer's identity is wrong. timeout_ms > 0 is required.
 * A connection that dies while the call is out: CH_UNKNOWN (the peer may have acted), for methods
 * in `idempotent` CH_UNAVAILABLE. Never reached the peer, or the peer itself says so:
 * CH_UNAVAILABLE. */
enum chancery_err rpc_call_unary(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                 const char *method, const ProtobufCMessage *in,
                                 unsigned timeout_ms, struct arena *arena, ProtobufCMessage **out,
                                 struct diag *diag) MUST_CHECK;

/* rpc_call_async calls and returns; `done` runs on a client thread, must not block, and owns
 * nothing: `out` (NULL on failure) is valid until it returns. */
typedef void rpc_async_done(void *ctx, enum chancery_err err, const ProtobufCMessage *out,
                            const struct diag *diag);
enum chancery_err rpc_call_async(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                 const char *method, const ProtobufCMessage *in,
                                 unsigned timeout_ms, rpc_async_done *done, void *ctx) MUST_CHECK;

/* Streams. Client stream: open, send..., finish (gives the response). Server stream: open, recv
 * until CH_END, finish. rpc_stream_free cancels what is unfinished. */
struct rpc_stream;
enum chancery_err rpc_stream_open(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                  const char *method, enum rpc_kind kind,
                                  const ProtobufCMessage *first, unsigned timeout_ms,
                                  struct rpc_stream **out, struct diag *diag) MUST_CHECK;
enum chancery_err rpc_stream_send(struct rpc_stream *s, const ProtobufCMessage *m) MUST_CHECK;
enum chancery_err rpc_stream_recv(struct rpc_stream *s, struct arena *arena,
                                  ProtobufCMessage **out) MUST_CHECK;
enum chancery_err rpc_stream_finish(struct rpc_stream *s, struct arena *arena,
                                    ProtobufCMessage **out, struct diag *diag) MUST_CHECK;
void rpc_stream_free(struct rpc_stream *s);

/* rpc_health_check asks grpc.health.v1 of the peer; *out_ready says SERVING. */
enum chancery_err rpc_health_check(struct rpc_channel *c, unsigned timeout_ms, bool *out_ready,
                                   struct diag *diag) MUST_CHECK;

/* ---- error detail inside messages ---- */

struct Chancery__Common__V1__ErrorDetail;

/* rpc_error_detail makes an ErrorDetail message in `arena` from an error and its diag (may be
 * NULL). */
struct Chancery__Common__V1__ErrorDetail *
rpc_error_detail(struct arena *arena, enum chancery_err err, const struct diag *diag);

/* rpc_error_read turns an ErrorDetail (NULL or empty code: CH_OK) into an error and fills `diag`.
 */
enum chancery_err rpc_error_read(const struct Chancery__Common__V1__ErrorDetail *detail,
                                 struct diag *diag);

/* rpc_bytes copies a slice into a ProtobufCBinaryData in `arena`. */
ProtobufCBinaryData rpc_bytes(struct arena *arena, struct slice s);

static inline struct slice rpc_slice(ProtobufCBinaryData b)
{
    return slice_of(b.data, b.len);
}

#endif
