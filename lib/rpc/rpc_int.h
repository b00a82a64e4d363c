/* Private parts that the files of lib/rpc share: completion tags, runtime, codec, identities, TLS.
 */
#ifndef CHANCERY_RPC_RPC_INT_H
#define CHANCERY_RPC_RPC_INT_H

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <stdatomic.h>

#include "rpc/codec.h"
#include "rpc/rpc.h"

/* ---- completion tags (runtime.c) ----
 * Every operation's tag is a struct rpc_tag inside its owner. The fence orders what the starting
 * thread wrote before what the polling thread reads: libgrpc orders it too, but a race detector
 * cannot see into that library. */
struct rpc_tag {
    void (*fn)(struct rpc_tag *tag, bool ok);
    void *owner;
    atomic_uint fence;
};

static inline void rpc_tag_arm(struct rpc_tag *tag)
{
    atomic_store_explicit(&tag->fence, 1, memory_order_release);
}

static inline void rpc_tag_seen(struct rpc_tag *tag)
{
    (void)atomic_load_explicit(&tag->fence, memory_order_acquire);
}

/* rpc_poll runs the tags of `cq` until it is shut down. */
void rpc_poll(grpc_completion_queue *cq);

/* rpc_batch starts operations; false when libgrpc refuses them (a bug: logged). */
bool rpc_batch(grpc_call *call, const grpc_op *ops, size_t n, struct rpc_tag *tag);

/* rpc_pluck waits for `tag` on a pluck queue and returns its success. */
bool rpc_pluck(grpc_completion_queue *cq, struct rpc_tag *tag);

/* The client's queue: polled by the process's background thread (reconnects, asynchronous calls).
 */
grpc_completion_queue *rpc_client_cq(void);

/* rpc_pluck_take / rpc_pluck_give: reusable pluck queues for blocking calls. */
grpc_completion_queue *rpc_pluck_take(void);
void rpc_pluck_give(grpc_completion_queue *cq);

gpr_timespec rpc_deadline(unsigned timeout_ms);

/* ---- codec.c ---- */

/* rpc_pack makes a byte buffer; NULL when out of memory. */
grpc_byte_buffer *rpc_pack(const ProtobufCMessage *m);

/* rpc_unpack is rpc_unpack_bytes of a received message, in place when it came in one piece. */
enum chancery_err rpc_unpack(grpc_byte_buffer *bytes, const ProtobufCMessageDescriptor *d,
                             struct arena *arena, ProtobufCMessage **out,
                             struct diag *diag) MUST_CHECK;

/* ---- status.c ---- */

#define RPC_ERROR_KEY "chancery-error-bin"
#define RPC_TEXT_MAX 512 /* status message that is read from a peer */

grpc_status_code rpc_status_of(enum chancery_err err);

/* rpc_error_pack is the packed ErrorDetail of `err`, as a slice to be unreffed. */
grpc_slice rpc_error_pack(enum chancery_err err, const struct diag *diag);

/* rpc_status_read turns what a client received into an error and diag. `repeatable`: the method may
 * be called again without harm, so a lost connection is CH_UNAVAILABLE and not CH_UNKNOWN. */
enum chancery_err rpc_status_read(grpc_status_code code, grpc_slice text,
                                  const grpc_metadata_array *trailing, bool repeatable,
                                  struct diag *diag);

/* ---- identity.c ---- */

#define RPC_URI_MAX 256

/* What a certificate says about its holder. */
struct rpc_identity {
    char uri[RPC_URI_MAX]; /* the only URI SAN; "" when there is none or several */
    uint8_t cert_sha256[32], spki_sha256[32];
    int64_t not_after_s;
};

/* rpc_identity_read reads the leaf of a PEM text. CH_MALFORMED. */
enum chancery_err rpc_identity_read(struct slice pem, struct rpc_identity *out,
                                    struct diag *diag) MUST_CHECK;

/* rpc_uri_in_domain says whether `uri` is "spiffe://<trust_domain>/..." */
bool rpc_uri_in_domain(const char *uri, const char *trust_domain);

/* rpc_uri_matches implements the patterns of struct rpc_method. */
bool rpc_uri_matches(const char *uri, const char *trust_domain, const char *pattern);

/* List of refused SPKI hashes, re-read when the file changes. Thread-safe. */
struct rpc_deny;
struct rpc_deny *rpc_deny_new(const char *path); /* NULL path: an empty list; NULL: no memory */
bool rpc_deny_has(struct rpc_deny *d, const uint8_t spki_sha256[32]);
void rpc_deny_free(struct rpc_deny *d);

/* ---- tls.c ---- */

/* rpc_tls_check reads the folder's files and checks that they form an identity. */
enum chancery_err rpc_tls_check(const struct rpc_tls *tls, struct diag *diag) MUST_CHECK;

/* One listening port's certificate source; must outlive the server. */
struct rpc_tls_port;
struct rpc_tls_port *rpc_tls_port_new(const char *dir);
void rpc_tls_port_free(struct rpc_tls_port *p);
grpc_server_credentials *rpc_tls_server(struct rpc_tls_port *p);

/* rpc_tls_client makes credentials that demand `peer_uri` of the server. */
grpc_channel_credentials *rpc_tls_client(const struct rpc_tls *tls, const char *peer_uri);

#endif
