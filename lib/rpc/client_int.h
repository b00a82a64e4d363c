/* Private: channels and what calls on them share. */
#ifndef CHANCERY_RPC_CLIENT_INT_H
#define CHANCERY_RPC_CLIENT_INT_H

#include <pthread.h>

#include "rpc_int.h"

#define CLIENT_ARENA_MAX ((size_t)256 << 20) /* one unpacked answer */

/* A method as the channel knows it: path registered once, so that calls do not copy it. */
struct channel_method {
    struct channel_method *next;
    const ProtobufCMethodDescriptor *md;
    void *handle;
    bool repeatable;
    char path[];
};

struct rpc_channel {
    grpc_channel *channel;
    _Atomic(struct channel_method *) methods; /* grows only */
    pthread_mutex_t lock;                     /* for growing, and for `calls` */
    pthread_cond_t idle;
    unsigned calls; /* asynchronous calls in flight */
    char **idempotent;
};

/* rpc_channel_method finds or registers; CH_INVALID when `sd` has no such method. */
enum chancery_err rpc_channel_method(struct rpc_channel *c, const ProtobufCServiceDescriptor *sd,
                                     const char *name, const struct channel_method **out,
                                     struct diag *diag) MUST_CHECK;

grpc_call *rpc_channel_call(struct rpc_channel *c, const struct channel_method *m,
                            grpc_completion_queue *cq, unsigned timeout_ms);

/* The receiving half of a call. */
struct reply {
    grpc_metadata_array initial, trailing;
    grpc_byte_buffer *bytes;
    grpc_status_code code;
    grpc_slice text;
};
void rpc_reply_init(struct reply *r);
void rpc_reply_clear(struct reply *r);

/* Fills ops (6) of a whole unary call; returns their number. */
size_t rpc_reply_unary_ops(struct reply *r, grpc_byte_buffer *request, grpc_op ops[6]);

/* rpc_reply_read: status, then the message. */
enum chancery_err rpc_reply_read(struct reply *r, const struct channel_method *m,
                                 struct arena *arena, ProtobufCMessage **out,
                                 struct diag *diag) MUST_CHECK;

#endif
