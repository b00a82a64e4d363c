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

/* ---- certificates that are changed ---- */

static void plain(struct fix *f)
{
    (void)f;
}

/* Puts an extension with the octets that the bundle demands. */
static void demanded(struct fix *f, struct slice oid, bool critical, struct slice value)
{
    fix_ext(f, oid, critical, value);
}

static struct policy_bundle *replaced(struct fix *f, const char *from, const char *to)
{
    policy_bundle_free(f->bundle);
    f->bundle = fix_bundle(from, to);
    return f->bundle;
}

/* Everything a leaf may have, some of it from the request. */
static void rich(struct fix *f)
{
    static const uint8_t fixed[] = {0x2a, 3, 4}, asked[] = {0x2a, 3, 5};
    static const char eku[] = "\x30\x0a\6\x08\x2b\6\1\5\5\7\3\2", text[] = "\x0c\5m-123";
    static struct permit_extension list[2];
    const struct policy_bundle *b = replaced(
        f,
        "  extended_key_usage: [serverAuth, clientAuth]\n  policies: [2.23.140.1.2.1]\n"
        "  ocsp_nocheck: true\n",
        "  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth]}\n"
        "  policies: [{oid: 2.23.140.1.2.1, cps: 'https://example.test/cps'}]\n"
        "  tls_feature: [status_request]\n"
        "  no_rev_avail: auto\n  no_rev_avail_up_to: 40d\n"
        "  custom:\n"
        "    - {oid: 1.2.3.4, critical: true, value: {sequence: [{integer: 7}, {utf8: x}]}}\n"
        "    - {oid: 1.2.3.5, from: request, type: utf8, match: ['m-*']}\n"
        "  ocsp_nocheck: true\n"
        "lints: {severity: {lint.cert.extension_unknown: warning}}\n");
    const struct policy_extensions *x = &b->profiles[0].ext;
    struct buf aia;
    list[0] = (struct permit_extension){X509_EXT_EKU, false, slice_of(eku, sizeof eku - 1)};
    list[1] = (struct permit_extension){slice_of(asked, 3), true, slice_of(text, sizeof text - 1)};
    f->request.extensions = list;
    f->request.n_extensions = 2;
    demanded(f, X509_EXT_EKU, false, list[0].value);
    demanded(f, X509_EXT_POLICIES, false, x->policies);
    demanded(f, X509_EXT_TLS_FEATURE, false, x->tls_feature);
    demanded(f, slice_of(fixed, 3), true, x->custom[0].value);
    demanded(f, slice_of(asked, 3), false, list[1].value);
    demanded(f, X509_EXT_NO_REV_AVAIL, false, slice_of("\5\0", 2));
    demanded(f, X509_EXT_CDP, false, slice_of(NULL, 0));
    buf_init(&aia, 256);
    assert_int_equal(x509_ext_aia(NULL, "http://aia.example/a/issuing-1.cer", &aia), CH_OK);
    demanded(f, X509_EXT_AIA, false, fix_keep(f, &aia));
}

/* A CA below the issuer, with names that it may certify. */
static void authority(struct fix *f)
{
    const struct policy_bundle *b =
        replaced(f, "  key_usage: [digitalSignature]\n  key_usage_rsa: [keyEncipherment]\n",
                 "  key_usage: [keyCertSign, cRLSign]\n  ca: {path_length: 0}\n"
                 "  name_constraints:\n"
                 "    permitted: {dns: [a.test, b.test], ip: [10.0.0.0/8, '2001:db8::/32'],\n"
                 "      directory: [{attributes: [{type: C, fixed: XX}, {type: O, fixed: Ex}]}]}\n"
                 "    excluded: {email: [x@a.test, .b.test], uri: [.c.test]}\n");
    const struct policy_extensions *x = &b->profiles[0].ext;
    demanded(f, X509_EXT_KEY_USAGE, true, x->key_usage);
    demanded(f, X509_EXT_BASIC, true, x->basic);
    demanded(f, X509_EXT_CONSTRAINTS, true, x->constraints);
}

static void (*const worlds[])(struct fix *f) = {plain, rich, authority};
#define WORLDS (sizeof worlds / sizeof worlds[0])

static void setup_tbs(struct fix *f, struct freedom *free, size_t world)
{
    fix_init(f);
    worlds[world](f);
    fix_build(f);
    fix_judge(f);
    assert_int_equal(f->v.verdict, POLICY_PASS);
    *free = freedom_of(f);
}

static void change_each(size_t world)
{
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free, world);
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

static void each_octet_each_value_outside_freedom_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        change_each(i);
    }
}

static void change_removed(size_t world)
{
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free, world);
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

static void removed_inserted_and_swapped_octets_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        change_removed(i);
    }
}

static void change_random(size_t world)
{
    unsigned seed = 20251124;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free, world);
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

static void random_multiple_changes_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < WORLDS; i++) {
        change_random(i);
    }
}

/* Verdicts per second of one thread, printed for docs/BENCHMARKS.md; the bound is a generous alarm.
 */
static void judging_is_fast(void **state)
{
    (void)state;
    struct fix f;
    struct freedom free;
    setup_tbs(&f, &free, 0);
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
