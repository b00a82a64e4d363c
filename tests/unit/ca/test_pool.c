/* services/ca/pool.c: every item once, whatever runs beside it. */
#include "cm.h"

#include <pthread.h>
#include <stdatomic.h>

#include "pool.h"

#define ITEMS 64

struct work {
    atomic_int seen[ITEMS];
};

static void count(void *ctx, size_t i)
{
    struct work *w = ctx;
    atomic_fetch_add(&w->seen[i], 1);
}

static void run_and_check(struct ca_pool *p, size_t n)
{
    static _Thread_local struct work w;
    for (size_t i = 0; i < ITEMS; i++) {
        atomic_store(&w.seen[i], 0);
    }
    ca_pool_run(p, count, &w, n);
    for (size_t i = 0; i < ITEMS; i++) {
        assert_int_equal(atomic_load(&w.seen[i]), i < n ? 1 : 0);
    }
}

static void pool_runs_each_item_once(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct ca_pool *p;
        assert_int_equal(ca_pool_new(threads, &p), CH_OK);
        for (size_t n = 0; n <= ITEMS; n++) {
            run_and_check(p, n);
        }
        ca_pool_free(p);
    }
    ca_pool_free(NULL);
}

static void *caller(void *arg)
{
    for (int round = 0; round < 200; round++) {
        run_and_check(arg, (size_t)round % (ITEMS + 1));
    }
    return NULL;
}

static void pool_serves_several_callers(void **state)
{
    (void)state;
    struct ca_pool *p;
    pthread_t threads[4];
    assert_int_equal(ca_pool_new(3, &p), CH_OK);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, caller, p), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    ca_pool_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pool_runs_each_item_once),
        cmocka_unit_test(pool_serves_several_callers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
