/* Taking tokens and counting certificates on a real PostgreSQL: with several instances at once,
 * through crashes, clock steps and a database that is away, never more than the limit. */
#include "limiter_fix.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/os.h"

static struct asked a;

/* ---- rates ---- */

static void tight_rate_grants_its_burst_and_tells_when_to_retry(void **state)
{
    (void)state;
    struct rules r = rules_make(3, 3600, 3, 0);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0), two = limits_instance(2, 0);
    for (unsigned id = 0; id < 3; id++) {
        asked_make(&a, &r, id, 1);
        assert_true(asked_one(id % 2 == 0 ? &one : &two, &a));
    }
    asked_make(&a, &r, 3, 1);
    assert_false(asked_one(&one, &a));
    const struct policy_scope_usage *u = &a.ask.usage.scopes[POLICY_SCOPE_REQUESTER];
    assert_false(u->granted);
    assert_in_range(u->retry_after_s, 1190, 1200);
    asked_make(&a, &r, 3, 1); /* another requester has a bucket of his own */
    a.request.requester = slice_str("spiffe://chancery.test/user/bob");
    assert_true(asked_one(&two, &a));
    assert_int_equal(limits_int("SELECT count(*) FROM policy.limit_lease"), 0);
    limits_instance_end(&one);
    limits_instance_end(&two);
}

static void request_is_charged_once(void **state)
{
    (void)state;
    struct rules r = rules_make(2, 3600, 2, 0);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0), two = limits_instance(2, 0);
    for (unsigned attempt = 1; attempt < 10; attempt++) { /* retries, also of another instance */
        asked_make(&a, &r, 1, attempt);
        assert_true(asked_one(attempt % 2 == 0 ? &one : &two, &a));
    }
    assert_int_equal(asked_some(&one, &r, 2, 2), 1); /* one token was left */
    assert_int_equal(asked_some(&two, &r, 1, 1), 1); /* a retry is free, the bucket empty */
    limits_instance_end(&one);
    limits_instance_end(&two);
}

static void same_request_twice_in_a_batch_gets_nothing_for_the_second(void **state)
{
    (void)state;
    struct rules r = rules_make(5, 3600, 5, 5);
    struct asked b;
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    asked_make(&a, &r, 1, 1);
    asked_make(&b, &r, 1, 2);
    struct policy_ask asks[] = {a.ask, b.ask};
    assert_int_equal(policy_limiter_admit(one.l, asks, 2, LIMITS_NOW, LIMITS_NOW + 60, false, NULL),
                     CH_OK);
    assert_true(asks[0].usage.recorded);
    assert_false(asks[1].usage.recorded || asks[1].usage.scopes[0].granted);
    limits_instance_end(&one);
}

static void loose_rate_is_spent_from_memory(void **state)
{
    (void)state;
    struct rules r = rules_make(6000, 60, 800, 0); /* blocks of 100 */
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_int_equal(asked_some(&one, &r, 0, 60), 60);
    assert_int_equal(limits_int("SELECT tokens FROM policy.limit_lease"), 40);
    test_postgres_halt(&limits_pg);
    assert_int_equal(asked_some(&one, &r, 100, 30), 30);
    assert_int_equal(asked_some(&one, &r, 100, 30), 30); /* known: paid already */
    struct policy_ask asks[1];
    asked_make(&a, &r, 200, 1);
    for (int i = 0; i < 10; i++) {
        asked_make(&a, &r, 200 + (unsigned)i, 1);
        assert_true(asked_one(&one, &a));
    }
    asked_make(&a, &r, 300, 1); /* nothing leased is left */
    asks[0] = a.ask;
    struct diag d = {0};
    int64_t began = os_mono_ms();
    assert_int_equal(policy_limiter_admit(one.l, asks, 1, LIMITS_NOW, LIMITS_NOW + 60, false, &d),
                     CH_UNAVAILABLE);
    assert_int_equal(policy_limiter_admit(one.l, asks, 1, LIMITS_NOW, LIMITS_NOW + 60, false, &d),
                     CH_UNAVAILABLE); /* at once */
    assert_true(os_mono_ms() - began < 20000);
    test_postgres_resume(&limits_pg);
    while (policy_limiter_admit(one.l, asks, 1, LIMITS_NOW, LIMITS_NOW + 60, false, &d) != CH_OK) {
        assert_true(os_mono_ms() - began < 60000);
        (void)usleep(20000); /* until the server is there again */
    }
    assert_true(asks[0].usage.recorded);
    limits_instance_end(&one);
}

static void leases_and_bucket_together_hold_the_burst(void **state)
{
    (void)state;
    struct rules r = rules_make(60, 60, 400, 0); /* blocks of 3 */
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0), two = limits_instance(2, 0);
    int64_t began = os_mono_ms();
    assert_int_equal(asked_some(&one, &r, 0, 1), 1);
    /* A bucket left alone would be full again; what is leased is not in it. */
    test_postgres_admin(&limits_pg, "UPDATE policy.limit_scope SET full_at_ns = 0");
    size_t taken = 0;
    for (unsigned i = 0; i < 8; i++) {
        taken += asked_some(&two, &r, 1000 + 64 * i, 64);
    }
    int64_t refilled = (os_mono_ms() - began) / 1000 + 1;
    assert_in_range(taken, 398, 398 + refilled); /* 2 are still one's */
    assert_int_equal(asked_some(&one, &r, 10, 2), 2);
    limits_instance_end(&one);
    limits_instance_end(&two);
}

static void orderly_stop_gives_tokens_back(void **state)
{
    (void)state;
    struct rules r = rules_make(6000, 60, 800, 0);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_int_equal(asked_some(&one, &r, 0, 1), 1);
    int64_t full_at = limits_int("SELECT full_at_ns FROM policy.limit_scope");
    policy_limiter_give_back(one.l);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.limit_lease"), 0);
    assert_int_equal(full_at - limits_int("SELECT full_at_ns FROM policy.limit_scope"),
                     99 * 10000000LL);
    limits_instance_end(&one);
}

static int64_t test_mono_ms; /* 0: the real one */

static int64_t fake_mono_ms(void)
{
    return test_mono_ms;
}

static void tokens_are_not_spent_after_their_lease(void **state)
{
    (void)state;
    struct rules r = rules_make(6000, 60, 800, 0);
    struct instance one = limits_instance(1, 0);
    uint8_t holder[16] = {9};
    const struct policy_limiter_opts opts = {
        .db = one.pool, .holder = holder, .lease_ms = 5000, .mono_ms = fake_mono_ms};
    rules_apply(&r);
    limits_empty();
    policy_limiter_free(one.l);
    test_mono_ms = 1000000;
    assert_int_equal(policy_limiter_new(&opts, &one.l), CH_OK);
    assert_int_equal(asked_some(&one, &r, 0, 1), 1);
    test_postgres_admin(&limits_pg, "UPDATE policy.limit_lease SET tokens = 7");
    test_mono_ms += 3999;
    assert_int_equal(asked_some(&one, &r, 1, 1), 1); /* from memory: the row is not touched */
    assert_int_equal(limits_int("SELECT tokens FROM policy.limit_lease"), 7);
    test_mono_ms += 1;
    assert_int_equal(asked_some(&one, &r, 2, 1), 1); /* a new block */
    assert_int_equal(limits_int("SELECT tokens FROM policy.limit_lease"), 99);
    limits_instance_end(&one);
}

static void clock_set_back_empties_the_bucket_and_no_more(void **state)
{
    (void)state;
    struct rules r = rules_make(6, 3600, 6, 0);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_int_equal(asked_some(&one, &r, 0, 1), 1);
    /* As it looks when the clock goes back by a year. */
    test_postgres_admin(
        &limits_pg, "UPDATE policy.limit_scope SET full_at_ns = full_at_ns + 31536000000000000");
    asked_make(&a, &r, 1, 1);
    assert_false(asked_one(&one, &a));
    assert_in_range(a.ask.usage.scopes[0].retry_after_s, 590, 600);
    /* And forward: full, not more than full. */
    test_postgres_admin(&limits_pg, "UPDATE policy.limit_scope SET full_at_ns = 1");
    assert_int_equal(asked_some(&one, &r, 10, 10), 6);
    limits_instance_end(&one);
}

static void greatest_numbers_do_not_overflow(void **state)
{
    (void)state;
    struct rules r = rules_make(1, 366 * 86400, 10, 1000000000); /* the slowest bucket there is */
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_int_equal(asked_some(&one, &r, 0, 11), 10);
    asked_make(&a, &r, 20, 1);
    assert_false(asked_one(&one, &a));
    assert_in_range(a.ask.usage.scopes[0].retry_after_s, 366 * 86400 - 60, 366 * 86400);
    limits_empty();
    r = rules_make(1000000, 1, 1000000, 0); /* the fastest */
    rules_apply(&r);
    test_postgres_admin(&limits_pg,
                        "INSERT INTO policy.limit_lease SELECT E'requester\\ntest\\nspiffe://"
                        "chancery.test/user/alice', decode(repeat('ff', 16), 'hex'), "
                        "9000000000000000000, 9000000000000000000");
    assert_int_equal(asked_some(&one, &r, 30, 5), 0); /* everything is leased by another */
    test_postgres_admin(&limits_pg, "TRUNCATE policy.limit_lease");
    assert_int_equal(asked_some(&one, &r, 40, 5), 5);
    limits_instance_end(&one);
}

/* ---- many at once ---- */

struct crowd {
    struct instance *i;
    const struct rules *r;
    unsigned first, batches;
    size_t size;
    atomic_size_t *taken;
};

static void *crowd_run(void *ctx)
{
    const struct crowd *c = ctx;
    for (unsigned b = 0; b < c->batches; b++) {
        struct policy_ask asks[PERMIT_BATCH_MAX];
        struct asked *all = calloc(c->size, sizeof *all);
        struct diag d;
        for (size_t k = 0; k < c->size; k++) {
            asked_make(&all[k], c->r, c->first + b * (unsigned)c->size + (unsigned)k, 1);
            asks[k] = all[k].ask;
        }
        enum chancery_err err =
            policy_limiter_admit(c->i->l, asks, c->size, LIMITS_NOW, LIMITS_NOW + 60, false, &d);
        for (size_t k = 0; err == CH_OK && k < c->size; k++) {
            if (asks[k].usage.recorded) {
                atomic_fetch_add(c->taken, 1);
            }
        }
        free(all);
    }
    return NULL;
}

/* Eight threads of two instances ask for 8 * batches * size requests. */
static size_t crowd(const struct rules *r, unsigned batches, size_t size)
{
    struct instance two[] = {limits_instance(1, 0), limits_instance(2, 0)};
    struct crowd c[8];
    pthread_t threads[8];
    atomic_size_t taken = 0;
    for (unsigned i = 0; i < 8; i++) {
        c[i] = (struct crowd){&two[i % 2], r, i * 100000, batches, size, &taken};
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_run, &c[i]), 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    limits_instance_end(&two[0]);
    limits_instance_end(&two[1]);
    return taken;
}

static void crowd_gets_exactly_a_tight_rate(void **state)
{
    (void)state;
    struct rules r = rules_make(37, 86400, 37, 0);
    rules_apply(&r);
    limits_empty();
    assert_int_equal(crowd(&r, 10, 5), 37);
}

static void crowd_gets_no_more_than_a_loose_rate(void **state)
{
    (void)state;
    struct rules r = rules_make(120, 60, 200, 0); /* 2 a second, blocks of 6 */
    rules_apply(&r);
    limits_empty();
    int64_t began = os_mono_ms();
    size_t taken = crowd(&r, 20, 7);
    int64_t refilled = (os_mono_ms() - began) * 2 / 1000 + 1;
    assert_in_range(taken, 200 - 2 * 6, 200 + refilled);
}

static void crowd_gets_exactly_the_active_certificates(void **state)
{
    (void)state;
    struct rules r = rules_make(0, 0, 0, 41);
    r.limits.whole.active = 45;
    rules_apply(&r);
    limits_empty();
    assert_int_equal(crowd(&r, 5, 9), 41);
    limits_sound();
    assert_int_equal(limits_int("SELECT count(*) FROM policy.permitted WHERE state = 1"), 41);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.attempt"), 41);
}

static void crowd_gets_a_name_and_a_key_once(void **state)
{
    (void)state;
    struct rules r = rules_make(0, 0, 0, 0);
    r.limits.key_reuse = POLICY_KEY_REFUSE;
    r.limits.duplicates_refused = true;
    rules_apply(&r);
    limits_empty();
    struct instance two[] = {limits_instance(1, 0), limits_instance(2, 0)};
    size_t taken = 0;
    for (unsigned i = 0; i < 10; i++) { /* the same key under many names */
        asked_make(&a, &r, i, 1);
        memset(a.key, 7, 32);
        taken += asked_one(&two[i % 2], &a) ? 1 : 0;
    }
    assert_int_equal(taken, 1);
    limits_instance_end(&two[0]);
    limits_instance_end(&two[1]);
}

/* ---- a replica dies ---- */

/* Spends one by one, telling each token through the pipe, until it is killed. */
static void spend_for_ever(const struct rules *r, int fd)
{
    struct instance me = limits_instance(3, 4000);
    for (unsigned id = 500000;; id++) {
        asked_make(&a, r, id, 1); /* no assertion here: the parent is the test */
        if (policy_limiter_admit(me.l, &a.ask, 1, LIMITS_NOW, LIMITS_NOW + 60, false, NULL) !=
                CH_OK ||
            (a.ask.usage.recorded && write(fd, "+", 1) != 1)) {
            _exit(1);
        }
    }
}

static void killed_replica_loses_at_most_its_block_and_grants_no_more(void **state)
{
    (void)state;
    struct rules r = rules_make(60, 60, 160, 0); /* 1 a second, blocks of 3 */
    int fds[2];
    char told[256];
    size_t child = 0;
    rules_apply(&r);
    limits_empty();
    assert_int_equal(pipe(fds), 0);
    int64_t began = os_mono_ms();
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        spend_for_ever(&r, fds[1]);
    }
    (void)close(fds[1]);
    while (child < 50) { /* in the middle of a block */
        ssize_t n = read(fds[0], told, 1);
        assert_true(n == 1);
        child += (size_t)n;
    }
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (ssize_t n; (n = read(fds[0], told, sizeof told)) > 0;) {
        child += (size_t)n;
    }
    (void)close(fds[0]);
    struct instance other = limits_instance(4, 0);
    size_t taken = 0;
    for (unsigned i = 0; i < 5; i++) {
        taken += asked_some(&other, &r, 1000 + 64 * i, 64);
    }
    int64_t refilled = (os_mono_ms() - began) / 1000 + 1;
    /* 1: the child may have died between taking a token and telling. */
    assert_true(child + taken <= (size_t)(160 + refilled));
    assert_true(child + taken + 3 + 1 >= 160);
    /* When its lease is over the bucket holds its whole burst again. */
    test_postgres_admin(&limits_pg, "UPDATE policy.limit_scope SET full_at_ns = 0; "
                                    "UPDATE policy.limit_lease SET expires_ns = 1");
    taken = 0;
    for (unsigned i = 0; i < 3; i++) {
        taken += asked_some(&other, &r, 5000 + 64 * i, 64);
    }
    assert_true(taken >= 160);
    limits_instance_end(&other);
}

/* ---- several rules on one request ---- */

static void refused_request_takes_nothing(void **state)
{
    (void)state;
    struct rules r = rules_make(5, 3600, 5, 2);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_int_equal(asked_some(&one, &r, 0, 4), 2); /* two certificates, so two tokens */
    asked_make(&a, &r, 10, 1);
    assert_false(asked_one(&one, &a));
    assert_true(a.ask.usage.scopes[0].granted);
    assert_int_equal(a.ask.usage.scopes[0].active, 2);
    r.limits.requester.active = 100;
    assert_int_equal(asked_some(&one, &r, 20, 9), 3);
    limits_sound();
    limits_instance_end(&one);
}

static void duplicates_wait_for_the_renewal_window(void **state)
{
    (void)state;
    struct rules r = rules_make(0, 0, 0, 0);
    struct asked b;
    r.limits.duplicates_refused = true;
    r.limits.renewal_window_s = 30 * 86400;
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    asked_make(&a, &r, 1, 1);
    a.ask.not_after_s = LIMITS_NOW + 30 * 86400 + 1;
    assert_true(asked_one(&one, &a));
    asked_make(&b, &r, 2, 1); /* another request for the same names */
    memcpy(b.name, a.name, sizeof b.name);
    b.san.value = slice_str(b.name);
    assert_false(asked_one(&one, &b));
    assert_int_equal(b.ask.usage.duplicate_not_after_s, LIMITS_NOW + 30 * 86400 + 1);
    test_postgres_admin(&limits_pg, "UPDATE policy.permitted SET not_after_s = not_after_s - 1");
    assert_true(asked_one(&one, &b));
    asked_make(&b, &r, 3, 1); /* the renewed one is young */
    memcpy(b.name, a.name, sizeof b.name);
    b.san.value = slice_str(b.name);
    assert_false(asked_one(&one, &b));
    struct asked c; /* two of one batch */
    asked_make(&b, &r, 4, 1);
    asked_make(&c, &r, 5, 1);
    memcpy(c.name, b.name, sizeof c.name);
    c.san.value = slice_str(c.name);
    struct policy_ask asks[] = {b.ask, c.ask};
    assert_int_equal(policy_limiter_admit(one.l, asks, 2, LIMITS_NOW, LIMITS_NOW + 60, false, NULL),
                     CH_OK);
    assert_true(asks[0].usage.recorded);
    assert_false(asks[1].usage.recorded);
    assert_int_equal(asks[1].usage.duplicate_not_after_s, b.ask.not_after_s);
    limits_instance_end(&one);
}

static bool key_of_another(struct instance *i, const struct rules *r, unsigned id,
                           const char *requester)
{
    asked_make(&a, r, id, 1);
    memset(a.key, 0x42, 32);
    a.request.requester = slice_str(requester);
    return asked_one(i, &a);
}

static void keys_are_known_by_who_used_them(void **state)
{
    (void)state;
    struct rules r = rules_make(0, 0, 0, 0);
    r.limits.key_reuse = POLICY_KEY_SAME_REQUESTER;
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    assert_true(key_of_another(&one, &r, 1, "spiffe://chancery.test/user/alice"));
    assert_true(key_of_another(&one, &r, 2, "spiffe://chancery.test/user/alice"));
    assert_true(a.ask.usage.key_same && !a.ask.usage.key_other);
    assert_false(key_of_another(&one, &r, 3, "spiffe://chancery.test/user/bob"));
    assert_true(a.ask.usage.key_other && !a.ask.usage.key_same);
    r.limits.key_reuse = POLICY_KEY_REFUSE;
    assert_false(key_of_another(&one, &r, 4, "spiffe://chancery.test/user/alice"));
    assert_true(a.ask.usage.key_same);
    limits_instance_end(&one);
}

static void attempts_of_a_request_count_once_and_are_bounded(void **state)
{
    (void)state;
    struct rules r = rules_make(9, 3600, 9, 9);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    for (unsigned attempt = 1; attempt <= POLICY_ATTEMPTS_MAX; attempt++) {
        asked_make(&a, &r, 1, attempt);
        assert_true(asked_one(&one, &a));
        assert_int_equal(a.ask.usage.attempts, attempt - 1);
        assert_int_equal(a.ask.usage.scopes[0].active, 0);
    }
    asked_make(&a, &r, 1, POLICY_ATTEMPTS_MAX + 1);
    assert_false(asked_one(&one, &a));
    limits_sound();
    assert_int_equal(limits_int("SELECT active FROM policy.limit_scope"), 1);
    limits_instance_end(&one);
}

static void dry_run_changes_nothing(void **state)
{
    (void)state;
    struct rules r = rules_make(3, 3600, 3, 2);
    rules_apply(&r);
    limits_empty();
    struct instance one = limits_instance(1, 0);
    for (int i = 0; i < 5; i++) {
        asked_make(&a, &r, 1, 1);
        assert_int_equal(
            policy_limiter_admit(one.l, &a.ask, 1, LIMITS_NOW, LIMITS_NOW + 60, true, NULL), CH_OK);
        assert_true(a.ask.usage.recorded && a.ask.usage.scopes[0].granted);
    }
    assert_int_equal(limits_int("SELECT count(*) FROM policy.limit_scope"), 0);
    assert_int_equal(limits_int("SELECT count(*) FROM policy.permitted"), 0);
    assert_int_equal(asked_some(&one, &r, 0, 3), 2);
    asked_make(&a, &r, 7, 1);
    assert_int_equal(
        policy_limiter_admit(one.l, &a.ask, 1, LIMITS_NOW, LIMITS_NOW + 60, true, NULL), CH_OK);
    assert_false(a.ask.usage.recorded);
    assert_int_equal(a.ask.usage.scopes[0].active, 2);
    limits_instance_end(&one);
}

/* The facts that come back lead the engine to the same answer that the database gave. */
static void engine_and_database_agree(void **state)
{
    (void)state;
    struct rules r = rules_make(4, 86400, 25, 12);
    unsigned seed = 20250611;
    r.limits.whole.active = 17;
    r.limits.duplicates_refused = true;
    r.limits.renewal_window_s = 20 * 86400;
    r.limits.key_reuse = POLICY_KEY_SAME_REQUESTER;
    rules_apply(&r);
    limits_empty();
    struct instance two[] = {limits_instance(1, 0), limits_instance(2, 0)};
    size_t taken = 0;
    for (int i = 0; i < 300; i++) {
        asked_make(&a, &r, (unsigned)rand_r(&seed) % 60, (unsigned)i);
        memset(a.key, rand_r(&seed) % 20, 32);
        (void)snprintf(a.name, sizeof a.name, "h%d.test", rand_r(&seed) % 20);
        a.san.value = slice_str(a.name);
        a.request.requester = slice_str(rand_r(&seed) % 2 == 0 ? "spiffe://chancery.test/user/alice"
                                                               : "spiffe://chancery.test/user/bob");
        a.ask.not_after_s = LIMITS_NOW + 86400 * (1 + rand_r(&seed) % 40);
        {
            uint8_t all[96];
            memcpy(all, a.key, 32);
            memcpy(all + 32, a.request.requester.ptr + a.request.requester.len - 5, 5);
            memcpy(all + 37, a.name, 16);
            crypto_sha256(slice_of(all, 53), a.digest);
        }
        bool recorded = asked_one(&two[i % 2], &a);
        const struct policy_usage *u = &a.ask.usage;
        bool ok = u->attempts < POLICY_ATTEMPTS_MAX &&
                  (u->duplicate_not_after_s == 0 ||
                   u->duplicate_not_after_s - LIMITS_NOW <= r.limits.renewal_window_s) &&
                  !u->key_other;
        for (int s = 0; s < 2; s++) {
            const struct policy_limit *l = r.applied.scopes[s];
            ok = ok && (l->interval_ns == 0 || u->scopes[s].granted) &&
                 u->scopes[s].active < l->active;
        }
        if (recorded != ok) {
            fail_msg("round %d: recorded %d, rules say %d", i, recorded, ok);
        }
        taken += recorded ? 1 : 0;
    }
    assert_true(taken >= 17);
    limits_sound();
    assert_int_equal(limits_int("SELECT count(*) FROM policy.permitted WHERE state = 1"), 17);
    limits_instance_end(&two[0]);
    limits_instance_end(&two[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tight_rate_grants_its_burst_and_tells_when_to_retry),
        cmocka_unit_test(request_is_charged_once),
        cmocka_unit_test(same_request_twice_in_a_batch_gets_nothing_for_the_second),
        cmocka_unit_test(loose_rate_is_spent_from_memory),
        cmocka_unit_test(leases_and_bucket_together_hold_the_burst),
        cmocka_unit_test(orderly_stop_gives_tokens_back),
        cmocka_unit_test(tokens_are_not_spent_after_their_lease),
        cmocka_unit_test(clock_set_back_empties_the_bucket_and_no_more),
        cmocka_unit_test(greatest_numbers_do_not_overflow),
        cmocka_unit_test(crowd_gets_exactly_a_tight_rate),
        cmocka_unit_test(crowd_gets_no_more_than_a_loose_rate),
        cmocka_unit_test(crowd_gets_exactly_the_active_certificates),
        cmocka_unit_test(crowd_gets_a_name_and_a_key_once),
        cmocka_unit_test(killed_replica_loses_at_most_its_block_and_grants_no_more),
        cmocka_unit_test(refused_request_takes_nothing),
        cmocka_unit_test(duplicates_wait_for_the_renewal_window),
        cmocka_unit_test(keys_are_known_by_who_used_them),
        cmocka_unit_test(attempts_of_a_request_count_once_and_are_bounded),
        cmocka_unit_test(dry_run_changes_nothing),
        cmocka_unit_test(engine_and_database_agree),
    };
    return cmocka_run_group_tests(tests, limits_set_up, limits_tear_down);
}
