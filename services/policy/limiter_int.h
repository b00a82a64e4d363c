/* What the files of the limiter share: the purse of leased tokens, a batch on its way, SQL. */
#ifndef CHANCERY_POLICY_SERVICE_LIMITER_INT_H
#define CHANCERY_POLICY_SERVICE_LIMITER_INT_H

#include "limiter.h"
#include "permit/permit.h"

#define LIMITS_SCOPES_MAX ((size_t)PERMIT_BATCH_MAX * POLICY_SCOPES)
#define LIMITS_LOCKS_MAX ((size_t)PERMIT_BATCH_MAX * 3) /* request, names, key */

/* ---- leased tokens, and requests that were paid from them ---- */

#define LIMITS_PURSES_MAX 65536 /* scopes with leased tokens; more than that lease nothing */
#define LIMITS_KNOWN_SETS 4096  /* of four requests each: the last 16,384 or so */
#define LIMITS_KNOWN_MS 600000  /* a statement lives for half of that */

struct policy_purse;
enum chancery_err policy_purse_new(struct policy_purse **out) MUST_CHECK;
void policy_purse_free(struct policy_purse *p);
/* policy_purse_have gives the tokens of a scope that may be spent at now_ms. */
int64_t policy_purse_have(struct policy_purse *p, struct slice key, int64_t now_ms);
/* policy_purse_set replaces them. false: no room, the tokens are lost until their lease ends. */
bool policy_purse_set(struct policy_purse *p, struct slice key, int64_t interval_ns, int64_t tokens,
                      int64_t until_ms);
/* policy_purse_take spends tokens that are there. */
void policy_purse_take(struct policy_purse *p, struct slice key, int64_t tokens);
/* policy_purse_room says whether another scope may lease. */
bool policy_purse_room(struct policy_purse *p, struct slice key);
void policy_purse_tidy(struct policy_purse *p, int64_t now_ms);
/* policy_purse_each visits scopes with tokens left, to give them back. */
typedef void policy_purse_fn(void *ctx, struct slice key, int64_t interval_ns, int64_t tokens);
void policy_purse_each(const struct policy_purse *p, int64_t now_ms, policy_purse_fn *fn,
                       void *ctx);
bool policy_purse_knows(const struct policy_purse *p, const uint8_t digest[32], int64_t now_ms);
void policy_purse_learn(struct policy_purse *p, const uint8_t digest[32], int64_t now_ms);

/* ---- a batch ---- */

enum limits_record { LIMITS_RECORD_NOTHING = 0, LIMITS_RECORD_CHARGE, LIMITS_RECORD_COUNT };

struct limits_scope {
    struct slice key;
    const struct policy_limit *limit;
    int64_t block, have, need, wait_ns;
};
struct limits_pair {
    size_t item, scope;
    enum policy_scope kind;
};
struct limits_item {
    struct policy_ask *ask;
    uint8_t names[32];
    enum limits_record record;
};
struct limits_batch {
    bool dry;
    int64_t now_s, expires_s;
    struct limits_item items[PERMIT_BATCH_MAX];
    struct limits_scope scopes[LIMITS_SCOPES_MAX]; /* by key */
    struct limits_pair pairs[LIMITS_SCOPES_MAX];   /* by item */
    int32_t locks[LIMITS_LOCKS_MAX];               /* ascending, each once */
    size_t n_items, n_scopes, n_pairs, n_locks;
};

/* policy_limiter_store_admit runs the batch (policy.limits_admit), fills usages of its items, and
 * have and wait_ns of its scopes. */
enum chancery_err policy_limiter_store_admit(struct db_pool *db, const uint8_t holder[16],
                                             int64_t lease_ms, struct limits_batch *b,
                                             struct diag *diag) MUST_CHECK;
struct limits_rest {
    struct slice *keys;
    int64_t *intervals, *tokens;
    size_t n;
};
enum chancery_err policy_limiter_store_return(struct db_pool *db, const uint8_t holder[16],
                                              const struct limits_rest *rest,
                                              struct diag *diag) MUST_CHECK;
enum chancery_err policy_limiter_store_sweep(struct db_pool *db, int64_t now_s, bool tidy,
                                             struct diag *diag) MUST_CHECK;
enum chancery_err policy_limiter_store_hold(struct db_pool *db, const uint8_t holder[16],
                                            uint64_t *out_position, bool *out_idle,
                                            struct diag *diag) MUST_CHECK;
enum chancery_err policy_limiter_store_skip(struct db_pool *db, uint64_t size,
                                            struct diag *diag) MUST_CHECK;
enum chancery_err policy_limiter_store_follow(struct db_pool *db, const struct policy_follow *f,
                                              int64_t read_s, struct diag *diag) MUST_CHECK;

/* What limiter_follow.c needs of the limiter. */
struct db_pool *policy_limiter_db(const struct policy_limiter *l);
const uint8_t *policy_limiter_holder(const struct policy_limiter *l);

#endif
