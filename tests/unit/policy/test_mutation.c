/* Property: no change to a permitted TBS outside the profile's freedom is permitted. Free are the
 * serial's octets (within the serial's rules and its shard) and the two times (within the window).
 */
#include <stdlib.h>
#include <time.h>

#include "fix.h"

struct span {
    size_t from, to;
};

static struct span find(const struct fix *f, struct slice what)
{
    const uint8_t *at = memmem(f->tbs.ptr, f->tbs.len, what.ptr, what.len);
    assert_non_null(at);
    size_t from = (size_t)(at - f->tbs.ptr);
    return (struct span){from, from + what.len};
}

static bool inside(struct span s, size_t i)
{
    return i >= s.from && i < s.to;
}

/* Serial content and the digits of both UTCTimes. */
struct freedom {
    struct span serial, before, after;
};

static struct freedom freedom_of(const struct fix *f)
{
    struct freedom free = {.serial = find(f, slice_of(f->serial, 16))};
    const uint8_t *z = memchr(f->tbs.ptr, 'Z', f->tbs.len);
    assert_non_null(z);
    size_t first = (size_t)(z - f->tbs.ptr);
    free.before = (struct span){first - 12, first};
    free.after = (struct span){first + 3, first + 15};
    assert_int_equal(f->tbs.ptr[first + 15], 'Z');
    return free;
}

static bool free_at(const struct freedom *free, size_t i)
{
    return inside(free->serial, i) || inside(free->before, i) || inside(free->after, i);
}

static void setup_tbs(struct fix *f, struct freedom *free)
{
    fix_init(f);
    fix_build(f);
    fix_judge(f);
    assert_int_equal(f->v.verdict, POLICY_PASS);
    *free = freedom_of(f);
}

static void each_octet_each_value_outside_freedom_refused(void **state)
{
    (void)state;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free);
    size_t permitted_free = 0;
    for (size_t i = 0; i < f.tbs.len; i++) {
        uint8_t keep = f.tbs.ptr[i];
        for (unsigned d = 1; d < 256; d += i % 3 == 0 || free_at(&free, i) ? 1 : 5) {
            f.tbs.ptr[i] = (uint8_t)(keep ^ d);
            fix_judge(&f);
            if (f.v.verdict == POLICY_PASS && !free_at(&free, i)) {
                fail_msg("octet %zu changed from %02x to %02x and permitted", i, keep,
                         f.tbs.ptr[i]);
            }
            permitted_free += f.v.verdict == POLICY_PASS ? 1 : 0;
        }
        f.tbs.ptr[i] = keep;
    }
    assert_true(permitted_free > 0); /* the property is not vacuous: freedom exists */
    fix_clear(&f);
}

static void removed_inserted_and_swapped_octets_refused(void **state)
{
    (void)state;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free);
    struct slice whole = slice_of(arena_copy(&f.arena, f.facts.tbs), f.tbs.len);
    uint8_t *space = arena_alloc(&f.arena, whole.len + 1);
    for (size_t i = 0; i < whole.len; i++) {
        memcpy(space, whole.ptr, i);
        memcpy(space + i, whole.ptr + i + 1, whole.len - i - 1);
        f.facts.tbs = slice_of(space, whole.len - 1);
        fix_judge(&f);
        assert_int_equal(f.v.verdict, POLICY_FAIL);
        memcpy(space + i + 1, whole.ptr + i, whole.len - i);
        space[i] = 0;
        f.facts.tbs = slice_of(space, whole.len + 1);
        fix_judge(&f);
        assert_int_equal(f.v.verdict, POLICY_FAIL);
        f.facts.tbs = slice_of(whole.ptr, i);
        if (i > 0) {
            fix_judge(&f);
            assert_int_equal(f.v.verdict, POLICY_FAIL);
        }
    }
    fix_clear(&f);
}

static void random_multiple_changes_refused(void **state)
{
    (void)state;
    unsigned seed = 20251124;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free);
    struct slice whole = slice_of(arena_copy(&f.arena, f.facts.tbs), f.tbs.len);
    for (int round = 0; round < 20000; round++) {
        memcpy(f.tbs.ptr, whole.ptr, whole.len);
        unsigned n = 1 + (unsigned)rand_r(&seed) % 4;
        bool outside = false;
        for (unsigned k = 0; k < n; k++) {
            size_t i = (size_t)rand_r(&seed) % whole.len;
            f.tbs.ptr[i] ^= (uint8_t)(1 + (unsigned)rand_r(&seed) % 255);
        }
        for (size_t i = 0; i < whole.len; i++) {
            outside = outside || (f.tbs.ptr[i] != whole.ptr[i] && !free_at(&free, i));
        }
        fix_judge(&f);
        if (outside && f.v.verdict == POLICY_PASS) {
            fail_msg("seed 20251124, round %d permitted", round);
        }
    }
    fix_clear(&f);
}

/* Verdicts per second of one thread, printed for docs/BENCHMARKS.md; the bound is a generous alarm.
 */
static void judging_is_fast(void **state)
{
    (void)state;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free);
    struct timespec a, b;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    for (int i = 0; i < 2000; i++) {
        fix_judge(&f);
    }
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    double s = (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9;
    print_message("%.0f verdicts per second of CPU\n", 2000 / s);
    assert_true(s < 5);
    fix_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_octet_each_value_outside_freedom_refused),
        cmocka_unit_test(removed_inserted_and_swapped_octets_refused),
        cmocka_unit_test(random_multiple_changes_refused),
        cmocka_unit_test(judging_is_fast),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
