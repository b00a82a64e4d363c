/* A PostgreSQL, instances of the limiter on it, and asks made from numbers. */
#ifndef CHANCERY_TEST_LIMITS_FIX_H
#define CHANCERY_TEST_LIMITS_FIX_H

#include "cm.h"

#include "limiter.h"
#include "permit/permit.h"
#include "test_postgres.h"

#define LIMITS_NOW 1764000000
#define NS_PER_S 1000000000LL

extern struct test_postgres limits_pg;
int limits_set_up(void **state);
int limits_tear_down(void **state);
/* limits_empty removes all that was counted. */
void limits_empty(void);
int64_t limits_int(const char *sql);
/* limits_sound checks that each scope counts the rows that name it. */
void limits_sound(void);

/* An instance: a pool of its own, the n-th holder. */
struct instance {
    struct db_pool *pool;
    struct policy_limiter *l;
};
struct instance limits_instance(unsigned n, unsigned lease_ms);
void limits_instance_end(struct instance *i);

/* What a test's profile says. */
struct rules {
    struct policy_limits limits;
    struct policy_applied applied;
};
/* Per requester: `n` per `period_s` (0: no rate) with `burst`, and at most `active` (0: any). */
struct rules rules_make(int64_t n, int64_t period_s, int64_t burst, int64_t active);
/* Call when limits of `r` were changed, and when it stands where it will stay. */
void rules_apply(struct rules *r);

/* One ask: request `id`, its own key and names unless changed, requester alice. */
struct asked {
    struct permit_request request;
    uint8_t digest[32], tbs[32], key[32], serial[16];
    char name[32];
    struct permit_san san;
    struct policy_ask ask;
};
void asked_make(struct asked *a, const struct rules *r, unsigned id, unsigned attempt);
/* asked_one admits it alone: whether it was taken. */
bool asked_one(struct instance *i, struct asked *a);
/* asked_some admits requests first..first+n-1 as one batch: how many were taken. */
size_t asked_some(struct instance *i, const struct rules *r, unsigned first, size_t n);

#endif
