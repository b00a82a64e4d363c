/* The order that makes signatures accountable: INTENT durable, C_Sign, verify, RESULT durable,
 * release.
 *
 * Works on checked jobs; knows neither gRPC nor permits. The log is a function, so that tests can
 * refuse or lose an acknowledgement. */
#ifndef CHANCERY_SIGNER_CYCLE_H
#define CHANCERY_SIGNER_CYCLE_H

#include "daemon/daemon.h"
#include "job.h"
#include "pool.h"

/* As daemon_audit_append. */
typedef enum chancery_err signer_append_fn(void *ctx, const struct daemon_entry *entries, size_t n,
                                           unsigned timeout_ms, struct daemon_ack *acks,
                                           struct diag *diag);

struct signer_cycle {
    signer_append_fn *append;
    void *append_ctx;
    struct signer_pool *pool;
};

/* Who asked, for refusals in the log; and how long the caller waits. */
struct signer_request {
    const char *caller;         /* SPIFFE URI */
    struct slice permit_sha256; /* 32 octets */
    int64_t permit_expires_s;
    int64_t time_left_ms;
};

/* signer_cycle_run takes jobs (CHECKED or REFUSED, at most PERMIT_BATCH_MAX) to their end.
 * Afterwards each is RELEASED with its signature and indices, or has err and diag set. Refusals are
 * in the log, or the failure to put them there is in the process log. */
void signer_cycle_run(const struct signer_cycle *c, const struct signer_request *request,
                      struct signer_job *jobs, size_t n);

/* signer_job_intent_possible says whether an INTENT for the job may stand in the log. */
bool signer_job_intent_possible(const struct signer_job *job);

#endif
