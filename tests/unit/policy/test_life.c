/* Bundles in force: what is taken when, what an altered source does, takers beside a writer. */
#include <pthread.h>
#include <stdatomic.h>

#include "chain_fix.h"

static struct chain fx;
static struct policy_life *life;
static atomic_int alive; /* payloads not yet released */
static bool cannot_prepare;

static enum chancery_err prepare(void *ctx, struct policy_bundle *take_bundle, void **out,
                                 struct diag *diag)
{
    (void)ctx;
    if (cannot_prepare) {
        policy_bundle_free(take_bundle);
        return diag_set(diag, CH_INVALID, "bundle", "test.prepare", "no");
    }
    alive++;
    *out = take_bundle;
    return CH_OK;
}

static void release(void *payload)
{
    alive--;
    policy_bundle_free(payload);
}

static void open_life(void)
{
    const struct policy_life_opts o = {.trust_domain = "service.test",
                                       .files = fx.bundles[0].files,
                                       .n_files = fx.bundles[0].n,
                                       .prepare = prepare,
                                       .release = release};
    assert_int_equal(policy_life_new(&o, &life, NULL), CH_OK);
}

static int set_up(void **state)
{
    (void)state;
    cannot_prepare = false;
    chain_make(&fx);
    open_life();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    policy_life_free(life);
    chain_clear(&fx);
    return alive == 0 ? 0 : -1;
}

static enum chancery_err update(int64_t now_s, struct diag *d)
{
    const struct policy_life_source s = chain_source(&fx);
    return policy_life_update(life, &s, now_s, d);
}

static void add(unsigned from, unsigned to, uint64_t sequence, int64_t at, int64_t nb)
{
    fx.links[fx.n_links++] =
        chain_link(&fx, from, to, sequence, at, nb, "spiffe://service.test/user/z", "ab");
}

/* Number of the bundle in force, or of `named` when it is accepted; -1: none. */
static int taken(int named, int64_t now_s)
{
    const struct policy_life_item *i =
        policy_life_take(life, named < 0 ? NULL : fx.bundles[named].sha256, now_s);
    if (i == NULL) {
        return -1;
    }
    int found = -1;
    for (int k = 0; k < CHAIN_BUNDLES; k++) {
        if (memcmp(i->sha256, fx.bundles[k].sha256, 32) == 0) {
            found = k;
        }
    }
    assert_memory_equal(policy_bundle_hash(i->payload), i->sha256, 32);
    policy_life_drop(life, i);
    return found;
}

static void promotion_comes_into_force_at_its_time(void **state)
{
    (void)state;
    assert_int_equal(taken(-1, CHAIN_T0), 0);
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 100);
    assert_int_equal(update(CHAIN_T0, NULL), CH_OK);
    assert_int_equal(taken(-1, CHAIN_T0 + 99), 0);
    assert_int_equal(taken(-1, CHAIN_T0 + 100), 1);
    /* The one before for a while, the one after a little early: docs/POLICY.md. */
    assert_int_equal(taken(0, CHAIN_T0 + 100 + POLICY_LIFE_GRACE_S - 1), 0);
    assert_int_equal(taken(0, CHAIN_T0 + 100 + POLICY_LIFE_GRACE_S), -1);
    assert_int_equal(taken(1, CHAIN_T0 + 100 - POLICY_LIFE_SKEW_S), 1);
    assert_int_equal(taken(1, CHAIN_T0 + 100 - POLICY_LIFE_SKEW_S - 1), -1);
    assert_int_equal(taken(2, CHAIN_T0 + 100), -1);
    uint8_t end[32];
    assert_int_equal(policy_life_end(life, end), 1);
    assert_memory_equal(end, fx.bundles[1].sha256, 32);
    assert_false(policy_life_behind(life, CHAIN_T0 + 200));
}

static void cancelled_promotion_is_never_taken(void **state)
{
    (void)state;
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 100);
    assert_int_equal(update(CHAIN_T0, NULL), CH_OK);
    add(0, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 50);
    assert_int_equal(update(CHAIN_T0 + 10, NULL), CH_OK);
    assert_int_equal(taken(-1, CHAIN_T0 + 49), 0);
    assert_int_equal(taken(-1, CHAIN_T0 + 50), 2);
    assert_int_equal(taken(-1, CHAIN_T0 + 100), 2);
    assert_int_equal(taken(1, CHAIN_T0 + 98), -1);
}

static void long_history_is_walked_and_forgotten(void **state)
{
    (void)state;
    for (unsigned i = 1; i < 40; i++) {
        add(i - 1, i, i, CHAIN_T0 + 10 * (int)i, CHAIN_T0 + 10 * (int)i + 2);
    }
    int64_t now = CHAIN_T0 + 395;
    assert_int_equal(update(now, NULL), CH_OK);
    assert_int_equal(taken(-1, now), 39);
    assert_int_equal(taken(38, now), 38);
    assert_int_equal(taken(36, now), -1);
    assert_true(alive <= 4);
    assert_int_equal(update(now + 1000, NULL), CH_OK);
    assert_int_equal(alive, 1);
    assert_int_equal(taken(-1, now + 1000), 39);
}

/* Whatever is altered in the source: the error names it, the bundle in force stays. */
static void refuse(const char *rule, enum chancery_err err)
{
    struct diag d = {.rule = ""};
    enum chancery_err got = update(CHAIN_T0 + 50, &d);
    if (got != err || strcmp(d.rule, rule) != 0) {
        fail_msg("%s %s %s", err_name(got), d.rule, d.text);
    }
    assert_int_equal(taken(-1, CHAIN_T0 + 50), 0);
    assert_int_equal(taken(1, CHAIN_T0 + 50), -1);
    uint8_t end[32];
    assert_int_equal(policy_life_end(life, end), 0);
    assert_false(policy_life_behind(life, CHAIN_T0 + 50));
    assert_int_equal(policy_life_refused(life, end), fx.links[0].plan.sequence);
    assert_memory_equal(end, fx.links[0].plan.bundle, 32);
}

static void altered_file_is_refused(void **state)
{
    (void)state;
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 2);
    struct slice was = fx.bundles[1].files[2].content;
    fx.bundles[1].files[2].content = slice_str("name: p\nissuer: evil\n");
    refuse("bundle.altered", CH_INTEGRITY);
    fx.bundles[1].files[2].content = was;
    fx.bundles[1].n = 2;
    refuse("bundle.altered", CH_INTEGRITY);
    fx.bundles[1].n = 0;
    refuse("bundle.missing", CH_INTEGRITY);
    fx.bundles[1].n = 3;
    uint8_t which[32];
    assert_int_equal(update(CHAIN_T0 + 50, NULL), CH_OK); /* put right */
    assert_int_equal(policy_life_refused(life, which), 0);
    assert_int_equal(taken(-1, CHAIN_T0 + 50), 1);
}

static void missing_or_forged_approval_is_refused(void **state)
{
    (void)state;
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 2);
    fx.links[0].n_approvals = 1;
    refuse("promotion.quorum", CH_REFUSED);
    fx.links[0].n_approvals = 2;
    uint8_t *signature = (uint8_t *)(uintptr_t)fx.links[0].approvals[1].signature.ptr;
    signature[fx.links[0].approvals[1].signature.len - 1] ^= 1;
    refuse("promotion.quorum", CH_REFUSED);
    signature[fx.links[0].approvals[1].signature.len - 1] ^= 1;
    fx.links[0].plan.author = slice_str("spiffe://service.test/user/a");
    refuse("promotion.quorum", CH_REFUSED);
    fx.links[0] = chain_link(&fx, 0, 1, 1, CHAIN_T0, CHAIN_T0 + 2, "spiffe://service.test/user/a",
                             "ab"); /* the author approves */
    refuse("promotion.quorum", CH_REFUSED);
    fx.links[0].plan.sequence = 2;
    refuse("bundle.chain", CH_INTEGRITY);
}

static void what_came_before_a_bad_promotion_stands(void **state)
{
    (void)state;
    struct diag d = {.rule = ""};
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 2);
    add(1, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 12);
    fx.links[1].n_approvals = 0;
    assert_int_equal(update(CHAIN_T0 + 50, &d), CH_REFUSED);
    assert_string_equal(d.rule, "promotion.quorum");
    assert_int_equal(taken(-1, CHAIN_T0 + 50), 1);
    assert_false(policy_life_behind(life, CHAIN_T0 + 50));
}

static void bundle_that_cannot_be_prepared_leaves_it_behind(void **state)
{
    (void)state;
    struct diag d = {.rule = ""};
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 100);
    cannot_prepare = true;
    assert_int_equal(update(CHAIN_T0, &d), CH_INVALID);
    assert_string_equal(d.rule, "test.prepare");
    assert_int_equal(taken(-1, CHAIN_T0 + 100), 0);
    assert_false(policy_life_behind(life, CHAIN_T0 + 99));
    assert_true(policy_life_behind(life, CHAIN_T0 + 100));
    cannot_prepare = false;
    assert_int_equal(update(CHAIN_T0 + 100, NULL), CH_OK);
    assert_int_equal(taken(-1, CHAIN_T0 + 100), 1);
    assert_false(policy_life_behind(life, CHAIN_T0 + 100));
}

static void rollback_to_the_first_bundle(void **state)
{
    (void)state;
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 2);
    fx.links[fx.n_links++] =
        chain_link(&fx, 1, 0, 2, CHAIN_T0 + 10, CHAIN_T0 + 12, "ceremony", "ab");
    assert_int_equal(update(CHAIN_T0 + 50, NULL), CH_OK);
    assert_int_equal(taken(-1, CHAIN_T0 + 50), 0);
}

static void history_that_was_acted_on_cannot_be_undone(void **state)
{
    (void)state;
    struct diag d = {.rule = ""};
    struct buf mark CLEANUP(buf_clear);
    buf_init(&mark, POLICY_LIFE_MARK_MAX);
    add(0, 1, 1, CHAIN_T0, CHAIN_T0 + 2);
    add(1, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 12);
    assert_int_equal(update(CHAIN_T0 + 50, NULL), CH_OK);
    assert_int_equal(policy_life_mark(life, &mark), CH_OK);
    /* A restart that finds the last promotion gone, then another one in its place. */
    policy_life_free(life);
    open_life();
    assert_int_equal(policy_life_expect(life, buf_slice(&mark), NULL), CH_OK);
    assert_true(policy_life_behind(life, CHAIN_T0 + 50));
    fx.n_links = 1;
    assert_int_equal(update(CHAIN_T0 + 50, &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "bundle.history");
    assert_true(policy_life_behind(life, CHAIN_T0 + 50));
    add(1, 3, 2, CHAIN_T0 + 10, CHAIN_T0 + 12);
    assert_int_equal(update(CHAIN_T0 + 50, &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "bundle.history");
    fx.n_links = 1;
    add(1, 2, 2, CHAIN_T0 + 10, CHAIN_T0 + 12);
    assert_int_equal(update(CHAIN_T0 + 50, &d), CH_OK);
    assert_false(policy_life_behind(life, CHAIN_T0 + 50));
}

static void marks_are_read_strictly(void **state)
{
    (void)state;
    struct buf mark CLEANUP(buf_clear);
    buf_init(&mark, POLICY_LIFE_MARK_MAX);
    assert_int_equal(policy_life_mark(life, &mark), CH_OK);
    assert_int_equal(policy_life_expect(life, slice_of(NULL, 0), NULL), CH_OK);
    for (size_t cut = 1; cut < mark.len; cut++) {
        assert_int_equal(policy_life_expect(life, slice_of(mark.ptr, cut), NULL), CH_MALFORMED);
    }
    assert_int_equal(buf_add_u8(&mark, 'x'), CH_OK);
    assert_int_equal(policy_life_expect(life, buf_slice(&mark), NULL), CH_MALFORMED);
    /* Of another installation: nothing to expect. */
    buf_reset(&mark);
    assert_int_equal(buf_printf(&mark, "%064d 9 %064d\n", 1, 2), CH_OK);
    assert_int_equal(policy_life_expect(life, buf_slice(&mark), NULL), CH_OK);
    assert_int_equal(update(CHAIN_T0, NULL), CH_OK);
}

/* Takers of all kinds while bundles are exchanged as fast as possible. */
static atomic_bool stop;
static atomic_long takes;
static _Atomic int64_t clock_s;

static void *taker(void *arg)
{
    (void)arg;
    while (!atomic_load(&stop)) {
        int64_t now_s = atomic_load(&clock_s);
        const struct policy_life_item *i = policy_life_take(life, NULL, now_s);
        if (i == NULL && atomic_load(&clock_s) - now_s >= POLICY_LIFE_GRACE_S) {
            continue; /* this thread slept while the clock ran: the bundle of its time is forgotten
                       */
        }
        if (i == NULL || memcmp(policy_bundle_hash(i->payload), i->sha256, 32) != 0) {
            return (void *)1;
        }
        takes++;
        policy_life_drop(life, i);
    }
    return NULL;
}

static void takers_never_miss_a_bundle(void **state)
{
    (void)state;
    pthread_t threads[4];
    atomic_store(&stop, false);
    atomic_store(&clock_s, CHAIN_T0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, taker, NULL), 0);
    }
    for (unsigned i = 1; i < CHAIN_BUNDLES; i++) {
        int64_t at = CHAIN_T0 + (int)i;
        add(i - 1, i, i, at, at);
        enum chancery_err err;
        while ((err = update(at, NULL)) == CH_BUSY) {
        }
        assert_int_equal(err, CH_OK);
        atomic_store(&clock_s, at);
    }
    long before = atomic_load(&takes);
    while (atomic_load(&takes) == before) {
    }
    atomic_store(&stop, true);
    for (int i = 0; i < 4; i++) {
        void *bad = NULL;
        pthread_join(threads[i], &bad);
        assert_null(bad);
    }
    assert_int_equal(taken(-1, CHAIN_T0 + CHAIN_BUNDLES), CHAIN_BUNDLES - 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(promotion_comes_into_force_at_its_time),
        TEST(cancelled_promotion_is_never_taken),
        TEST(long_history_is_walked_and_forgotten),
        TEST(altered_file_is_refused),
        TEST(missing_or_forged_approval_is_refused),
        TEST(what_came_before_a_bad_promotion_stands),
        TEST(bundle_that_cannot_be_prepared_leaves_it_behind),
        TEST(rollback_to_the_first_bundle),
        TEST(history_that_was_acted_on_cannot_be_undone),
        TEST(marks_are_read_strictly),
        TEST(takers_never_miss_a_bundle),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
