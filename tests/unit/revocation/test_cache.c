/* The cache of OCSP answers: hits, ages, drops, and the race between a lookup and a revocation. */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "ocsp_cache.h"

static struct revocation_answer *answer(int64_t fresh_until_s)
{
    struct revocation_answer *a = revocation_answer_new(slice_str("der"));
    assert_non_null(a);
    a->fresh_until_s = fresh_until_s;
    return a;
}

static void put(struct revocation_cache *c, const struct revocation_cache_key *k, size_t series,
                int64_t fresh_until_s, uint64_t token)
{
    struct revocation_answer *a = answer(fresh_until_s);
    revocation_cache_put(c, k, series, a, token);
    revocation_answer_unref(a);
}

static bool hit(struct revocation_cache *c, const struct revocation_cache_key *k, size_t series,
                int64_t now_s)
{
    struct revocation_answer *a = revocation_cache_get(c, k, series, now_s);
    revocation_answer_unref(a);
    return a != NULL;
}

static struct revocation_cache *make(void)
{
    struct revocation_cache *c = NULL;
    assert_int_equal(revocation_cache_new(64, 4, &c), CH_OK);
    return c;
}

static const struct revocation_cache_key one = {
    0, {(const uint8_t *)"serial-1", 8}, {(const uint8_t *)"id-sha1", 7}};
static const struct revocation_cache_key one256 = {
    0, {(const uint8_t *)"serial-1", 8}, {(const uint8_t *)"id-sha256", 9}};
static const struct revocation_cache_key two = {
    0, {(const uint8_t *)"serial-2", 8}, {(const uint8_t *)"id-two", 6}};

static void cache_hit_needs_same_id_and_fresh_answer(void **state)
{
    (void)state;
    struct revocation_cache *c = make();
    put(c, &one, 0, 100, revocation_cache_token(c));
    assert_true(hit(c, &one, 0, 99));
    assert_false(hit(c, &one256, 0, 99));
    assert_false(hit(c, &two, 0, 99));
    assert_false(hit(c, &one, 0, 100));
    revocation_cache_free(c);
}

static void cache_drop_takes_every_form_of_a_serial(void **state)
{
    (void)state;
    struct revocation_cache *c = make();
    put(c, &one, 0, 100, revocation_cache_token(c));
    put(c, &one256, 0, 100, revocation_cache_token(c));
    put(c, &two, 1, 100, revocation_cache_token(c));
    revocation_cache_drop(c, 0, one.serial);
    assert_false(hit(c, &one, 0, 1));
    assert_false(hit(c, &one256, 0, 1));
    assert_true(hit(c, &two, 1, 1));
    revocation_cache_free(c);
}

/* A worker read "good", then the revocation came, then the worker stores: it must not. */
static void cache_answer_older_than_a_drop_is_not_stored(void **state)
{
    (void)state;
    struct revocation_cache *c = make();
    uint64_t before = revocation_cache_token(c);
    revocation_cache_drop(c, 0, one.serial);
    put(c, &one, 0, 100, before);
    assert_false(hit(c, &one, 0, 1));
    put(c, &one, 0, 100, revocation_cache_token(c));
    assert_true(hit(c, &one, 0, 1));
    before = revocation_cache_token(c);
    revocation_cache_drop_series(c, 0);
    put(c, &two, 0, 100, before);
    assert_false(hit(c, &two, 0, 1));
    assert_false(hit(c, &one, 0, 1));
    revocation_cache_free(c);
}

static void cache_stays_bounded_and_refuses_oversized_keys(void **state)
{
    (void)state;
    struct revocation_cache *c = make();
    char serial[20], big[200] = {0};
    size_t hits = 0;
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(serial, sizeof(serial), "s%d", i);
        const struct revocation_cache_key k = {0, slice_of(serial, (size_t)n),
                                               slice_of(serial, (size_t)n)};
        put(c, &k, 0, 100 + i, revocation_cache_token(c));
    }
    for (int i = 0; i < 1000; i++) {
        int n = snprintf(serial, sizeof(serial), "s%d", i);
        const struct revocation_cache_key k = {0, slice_of(serial, (size_t)n),
                                               slice_of(serial, (size_t)n)};
        hits += hit(c, &k, 0, 1);
    }
    assert_true(hits > 0 && hits <= 64);
    const struct revocation_cache_key huge = {0, slice_of(big, 21), slice_of(big, 4)};
    const struct revocation_cache_key long_id = {0, slice_of(big, 4), slice_of(big, 200)};
    put(c, &huge, 0, 100, revocation_cache_token(c));
    put(c, &long_id, 0, 100, revocation_cache_token(c));
    put(c, &one, 99, 100, revocation_cache_token(c));
    assert_false(hit(c, &huge, 0, 1));
    assert_false(hit(c, &long_id, 0, 1));
    assert_false(hit(c, &one, 99, 1));
    revocation_cache_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cache_hit_needs_same_id_and_fresh_answer),
        cmocka_unit_test(cache_drop_takes_every_form_of_a_serial),
        cmocka_unit_test(cache_answer_older_than_a_drop_is_not_stored),
        cmocka_unit_test(cache_stays_bounded_and_refuses_oversized_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
