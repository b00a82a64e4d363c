/* The process: what its RPCs share. */
#ifndef CHANCERY_AUDIT_SERVICE_H
#define CHANCERY_AUDIT_SERVICE_H

#include "daemon/daemon_db.h"
#include "daemon/daemon_hsm.h"
#include "publish.h"
#include "writer.h"

#define AUDIT_PROOF_WAIT_MAX_MS 10000 /* GetProofRequest.wait_ms */
#define AUDIT_WAITERS_MAX 1024        /* GetProof calls that wait for a checkpoint */

struct audit_waiters;

struct audit_service {
    struct daemon *daemon;
    struct db_pool *pool;
    struct audit_writer *writer;
    struct audit_publisher *publisher;
    struct audit_waiters *waiters;
    char signer[AUDIT_PRODUCER_MAX]; /* identity of the signer:
                                        spiffe://<trust-domain>/chancery/signer */
};

/* The RPCs (ctx: struct audit_service). */
rpc_handler audit_rpc_append;
rpc_handler audit_rpc_get_checkpoint;
rpc_handler audit_rpc_get_proof;
rpc_handler audit_rpc_list_entries;
rpc_handler audit_rpc_stream_entries;

/* audit_sink is the log's own entries' way (daemon_audit_sink): past the RPC, through the same
 * writer. */
daemon_sink_fn audit_sink;

/* Waiting GetProof calls. audit_waiters_serve answers those whose entry is covered now, whose time
 * is over, or all of them when the process stops; the publishing task calls it. */
struct audit_waiters *audit_waiters_new(void); /* NULL: out of memory */
void audit_waiters_free(struct audit_waiters *w);
void audit_waiters_serve(struct audit_service *s, bool stopping);

#endif
