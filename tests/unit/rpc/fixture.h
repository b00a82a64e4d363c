/* A server with the real AuditService and CaService descriptors and handlers a test can steer. */
#ifndef CHANCERY_TEST_RPC_FIXTURE_H
#define CHANCERY_TEST_RPC_FIXTURE_H

#include <pthread.h>
#include <stdatomic.h>

#include "cm.h"

#include "chancery/audit/v1/audit.pb-c.h"
#include "chancery/ca/v1/ca.pb-c.h"
#include "rpc/rpc.h"
#include "test_identity.h"

#define TD "chancery.test"
#define SERVER_URI "spiffe://chancery.test/chancery/audit"
#define CLIENT_URI "spiffe://chancery.test/chancery/ca"
#define OTHER_URI "spiffe://chancery.test/user/eve"

struct fx {
    char dir[64], server_dir[96], client_dir[96], other_dir[96], deny[96];
    struct test_ca *ca;
    struct rpc_server *server;
    int port;
    char target[64];

    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool gate_open;
    unsigned inside;     /* handlers waiting at the gate */
    atomic_uint handled; /* Append handlers run */
    atomic_uint refused, done;
    char refused_uri[256];
    struct rpc_call *deferred;
    atomic_uint stream_sent;
    atomic_bool stream_cancelled;
};

/* fx_setup makes identities; fx_serve starts a server (options may be NULL) on fx->port. */
void fx_setup(struct fx *fx);
void fx_serve(struct fx *fx, const struct rpc_server_opts *opts);
void fx_stop(struct fx *fx);
void fx_teardown(struct fx *fx);
struct rpc_server_opts fx_opts(struct fx *fx);

struct rpc_channel *fx_channel(struct fx *fx, const char *identity_dir);
struct rpc_channel *fx_channel_opts(struct fx *fx, const struct rpc_channel_opts *opts);

/* fx_append calls Append with one entry of that action. Actions: "ok", "fail", "gate" (waits for
 * fx_open), "defer", "cancel" (waits until cancelled), "big". */
enum chancery_err fx_append(struct rpc_channel *c, const char *action, unsigned timeout_ms,
                            struct diag *diag);
enum chancery_err fx_append_full(struct rpc_channel *c, const char *action, unsigned timeout_ms,
                                 struct arena *arena, Chancery__Audit__V1__AppendResponse **out,
                                 struct diag *diag);

/* An asynchronous Append and its outcome. */
struct fx_async {
    struct fx *fx;
    bool done;
    enum chancery_err err;
    struct diag diag;
};
void fx_append_async(struct fx *fx, struct rpc_channel *c, const char *action, unsigned timeout_ms,
                     struct fx_async *a);
void fx_async_wait(struct fx_async *a);
bool fx_async_done(struct fx_async *a);

void fx_wait_inside(struct fx *fx, unsigned n); /* until n handlers stand at the gate */
void fx_open(struct fx *fx);
struct rpc_call *fx_wait_deferred(struct fx *fx);

/* fx_until calls `fn` every 10 ms until it is CH_OK; fails the test after `ms`. Returns the time.
 */
unsigned fx_until_ok(struct rpc_channel *c, unsigned ms);

#endif
