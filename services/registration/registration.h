/* chancery-registration inside: one struct per request on its way, and who does what with it.
 *
 * Threads: an RPC worker reads the request (intake) and hands it to the queue; a driver thread
 * takes a batch and owns its items until each is finished. An item's memory is its call's arena;
 * `group` counts the items of one RPC and serialises their writing into it. */
#ifndef CHANCERY_REGISTRATION_H
#define CHANCERY_REGISTRATION_H

#include <pthread.h>

#include "allowed.h"
#include "chancery/ca/v1/ca.pb-c.h"
#include "chancery/registration/v1/registration.pb-c.h"
#include "daemon/daemon.h"
#include "db/db.h"
#include "hsm/hsm.h"
#include "permit/permit.h"

#define REGISTRATION_KEY_MAX 128 /* characters of an idempotency key */
#define REGISTRATION_CA_MS 20000 /* one IssueBatch: queueing at ca and signer included */
#define REGISTRATION_ATTEMPTS_MAX                                                                  \
    3 /* voided attempts of one call before it is told to retry later */
#define REGISTRATION_DRIVE_MS                                                                      \
    60000 /* no call to ca begins later than this after the statement, which lives 300 s */
#define REGISTRATION_DRIVEN_S                                                                      \
    30 /* how long an open request belongs to the instance that drives it */
#define REGISTRATION_KEEP_S (7 * 86400)
#define REGISTRATION_DRIVERS 2 /* batches in flight, so that stages overlap */
/* A batch that waits for company leaves this long after the latest item, and after so long in all.
 */
#define REGISTRATION_QUIET_US 2000
#define REGISTRATION_COLLECT_US 8000
#define REGISTRATION_QUEUE_MAX 4096 /* items waiting; more are shed */

/* The items of one RPC. */
struct registration_group {
    struct rpc_call *call;
    pthread_mutex_t lock;
    size_t open;                                            /* items not finished */
    Chancery__Registration__V1__EnrollResponse *single;     /* Enroll: fill this */
    Chancery__Registration__V1__EnrollBatchResponse *batch; /* EnrollBatch: fill items[index] */
    enum chancery_err single_err;
};

struct registration_item {
    struct registration_item *next;     /* queue, or waiters of an active item */
    struct registration_item *map_next; /* same bucket of the active map */
    struct registration_item *waiters;  /* same caller, key and content, arrived meanwhile */
    struct registration_group *group;
    size_t index; /* in its group */
    bool mapped;
    bool other_content;                    /* its key belongs to another request: to be refused */
    Chancery__Common__V1__Request request; /* as stated; points into the call's arena */
    struct slice pkcs10;
    Chancery__Common__V1__Approval **approvals; /* of a request that was pending (pending.h) */
    size_t n_approvals;
    const char *caller, *key; /* key "" when none */
    uint8_t request_id[16];
    uint8_t content[32], digest[32];
    uint32_t attempt;
    unsigned lone_failures; /* whole-call failures while alone in its call */
    unsigned voids;
    bool finished;
};

struct registration {
    struct daemon *daemon;
    struct db_pool *db;
    struct hsm_key *statement_key;
    struct rpc_channel *ca, *revocation;
    struct registration_patterns revokers, readers; /* who may revoke, or see, anything */

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct registration_item *head, *tail;
    size_t queued, flying; /* items waiting; items of the batches in flight */
    size_t returning;      /* answered with the latest batch, and not followed by a new one */
    int64_t moved_us;      /* when the latest item came or the latest batch was answered */
    bool stopping;
    struct registration_item *active[1024]; /* by (caller, key) */
    pthread_t drivers[REGISTRATION_DRIVERS];
    size_t n_drivers;
};

/* ---- service.c ---- */
/* registration_service_open opens database, token and statement key as configured, starts the
 * drivers and registers RegistrationService. r->daemon is set, the rest zero; `r` must outlive the
 * daemon, which ends the drivers. */
enum chancery_err registration_service_open(struct registration *r, struct diag *diag) MUST_CHECK;

/* ---- intake.c ---- */
/* registration_intake checks one EnrollRequest and fills a new item in `arena`: key, content
 * digest, typed request with sorted names. The group is the caller's to set. */
enum chancery_err registration_intake(struct registration *r, struct rpc_call *call,
                                      const Chancery__Registration__V1__EnrollRequest *in,
                                      struct registration_item **out, struct diag *diag) MUST_CHECK;
/* registration_item_digest gives the item a request id and computes its request digest. */
enum chancery_err registration_item_digest(struct registration_item *item,
                                           struct diag *diag) MUST_CHECK;

/* ---- queue.c ---- */
enum chancery_err registration_queue_start(struct registration *r) MUST_CHECK;
/* registration_queue_stop finishes what waits with CH_UNAVAILABLE and ends the drivers. */
void registration_queue_stop(struct registration *r);
/* registration_submit hands an item over; it will be finished exactly once. */
void registration_submit(struct registration *r, struct registration_item *item);
/* registration_unmap takes an item out of the active map and returns its waiters. */
struct registration_item *registration_unmap(struct registration *r,
                                             struct registration_item *item);

/* ---- drive.c ---- */
/* registration_drive takes 1..PERMIT_BATCH_MAX items from record to answer. */
void registration_drive(struct registration *r, struct registration_item **items, size_t n);
/* registration_finish_all finishes items that were not decided, with one error. */
void registration_finish_all(struct registration *r, struct registration_item **items, size_t n,
                             enum chancery_err err, const struct diag *diag);

/* ---- settle.c ---- */
/* registration_settle takes ca's answer for `n` items: refusals are logged, outcomes recorded,
 * items answered. Returns how many are to be tried again under a new attempt, moved to the front of
 * `items`. */
size_t registration_settle(struct registration *r, struct registration_item **items, size_t n,
                           const Chancery__Ca__V1__IssueBatchResponse *answer) MUST_CHECK;
/* registration_settle_issued records and answers a certificate that was found at ca; `replayed`: by
 * another call. */
void registration_settle_issued(struct registration *r, struct registration_item *item,
                                const Chancery__Common__V1__Certificate *certificate,
                                bool replayed);
/* registration_settle_poisonous refuses an item whose calls fail: logged, recorded, answered
 * CH_REFUSED "request.fails_alone". */
void registration_settle_poisonous(struct registration *r, struct registration_item *item,
                                   enum chancery_err why, const struct diag *detail);
/* registration_settle_other_content refuses items whose key belongs to another request: logged,
 * answered CH_EXISTS "idempotency.content", not recorded. */
void registration_settle_other_content(struct registration *r, struct registration_item **items,
                                       size_t n);

/* ---- resume.c ---- */
enum registration_next {
    REGISTRATION_FINISHED = 0,
    REGISTRATION_DRIVE,        /* ours to drive on, with the row's request id and a fresh attempt */
    REGISTRATION_OTHER_CONTENT /* the key belongs to another request */
};
/* registration_resume decides about an item whose idempotency key is known already. *ca_away is set
 * when ca does not answer, and an item that needs ca while it is set is finished without asking. */
enum registration_next registration_resume(struct registration *r, struct registration_item *item,
                                           bool *ca_away);
/* registration_find_issued looks at ca for the certificate of a request. CH_NOT_FOUND when it has
 * none. The certificate lives in `arena`. */
enum chancery_err registration_find_issued(struct registration *r, const uint8_t request_id[16],
                                           struct arena *arena,
                                           const Chancery__Common__V1__Certificate **out,
                                           struct diag *diag) MUST_CHECK;

/* ---- outcome.c ---- */
/* registration_finish answers an item and its waiters. `certificate` is copied; NULL with an error.
 */
void registration_finish(struct registration *r, struct registration_item *item,
                         enum chancery_err err, const struct diag *diag,
                         const Chancery__Common__V1__Certificate *certificate, bool replayed);
/* registration_abandon answers an item alone, whose caller no longer waits; its waiters begin anew.
 */
void registration_abandon(struct registration *r, struct registration_item *item,
                          enum chancery_err err, const struct diag *diag);
/* registration_copy_certificate deep-copies into `arena`; NULL when out of memory. */
Chancery__Common__V1__Certificate *
registration_copy_certificate(struct arena *arena, const Chancery__Common__V1__Certificate *c);
/* registration_answer_err is the error a client is told for an item's refusal: what is wrong with
 * the request is INVALID, whatever part of the reader found it. */
enum chancery_err registration_answer_err(enum chancery_err err);
/* registration_retry_err is the error a client is told when a part of ours failed and nothing was
 * decided: BUSY and INTEGRITY stay, all else is UNAVAILABLE. */
enum chancery_err registration_retry_err(enum chancery_err err);
/* registration_peer_err is the error a client is told when another process failed on its behalf:
 * time that ran out inside, a lost answer or a part that is away are UNAVAILABLE, for the client's
 * own deadline and rights are another matter; what its request earned stays. */
enum chancery_err registration_peer_err(enum chancery_err err);

/* ---- refusal.c ---- */
struct registration_refusal {
    const char *caller, *profile;
    const uint8_t *request_id; /* NULL when the request was not opened */
    enum chancery_err err;
    const struct diag *diag;
};
/* registration_audit_refusals makes 1..PERMIT_BATCH_MAX refusals durable in the audit log. Names
 * and subjects are not written. A refusal is answered only after CH_OK. */
enum chancery_err registration_audit_refusals(struct registration *r,
                                              const struct registration_refusal *list, size_t n,
                                              struct diag *diag) MUST_CHECK;

/* ---- store_request.c ---- */
struct registration_row {
    uint8_t request_id[16], content[32];
    uint32_t attempt;
    int state;
    bool ours; /* driven by this instance's name */
    int64_t driven_until_s;
    char issuer_id[64];
    uint8_t serial[20];
    size_t serial_len;
    enum chancery_err err;
    struct diag diag;
};
/* state */
enum { REGISTRATION_OPEN = 1, REGISTRATION_ISSUED, REGISTRATION_REFUSED, REGISTRATION_PENDING };
/* registration_store_new inserts the items' rows in one statement; known[i] says that (caller, key)
 * of item i has a row already. Durable when it returns. */
enum chancery_err registration_store_new(struct registration *r, struct registration_item **items,
                                         size_t n, bool *known, struct diag *diag) MUST_CHECK;
enum chancery_err registration_store_find(struct registration *r, const char *caller,
                                          const char *key, struct registration_row *out,
                                          struct diag *diag) MUST_CHECK;
/* registration_store_take makes an open or pending row open and ours with attempt row->attempt + 1
 * and the digest of the request as it is now, only if its attempt is still `row->attempt`;
 * CH_CONFLICT otherwise. */
enum chancery_err registration_store_take(struct registration *r,
                                          const struct registration_row *row,
                                          const uint8_t digest[32], struct diag *diag) MUST_CHECK;
/* registration_store_attempts writes the attempts of items, raised by one, before they are used.
 * ours[i] is false when another instance has taken item i over: it is no longer ours to drive. */
enum chancery_err registration_store_attempts(struct registration *r,
                                              struct registration_item **items, size_t n,
                                              bool *ours, struct diag *diag) MUST_CHECK;
struct registration_outcome {
    const uint8_t *request_id;
    const Chancery__Common__V1__Certificate *certificate; /* NULL: refused */
    enum chancery_err err;
    const struct diag *diag;
};
/* registration_store_outcomes records outcomes of open rows. recorded[i] is false when row i was
 * not open any more: another instance has decided, and its outcome stands. */
enum chancery_err registration_store_outcomes(struct registration *r,
                                              const struct registration_outcome *outcomes, size_t n,
                                              bool *recorded, struct diag *diag) MUST_CHECK;
enum chancery_err registration_store_purge(struct registration *r, int64_t now_s,
                                           struct diag *diag) MUST_CHECK;

/* ---- rpc_*.c ---- */
rpc_handler registration_rpc_enroll, registration_rpc_enroll_batch, registration_rpc_get,
    registration_rpc_list, registration_rpc_revoke, registration_rpc_issuers;

#endif
