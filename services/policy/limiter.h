/* What has been used of the limits that a bundle sets: taken and counted in PostgreSQL, so that all
 * instances of chancery-policy share it (migrations/0007_policy_limits.sql).
 *
 * A batch costs at most one statement. Rates that are not tight are spent from leased blocks of
 * tokens in memory: then a batch costs none. Threading: any number of RPC workers and tasks; one
 * batch at a time per instance. */
#ifndef CHANCERY_POLICY_SERVICE_LIMITER_H
#define CHANCERY_POLICY_SERVICE_LIMITER_H

#include "db/db.h"
#include "limiter_ask.h"

#define POLICY_LEASE_MS 20000 /* after a crash its tokens are missing for so long */
#define POLICY_LEASE_MARGIN_MS                                                                     \
    1000 /* a holder stops so much earlier: clocks of two machines run at different speeds */

struct policy_limiter;

struct policy_limiter_opts {
    struct db_pool *db;       /* must outlive it */
    const uint8_t *holder;    /* 16 octets that name this start of the instance */
    unsigned lease_ms;        /* 0: POLICY_LEASE_MS */
    int64_t (*mono_ms)(void); /* NULL: os_mono_ms */
};
enum chancery_err policy_limiter_new(const struct policy_limiter_opts *opts,
                                     struct policy_limiter **out) MUST_CHECK;
void policy_limiter_free(struct policy_limiter *l);

/* policy_limiter_admit takes tokens and records what will be permitted, for asks in their order (at
 * most PERMIT_BATCH_MAX), and fills each one's usage. A request that is refused takes nothing; a
 * request that was taken before takes nothing again. `expires_s`: end of the permit. With `dry`
 * nothing is taken. CH_UNAVAILABLE: the database is away, nothing was taken that will not come back
 * by itself. */
enum chancery_err policy_limiter_admit(struct policy_limiter *l, struct policy_ask *asks, size_t n,
                                       int64_t now_s, int64_t expires_s, bool dry,
                                       struct diag *diag) MUST_CHECK;

/* policy_limiter_give_back returns leased tokens, at an orderly stop. */
void policy_limiter_give_back(struct policy_limiter *l);

/* policy_limiter_sweep ends what ended by time; a few milliseconds. Every few seconds. */
enum chancery_err policy_limiter_sweep(struct policy_limiter *l, int64_t now_s,
                                       struct diag *diag) MUST_CHECK;

/* ---- following the log ---- */

#define POLICY_FOLLOW_MAX 4096 /* entries of the log per statement */

/* Entries collected for one statement. All zero but `trust_domain` is empty. */
struct policy_follow {
    const char *trust_domain; /* whose signer, ca and revocation are believed */
    struct arena arena;
    struct slice *intended, *ended, *issuers, *serials; /* TBS hashes; of revocations */
    size_t n_intended, n_ended, n_revoked;
    uint64_t from, next; /* entries from..next-1 have been taken */
};

/* policy_follow_start empties `f` to begin at `from`. CH_NOMEM. */
enum chancery_err policy_follow_start(struct policy_follow *f, uint64_t from) MUST_CHECK;
void policy_follow_clear(struct policy_follow *f);
/* policy_follow_take reads one leaf (docs/AUDIT.md); what does not concern limits is passed over.
 * CH_INTEGRITY: it is not the next entry, or not what its producer writes. CH_LIMIT: full. */
enum chancery_err policy_follow_take(struct policy_follow *f, uint64_t index, struct slice leaf,
                                     struct diag *diag) MUST_CHECK;
/* policy_follow_store makes it durable and empties it, to go on at f->next. read_s: when the log
 * was read to its end, 0 when it was not. CH_CONFLICT: another instance was faster. */
enum chancery_err policy_follow_store(struct policy_limiter *l, struct policy_follow *f,
                                      int64_t read_s, struct diag *diag) MUST_CHECK;

/* policy_follow_hold asks for the turn to follow the log, which lasts some seconds. *out_idle:
 * nothing is waiting for the log. CH_NOT_FOUND: another instance has the turn. */
enum chancery_err policy_follow_hold(struct policy_limiter *l, uint64_t *out_position,
                                     bool *out_idle, struct diag *diag) MUST_CHECK;
/* policy_follow_skip moves to `size`, a size of the log read before the call, while nothing waits
 * for the log. */
enum chancery_err policy_follow_skip(struct policy_limiter *l, uint64_t size,
                                     struct diag *diag) MUST_CHECK;

#endif
