/* chancery-registration inside: one struct per request on its way, and who does what with it.
 *
 * Threads: an RPC worker reads the request (intake) and hands it to the queue; a driver thread takes a
 * batch and owns its items until each is finished. An item's memory is its call's arena; `group` counts
 * the items of one RPC and serialises their writing into it. */
#ifndef CHANCERY_REGISTRATION_H
#define CHANCERY_REGISTRATION_H

#include <pthread.h>

#include "chancery/ca/v1/ca.pb-c.h"
#include "chancery/registration/v1/registration.pb-c.h"
#include "daemon/daemon.h"
#include "db/db.h"
#include "hsm/hsm.h"
#include "permit/permit.h"

#define REGISTRATION_KEY_MAX 128     /* characters of an idempotency key */
#define REGISTRATION_CA_MS 20000     /* one IssueBatch: queueing at ca and signer included */
#define REGISTRATION_ATTEMPTS_MAX 3  /* voided attempts of one call before it is told to retry later */
#define REGISTRATION_DRIVEN_S 30     /* how long an open request belongs to the instance that drives it */
#define REGISTRATION_KEEP_S (7 * 86400)
#define REGISTRATION_DRIVERS 3       /* batches in flight, so that stages overlap */
#define REGISTRATION_COLLECT_US 2000 /* longest wait for company while another batch is in flight */
#define REGISTRATION_QUEUE_MAX 4096  /* items waiting; more are shed */

/* The items of one RPC. */
struct registration_group {
    struct rpc_call *call;
    pthread_mutex_t lock;
    size_t open;                                  /* items not finished */
    Chancery__Registration__V1__EnrollResponse *single;     /* Enroll: fill this */
    Chancery__Registration__V1__EnrollBatchResponse *batch; /* EnrollBatch: fill items[index] */
    enum chancery_err single_err;
};

struct registration_item {
    struct registration_item *next;     /* queue, or waiters of an active item */
    struct registration_item *map_next; /* same bucket of the active map */
    struct registration_item *waiters;  /* same caller, key and content, arrived meanwhile */
    struct registration_group *group;
    size_t index;                       /* in its group */
    bool mapped;
    Chancery__Common__V1__Request request; /* as stated; points into the call's arena */
    struct slice pkcs10;
    const char *caller, *key;           /* key "" when none */
    uint8_t request_id[16];
    uint8_t content[32], digest[32];
    uint32_t attempt;
    unsigned lone_failures;             /* whole-call failures while alone in its call */
    unsigned voids;
    bool finished;
};

struct registration {
    struct daemon *daemon;
    struct db_pool *db;
    struct hsm_key *statement_key;
    struct rpc_channel *ca, *revocation;
    const char *const *revokers; /* identity patterns that may revoke anything; NULL-terminated */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct registration_item *head, *tail;
    size_t queued, driving; /* items waiting; batches in flight */
    bool stopping;
    struct registration_item *active[1024]; /* by (caller, key) */
    pthread_t drivers[REGISTRATION_DRIVERS];
    size_t n_drivers;
};

/* ---- intake.c ---- */
/* registration_intake checks one EnrollRequest and fills a new item in `arena`: key, content digest,
 * typed request with sorted names. The group is the caller's to set. */
enum chancery_err registration_intake(struct registration *r, struct rpc_call *call,
                                      const Chancery__Registration__V1__EnrollRequest *in,
                                      struct registration_item **out, struct diag *diag) MUST_CHECK;
/* registration_item_digest gives the item a request id and computes its request digest. */
enum chancery_err registration_item_digest(struct registration_item *item, struct diag *diag) MUST_CHECK;

/* ---- queue.c ---- */
enum chancery_err registration_queue_start(struct registration *r) MUST_CHECK;
void registration_queue_stop(struct registration *r); /* finishes what waits with CH_UNAVAILABLE */
/* registration_submit hands an item over; it will be finished exactly once. */
void registration_submit(struct registration *r, struct registration_item *item);
/* registration_unmap takes an item out of the active map and returns its waiters. */
struct registration_item *registration_unmap(struct registration *r, struct registration_item *item);

/* ---- drive.c ---- */
/* registration_drive takes 1..PERMIT_BATCH_MAX items from record to answer. */
void registration_drive(struct registration *r, struct registration_item **items, size_t n);

/* ---- resume.c ---- */
/* registration_resume decides about an item whose idempotency key is known already: *out_drive says that
 * it is ours to drive on (with request id and a fresh attempt); otherwise it is finished. */
void registration_resume(struct registration *r, struct registration_item *item, bool *out_drive);
/* registration_find_issued looks a request up at ca. CH_NOT_FOUND when it has no certificate. The
 * certificate lives in `arena`. */
enum chancery_err registration_find_issued(struct registration *r, const uint8_t request_id[16],
                                           struct arena *arena,
                                           const Chancery__Common__V1__Certificate **out,
                                           struct diag *diag) MUST_CHECK;

/* ---- outcome.c ---- */
/* registration_finish answers an item and its waiters. `certificate` is copied; NULL with an error. */
void registration_finish(struct registration *r, struct registration_item *item, enum chancery_err err,
                         const struct diag *diag, const Chancery__Common__V1__Certificate *certificate,
                         bool replayed);
/* registration_copy_certificate deep-copies into `arena`; NULL when out of memory. */
Chancery__Common__V1__Certificate *
registration_copy_certificate(struct arena *arena, const Chancery__Common__V1__Certificate *c);
/* registration_answer_err is the error a client is told for an item's refusal: what is wrong with the request is
 * INVALID, whatever part of the reader found it. */
enum chancery_err registration_answer_err(enum chancery_err err);

/* ---- refusal.c ---- */
struct registration_refusal {
    const char *caller, *profile;
    const uint8_t *request_id; /* NULL when the request was not opened */
    enum chancery_err err;
    const struct diag *diag;
};
/* registration_audit_refusals makes 1..PERMIT_BATCH_MAX refusals durable in the audit log. Names and subjects
 * are not written. A refusal is answered only after CH_OK. */
enum chancery_err registration_audit_refusals(struct registration *r,
                                              const struct registration_refusal *list, size_t n,
                                              struct diag *diag) MUST_CHECK;
/* registration_may_revoke_all says whether `caller` matches a pattern of `revokers`. */
bool registration_may_revoke_all(const struct registration *r, const char *caller);

/* ---- store_request.c ---- */
struct registration_row {
    uint8_t request_id[16], content[32];
    uint32_t attempt;
    int state;
    bool ours;              /* driven by this instance's name */
    int64_t driven_until_s;
    char issuer_id[64];
    uint8_t serial[20];
    size_t serial_len;
    enum chancery_err err;
    struct diag diag;
};
enum { REGISTRATION_OPEN = 1, REGISTRATION_ISSUED = 2, REGISTRATION_REFUSED = 3 };
/* registration_store_new inserts the items' rows in one statement; known[i] says that (caller, key) of
 * item i has a row already. Durable when it returns. */
enum chancery_err registration_store_new(struct registration *r, struct registration_item **items,
                                         size_t n, bool *known, struct diag *diag) MUST_CHECK;
enum chancery_err registration_store_find(struct registration *r, const char *caller, const char *key,
                                          struct registration_row *out, struct diag *diag) MUST_CHECK;
/* registration_store_take makes an open row ours with the next attempt, only if its attempt is still
 * `row->attempt`; CH_CONFLICT otherwise. */
enum chancery_err registration_store_take(struct registration *r, const struct registration_row *row,
                                          struct diag *diag) MUST_CHECK;
/* registration_store_attempts writes the (raised) attempts of items before they are used. */
enum chancery_err registration_store_attempts(struct registration *r, struct registration_item **items,
                                              size_t n, struct diag *diag) MUST_CHECK;
struct registration_outcome {
    const uint8_t *request_id;
    const Chancery__Common__V1__Certificate *certificate; /* NULL: refused */
    enum chancery_err err;
    const struct diag *diag;
};
enum chancery_err registration_store_outcomes(struct registration *r,
                                              const struct registration_outcome *outcomes, size_t n,
                                              struct diag *diag) MUST_CHECK;
enum chancery_err registration_store_purge(struct registration *r, int64_t now_s,
                                           struct diag *diag) MUST_CHECK;

/* ---- rpc_*.c ---- */
rpc_handler registration_rpc_enroll, registration_rpc_enroll_batch, registration_rpc_get,
    registration_rpc_list, registration_rpc_revoke, registration_rpc_issuers;

#endif
