/* Bindings and tenants as files: what is refused and where, and ten thousand of them. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fix.h"

#define N 10000

static void refused(const char *tenants, const char *bindings, const char *rule, const char *field)
{
    struct policy_file more[2];
    struct diag d = {0};
    size_t n = 0;
    if (tenants != NULL) {
        more[n++] = (struct policy_file){"tenants.yaml", slice_str(tenants)};
    }
    if (bindings != NULL) {
        more[n++] = (struct policy_file){"bindings/a.yaml", slice_str(bindings)};
    }
    struct policy_bundle *b = fix_bundle_with("", "", more, n, &d);
    if (b != NULL || strcmp(d.rule, rule) != 0 || (field != NULL && strcmp(d.field, field) != 0)) {
        fail_msg("%s\n%s: wanted %s at %s, got %s at %s: %s", tenants == NULL ? "" : tenants,
                 bindings == NULL ? "" : bindings, rule, field == NULL ? "?" : field, d.rule,
                 d.field, d.text);
    }
    assert_true(d.text[0] != '\0');
}

#define REQ "bindings:\n  - requester: /user/a\n"
#define NAMES REQ "    names:\n      "

static void wrong_bindings_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rule, *field;
    } rows[] = {
        {"{}\n", "conf.required", NULL},
        {"bindings: []\n", "policy.list", "bindings/a.yaml:1:11"},
        {"bindings: {a: b}\n", "conf.type", NULL},
        {"bindings: [x]\n", "conf.required", NULL},
        {"bindings:\n  - names: {}\n", "conf.required", "bindings/a.yaml:2:5"},
        {"bindings:\n  - requester: alice\n", "policy.value", "bindings/a.yaml:2:16"},
        {"bindings:\n  - requester: '*'\n", "policy.value", NULL},
        {"bindings:\n  - requester: '/us*r'\n", "policy.value", NULL},
        {"bindings:\n  - requester: /\n", "policy.value", NULL},
        {REQ "    nams: {}\n", "conf.unknown", "bindings/a.yaml:3:5"},
        {REQ "    profiles: [tset]\n", "policy.reference", "bindings/a.yaml:3:15"},
        {REQ "    profiles: [test, test]\n", "policy.duplicate", NULL},
        {REQ "    profiles: []\n", "policy.list", NULL},
        {REQ "    roles: [Operator]\n", "policy.value", NULL},
        {"tenant: other\n" REQ, "policy.reference", "bindings/a.yaml:1:9"},
        {NAMES "dns: {suffixes: [a.test, a.test]}\n", "policy.duplicate", NULL},
        {NAMES "dns: {suffixes: [.a.test]}\n", "policy.value", NULL},
        {NAMES "dns: {suffixes: ['*.a.test']}\n", "policy.value", NULL},
        {NAMES "dns: {sufixes: [a.test]}\n", "conf.unknown", "bindings/a.yaml:4:13"},
        {NAMES "dns: {wildcard_depth: 17}\n", "conf.range", NULL},
        {NAMES "ip: {networks: [10.1.2.3/16]}\n", "policy.value", NULL},
        {NAMES "ip: {networks: [10.1.2.3]}\n", "policy.value", NULL},
        {NAMES "email: {domains: [x@a.test]}\n", "policy.value", NULL},
        {NAMES "email: {addresses: [a.test]}\n", "policy.value", NULL},
        {NAMES "email: {addresses: ['x y@a.test']}\n", "policy.value", NULL},
        {NAMES "upn: {exact: ['@a.test']}\n", "policy.value", NULL},
        {NAMES "uri: {prefixes: ['https://a.test']}\n", "policy.value", NULL},
        {NAMES "uri: {prefixes: ['spiffe://a.test/']}\n", "policy.value", NULL},
        {NAMES "uri: {spiffe_ids: ['spiffe://a.test/x*']}\n", "policy.value", NULL},
        {NAMES "uri: {spiffe_ids: ['spiffe://a.test/../*']}\n", "policy.value", NULL},
        {NAMES "uri: {spiffe_ids: ['*']}\n", "policy.value", NULL},
        {NAMES "subject: {CN: ['a*b']}\n", "policy.value", NULL},
        {NAMES "subject: {Common: [a]}\n", "policy.value", NULL},
        {NAMES "directory_name: [a]\n", "policy.value", NULL},
        {NAMES "directory_name: [{O: 'a*', CN: b}]\n", "policy.value", "bindings/a.yaml:4:28"},
        {NAMES "directory_name: [{}]\n", "policy.value", NULL},
        /* The same name twice for one requester and profile. */
        {REQ "    names: {dns: {suffixes: [a.test]}}\n  - requester: /user/a\n"
             "    names: {dns: {suffixes: [a.test]}}\n",
         "policy.duplicate", "bindings/a.yaml:4:5"},
        {REQ "    names: {dns: {suffixes: [a.test]}}\n  - requester: /user/a\n"
             "    profiles: [test]\n    names: {dns: {suffixes: [a.test], wildcard_depth: 1}}\n",
         "policy.contradiction", "bindings/a.yaml:4:5"},
        {NAMES "subject: {O: [a], 2.5.4.10: [a]}\n", "policy.duplicate", "bindings/a.yaml:2:5"},
        {NAMES "directory_name: [{O: a}, {O: a}]\n", "policy.duplicate", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refused(NULL, rows[i].text, rows[i].rule, rows[i].field);
    }
}

#define TEN "tenants:\n  - name: default\n"

static void wrong_tenants_refused_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *text, *rule, *field;
    } rows[] = {
        {"tenants: []\n", "policy.list", "tenants.yaml:1:10"},
        {"tenants:\n  - {}\n", "conf.required", NULL},
        {TEN "  - name: default\n", "policy.duplicate", "tenants.yaml:2:3"},
        {TEN "    profiles: [tset]\n", "policy.reference", "tenants.yaml:3:16"},
        {TEN "    isuers: [x]\n", "conf.unknown", "tenants.yaml:3:5"},
        {TEN "    issuers: []\n", "policy.list", NULL},
        {TEN "    requesters: [bob]\n", "policy.value", NULL},
        {TEN "    officers: [nobody]\n", "policy.reference", "tenants.yaml:3:15"},
        {TEN "    names: any\n", "conf.type", NULL},
        {TEN "    names: {dns: {suffixes: ['*']}}\n", "policy.value", NULL},
        {"tenants:\n  - name: \"a\\tb\"\n", "policy.name", "tenants.yaml:2:11"},
        {"tenants:\n  - name: north\n", "policy.reference", "profiles/test.yaml:1"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        refused(rows[i].text, NULL, rows[i].rule, rows[i].field);
    }
    refused(TEN "    roles: [device]\n", REQ "    roles: [operator]\n", "policy.reference",
            "bindings/a.yaml:3:12");
    /* A profile of a tenant that does not exist. */
    struct diag d = {0};
    assert_null(fix_bundle_with("", "tenants: [north]\n", NULL, 0, &d));
    assert_string_equal(d.rule, "policy.reference");
}

static void one_binding_too_many_in_a_file_refused(void **state)
{
    (void)state;
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 4 << 20);
    assert_int_equal(buf_add_str(&text, "bindings:\n"), CH_OK);
    for (size_t i = 0; i <= N; i++) {
        assert_int_equal(buf_printf(&text, "  - {requester: /user/u%zu}\n", i), CH_OK);
    }
    assert_int_equal(buf_add_u8(&text, 0), CH_OK);
    refused(NULL, (const char *)text.ptr, "policy.list", "bindings/a.yaml:2:3");
}

/* Profiles are not the way to give one name sixty-five times. */
static void same_name_for_many_profiles_is_bounded(void **state)
{
    (void)state;
    static char profiles[POLICY_SAME_MAX + 1][512], paths[POLICY_SAME_MAX + 1][32];
    struct policy_file files[POLICY_SAME_MAX + 3];
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_add_str(&text, "bindings:\n"), CH_OK);
    files[0] = (struct policy_file){"bundle.yaml",
                                    slice_str("version: 1\nname: t\ncrl: {max_validity: 8d}\n")};
    for (size_t i = 0; i <= POLICY_SAME_MAX; i++) {
        (void)snprintf(paths[i], sizeof paths[i], "profiles/p%zu.yaml", i);
        (void)snprintf(profiles[i], sizeof profiles[i],
                       "name: p%zu\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
                       "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
                       "subject: {}\nnames: {required: false}\nextensions: {}\n",
                       i);
        files[i + 1] = (struct policy_file){paths[i], slice_str(profiles[i])};
        assert_int_equal(buf_printf(&text,
                                    "  - {requester: /user/a, profiles: [p%zu], names: {dns: "
                                    "{suffixes: [a.test]}}}\n",
                                    i),
                         CH_OK);
    }
    files[POLICY_SAME_MAX + 2] = (struct policy_file){"bindings/a.yaml", buf_slice(&text)};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_int_equal(policy_bundle_compile(files, POLICY_SAME_MAX + 3, &b, &d), CH_LIMIT);
    assert_string_equal(d.rule, "policy.bindings");
}

static void nested_patterns_are_bounded(void **state)
{
    (void)state;
    char text[2048] = "bindings:\n", line[64];
    for (int i = 0; i < POLICY_NESTED_MAX; i++) {
        (void)snprintf(line, sizeof line, "  - requester: '/u/%.*s*'\n", i, "aaaaaaaaaaaaaaaa");
        (void)strcat(text, line);
    }
    struct policy_file more = {"bindings/a.yaml", slice_str(text)};
    struct diag d = {0};
    struct policy_bundle *b = fix_bundle_with("", "", &more, 1, &d);
    assert_non_null(b);
    policy_bundle_free(b);
    (void)strcat(text, "  - requester: '/u/aaaaaaaa*'\n");
    refused(NULL, text, "policy.bindings", NULL);
}

/* ---- the index, against a simple search ---- */

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static size_t word(uint32_t *seed, uint8_t out[8])
{
    size_t n = next(seed) % 9;
    for (size_t i = 0; i < n; i++) {
        out[i] = (uint8_t)('a' + next(seed) % 2);
    }
    return n;
}

static void index_finds_what_a_simple_search_finds(void **state)
{
    (void)state;
    uint32_t seed = 7;
    for (int round = 0; round < 200; round++) {
        struct arena arena CLEANUP(arena_clear);
        struct policy_prefix p = {0};
        struct {
            uint8_t key[8];
            size_t len;
            uint32_t set;
            bool open;
        } keys[400];
        size_t n = next(&seed) % (round % 2 == 0 ? 40 : 400); /* small and large sets */
        arena_init(&arena, 0);
        for (size_t i = 0; i < n; i++) {
            keys[i].len = word(&seed, keys[i].key);
            keys[i].set = next(&seed) % 3;
            keys[i].open = next(&seed) % 2 == 0;
            assert_int_equal(policy_prefix_add(&p, &arena, keys[i].set,
                                               slice_of(keys[i].key, keys[i].len), keys[i].open,
                                               (uint32_t)i),
                             CH_OK);
        }
        assert_int_equal(policy_prefix_seal(&p, &arena, 3, false, NULL), CH_OK);
        for (int ask = 0; ask < 100; ask++) {
            uint8_t text[8];
            size_t len = word(&seed, text), want = 0, got = 0;
            uint32_t set = next(&seed) % 3;
            for (size_t i = 0; i < n; i++) {
                want += keys[i].set == set &&
                                (keys[i].open ? len >= keys[i].len : len == keys[i].len) &&
                                memcmp(text, keys[i].key, keys[i].len) == 0
                            ? 1
                            : 0;
            }
            uint32_t at = policy_prefix_first(&p, set, slice_of(text, len));
            for (; at != POLICY_PREFIX_NONE; at = p.at[at].parent, got++) {
                size_t i = p.at[at].value;
                assert_int_equal(keys[i].set, set);
                assert_memory_equal(keys[i].key, text, keys[i].len);
            }
            if (got != want) {
                fail_msg("round %d (seed 7): %zu matches, not %zu", round, got, want);
            }
        }
        assert_int_equal(policy_prefix_first(&p, 3, slice_str("a")), POLICY_PREFIX_NONE);
    }
}

/* ---- ten thousand ---- */

static void write_half(struct buf *text, size_t from, bool one_requester)
{
    buf_init(text, 4 << 20);
    assert_int_equal(buf_add_str(text, "bindings:\n"), CH_OK);
    for (size_t i = from; i < from + N / 2; i++) {
        assert_int_equal(buf_printf(text,
                                    "  - {requester: /user/u%zu, names: {dns: {suffixes: "
                                    "[t%zu.example.test]}, ip: {networks: [10.%zu.%zu.0/24]}}}\n",
                                    one_requester ? 0 : i, i, i / 256, i % 256),
                         CH_OK);
    }
}

/* In two files: one holds at most 200,000 nodes of YAML. */
static struct policy_bundle *many(bool one_requester)
{
    struct buf first CLEANUP(buf_clear), second CLEANUP(buf_clear);
    struct diag d = {0};
    write_half(&first, 0, one_requester);
    write_half(&second, N / 2, one_requester);
    struct policy_file more[] = {{"bindings/a.yaml", buf_slice(&first)},
                                 {"bindings/b.yaml", buf_slice(&second)}};
    struct policy_bundle *b = fix_bundle_with("", "binding: required\n", more, 2, &d);
    if (b == NULL) {
        fail_msg("%s: %s %s", d.field, d.rule, d.text);
    }
    return b;
}

static int64_t cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Time of the rules over names and binding alone, per verdict of two names. */
static void measure(bool one_requester)
{
    struct fix f;
    struct policy_judge j;
    char host[64], who[64];
    uint8_t address[4] = {10, 0, 0, 7};
    const int rounds = 20000;
    fix_init(&f);
    policy_bundle_free(f.bundle);
    f.bundle = many(one_requester);
    size_t used = f.bundle->arena.used;
    f.request.n_sans = 2;
    int64_t start = cpu_ns();
    for (int i = 0; i < rounds; i++) {
        unsigned n = (unsigned)i * 7919U % N;
        (void)snprintf(host, sizeof host, "www.t%u.example.test", n);
        (void)snprintf(who, sizeof who, "spiffe://chancery.test/user/u%u", one_requester ? 0 : n);
        address[1] = (uint8_t)(n / 256);
        address[2] = (uint8_t)n;
        f.sans[0] = (struct permit_san){3, slice_str(host)};
        f.sans[1] = (struct permit_san){8, slice_of(address, 4)};
        f.request.requester = f.request.evidence.caller = slice_str(who);
        j = (struct policy_judge){.b = f.bundle,
                                  .f = &f.facts,
                                  .r = &f.request,
                                  .v = &f.v,
                                  .p = policy_profile_find(f.bundle, f.request.profile)};
        f.v.n = f.v.pool_len = 0;
        f.v.verdict = POLICY_PASS;
        policy_rules_who(&j);
        policy_rules_bound(&j);
        if (f.v.verdict != POLICY_PASS) {
            fail_msg("%s for %s was not bound", host, who);
        }
    }
    int64_t per = (cpu_ns() - start) / rounds;
    print_message("%d bindings of %s: %lld ns per request of two names, formatting included\n", N,
                  one_requester ? "one requester" : "as many requesters", (long long)per);
    assert_true(per < 100000); /* a search, not a walk: a walk takes milliseconds */
    assert_int_equal(f.bundle->arena.used, used);
    /* A neighbour's name is not bound. */
    f.sans[0].value = slice_str("www.t10000.example.test");
    f.v.verdict = POLICY_PASS;
    f.v.n = f.v.pool_len = 0;
    policy_rules_bound(&j);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
}

static void ten_thousand_bindings_are_searched(void **state)
{
    (void)state;
    measure(false);
    measure(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_bindings_refused_with_their_place),
        cmocka_unit_test(wrong_tenants_refused_with_their_place),
        cmocka_unit_test(one_binding_too_many_in_a_file_refused),
        cmocka_unit_test(same_name_for_many_profiles_is_bounded),
        cmocka_unit_test(nested_patterns_are_bounded),
        cmocka_unit_test(index_finds_what_a_simple_search_finds),
        cmocka_unit_test(ten_thousand_bindings_are_searched),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
