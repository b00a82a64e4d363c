/* What rules about names are made of: globs, networks, special-use names, public suffixes. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fix.h"
#include "policy/glob.h"
#include "policy/special.h"

/* ---- globs ---- */

static void globs_match_whole_texts(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool fits;
    } cases[] = {
        {"abc", "abc", true},
        {"abc", "abcd", false},
        {"abc", "ab", false},
        {"abc", "Abc", false},
        {"*", "", true},
        {"*", "anything at all", true},
        {"?", "", false},
        {"?", "a", true},
        {"?", "ab", false},
        {"?", "\xc3\xa9", true}, /* one character of two octets */
        {"??", "\xc3\xa9", false},
        {"*?", "\xc3\xa9", true},
        {"*??", "\xc3\xa9", false},
        {"*??", "\xc3\xa9x", true},
        {"??", "\xf0\x9f\x92\xa9\xe2\x82\xac", true},
        {"cam-*", "cam-", true},
        {"cam-*", "cam-17", true},
        {"cam-*", "xcam-17", false},
        {"*-17", "cam-17", true},
        {"*-17", "cam-17-18", false},
        {"a*b*c", "abc", true},
        {"a*b*c", "aXbYbZc", true},
        {"a*b*c", "aXcYb", false},
        {"a**b", "axb", true},
        {"*a?b*", "xxab", false},
        {"*a?b*", "xxaabb", true},
        {"*ab", "aab", true},
        {"*aab", "aaaab", true},
        {"a*a", "a", false},
        {"[a]", "a", false}, /* no classes, no escape */
        {"\\*", "*", false},
        {"\\*", "\\x", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (policy_glob_match(slice_str(cases[i].pattern), slice_str(cases[i].text)) !=
            cases[i].fits) {
            fail_msg("%s over %s", cases[i].pattern, cases[i].text);
        }
    }
    assert_true(policy_glob_ok(slice_str("a*")));
    assert_false(policy_glob_ok(slice_str("")));
    assert_false(policy_glob_ok(slice_str("a\nb")));
    assert_false(policy_glob_ok(slice_str("a\xff")));
}

/* A matcher that tries every way, for short texts. */
static bool slow_match(const char *p, const char *s)
{
    if (*p == '\0') {
        return *s == '\0';
    }
    if (*p == '*') {
        return slow_match(p + 1, s) || (*s != '\0' && slow_match(p, s + 1));
    }
    return *s != '\0' && (*p == '?' || *p == *s) && slow_match(p + 1, s + 1);
}

static void globs_agree_with_trying_every_way(void **state)
{
    (void)state;
    unsigned seed = 20260301;
    size_t fits = 0;
    for (int round = 0; round < 200000; round++) {
        char p[9], s[11];
        size_t np = (size_t)rand_r(&seed) % 8, ns = (size_t)rand_r(&seed) % 10;
        for (size_t i = 0; i < np; i++) {
            p[i] = "ab*?"[rand_r(&seed) % 4];
        }
        for (size_t i = 0; i < ns; i++) {
            s[i] = "ab"[rand_r(&seed) % 2];
        }
        p[np] = s[ns] = '\0';
        bool want = slow_match(p, s);
        if (policy_glob_match(slice_str(p), slice_str(s)) != want) {
            fail_msg("seed 20260301: %s over %s", p, s);
        }
        fits += want ? 1 : 0;
    }
    assert_true(fits > 10000);
}

/* What makes backtracking matchers take for ever takes a moment. */
static void globs_take_linear_time(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct slice pattern = slice_str("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b");
    struct timespec from, to;
    memset(text, 'a', sizeof text);
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    assert_false(policy_glob_match(pattern, slice_of(text, sizeof text)));
    assert_false(policy_glob_match(slice_str("*aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
                                   slice_of(text, sizeof text)));
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    assert_true(to.tv_sec - from.tv_sec < 10);
}

static void path_globs_keep_to_segments(void **state)
{
    (void)state;
    static const struct {
        const char *pattern, *path;
        bool fits;
    } cases[] = {
        {"/ns/*/sa/*", "/ns/prod/sa/web", true},
        {"/ns/*/sa/*", "/ns/prod/x/sa/web", false},
        {"/ns/*/sa/*", "/ns/prod/sa/web/x", false},
        {"/ns/*/sa/*", "/ns/prod/sa", false},
        {"/ns/prod-?/sa/*", "/ns/prod-1/sa/w", true},
        {"/ns/prod-?/sa/*", "/ns/prod-/sa/w", false},
        {"/ns/**", "/ns/a", true},
        {"/ns/**", "/ns/a/b/c", true},
        {"/ns/**", "/ns", false},
        {"/ns/**", "/nsx/a", false},
        {"/**", "/a", true},
        {"/a", "/a", true},
        {"/a", "/a/b", false},
        {"/a/b", "/a", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (policy_glob_path(slice_str(cases[i].pattern), slice_str(cases[i].path)) !=
            cases[i].fits) {
            fail_msg("%s over %s", cases[i].pattern, cases[i].path);
        }
    }
    static const char *const bad[] = {"",     "a",      "/",      "/a/",  "/a//b",    "/**/b",
                                      "/a**", "/a/***", "/a/**/", "/a b", "/a/../b%", "/\xc3\xa9"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (policy_glob_path_ok(slice_str(bad[i]))) {
            fail_msg("%s is no pattern", bad[i]);
        }
    }
    assert_true(policy_glob_path_ok(slice_str("/ns/*/sa/a-b_c.?/**")));
}

/* ---- networks ---- */

static struct policy_nets nets_of(struct policy_bundle **b, const char *list)
{
    char text[256];
    (void)snprintf(text, sizeof text, "ip: {networks: [%s]}", list);
    *b = fix_bundle("ip: {networks: [10.1.0.0/16, '2001:db8::/33']}", text);
    return policy_profile_find(*b, slice_str("test"))->names.nets;
}

static void networks_inside_others_are_left_out(void **state)
{
    (void)state;
    struct policy_bundle *b;
    struct policy_nets nets =
        nets_of(&b, "10.1.2.0/24, 10.0.0.0/8, 10.1.2.3/32, 11.0.0.0/8, '::/0', '2001:db8::/32'");
    assert_int_equal(nets.n, 3);
    assert_true(policy_nets_has(&nets, slice_of("\x0a\xff\xff\xff", 4)));
    assert_true(policy_nets_has(&nets, slice_of("\x0b\0\0\0", 4)));
    assert_false(policy_nets_has(&nets, slice_of("\x09\xff\xff\xff", 4)));
    assert_false(policy_nets_has(&nets, slice_of("\x0c\0\0\0", 4)));
    assert_true(policy_nets_has(&nets, slice_of("\xff\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1", 16)));
    assert_false(policy_nets_has(&nets, slice_of("\x0a\1\2", 3)));
    assert_false(policy_nets_has(&nets, slice_of(NULL, 0)));
    policy_bundle_free(b);
}

/* Ten thousand networks against a search one by one. */
static void networks_are_found_as_by_looking_at_each(void **state)
{
    (void)state;
    enum { N = 9000 };
    unsigned seed = 77;
    struct buf text CLEANUP(buf_clear);
    static struct policy_net each[N];
    buf_init(&text, 1 << 20);
    assert_int_equal(buf_add_str(&text, "ip: {networks: ["), CH_OK);
    for (size_t i = 0; i < N; i++) {
        uint32_t bits = 9 + (uint32_t)rand_r(&seed) % 24;
        uint32_t a = (uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed);
        a &= bits == 0 ? 0 : UINT32_MAX << (32 - bits);
        char one[64];
        (void)snprintf(one, sizeof one, "%u.%u.%u.%u/%u", a >> 24, a >> 16 & 255, a >> 8 & 255,
                       a & 255, bits);
        assert_true(policy_net_read(one, &each[i]));
        assert_int_equal(buf_printf(&text, "%s%s", i == 0 ? "" : ", ", one), CH_OK);
    }
    assert_int_equal(buf_add_str(&text, "]}"), CH_OK);
    assert_int_equal(buf_add_u8(&text, 0), CH_OK);
    struct policy_bundle *b =
        fix_bundle("ip: {networks: [10.1.0.0/16, '2001:db8::/33']}", (const char *)text.ptr);
    const struct policy_nets *nets = &policy_profile_find(b, slice_str("test"))->names.nets;
    size_t found = 0;
    for (size_t k = 0; k < 5000; k++) {
        uint32_t a = htonl((uint32_t)rand_r(&seed) << 16 ^ (uint32_t)rand_r(&seed));
        bool want = false;
        for (size_t i = 0; i < N && !want; i++) {
            uint32_t net;
            memcpy(&net, each[i].address, 4);
            want = ((ntohl(net) ^ ntohl(a)) >> (32 - each[i].bits)) == 0;
        }
        assert_int_equal(policy_nets_has(nets, slice_of(&a, 4)), want);
        found += want ? 1 : 0;
    }
    assert_true(found > 100 && found < 4900);
    policy_bundle_free(b);
}

/* ---- special use ---- */

static void special_names(void **state)
{
    (void)state;
    static const char *const special[] = {"intranet",
                                          "localhost",
                                          "a.localhost",
                                          "printer.local",
                                          "*.local",
                                          "x.test",
                                          "a.example",
                                          "a.internal",
                                          "*.corp.internal",
                                          "router.home.arpa",
                                          "1.0.0.10.in-addr.arpa",
                                          "x.onion",
                                          "a.invalid",
                                          "a.alt",
                                          "",
                                          "*"};
    static const char *const ordinary[] = {
        "example.de",     "notlocal.com",  "www.example.com", "example.org", "local.com",
        "a.b.example.eu", "myexample.com", "test.de",         "*.a.de",      "alt.de"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        assert_true(policy_special_name(slice_str(special[i])));
    }
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++) {
        assert_false(policy_special_name(slice_str(ordinary[i])));
    }
}

static bool special_address(const char *text)
{
    uint8_t a[16];
    bool v6 = strchr(text, ':') != NULL;
    assert_int_equal(inet_pton(v6 ? AF_INET6 : AF_INET, text, a), 1);
    return policy_special_address(slice_of(a, v6 ? 16 : 4));
}

static void special_addresses(void **state)
{
    (void)state;
    static const char *const special[] = {
        "0.0.0.0",      "0.255.255.255",   "10.0.0.1",       "100.64.0.0",      "100.127.255.255",
        "127.0.0.1",    "169.254.1.1",     "172.16.0.0",     "172.31.255.255",  "192.0.0.1",
        "192.0.2.1",    "192.31.196.1",    "192.52.193.1",   "192.88.99.1",     "192.168.255.255",
        "192.175.48.1", "198.18.0.0",      "198.19.255.255", "198.51.100.7",    "203.0.113.9",
        "224.0.0.1",    "239.255.255.255", "240.0.0.0",      "255.255.255.255", "::",
        "::1",          "::ffff:8.8.8.8",  "64:ff9b::1",     "64:ff9b:1::1",    "100::1",
        "2001::1",      "2001:1ff::1",     "2001:db8::1",    "2002:808:808::1", "2620:4f:8000::1",
        "3fff:fff::1",  "5f00::1",         "fc00::1",        "fdff::1",         "fe80::1",
        "fec0::1",      "ff02::1"};
    static const char *const ordinary[] = {
        "1.0.0.0",         "8.8.8.8",         "9.255.255.255",   "11.0.0.0",
        "100.63.255.255",  "100.128.0.0",     "126.255.255.255", "128.0.0.0",
        "172.15.255.255",  "172.32.0.0",      "192.0.1.1",       "192.0.3.0",
        "192.167.255.255", "192.169.0.0",     "198.17.255.255",  "198.20.0.0",
        "203.0.112.255",   "203.0.114.0",     "223.255.255.255", "2000::1",
        "2001:200::1",     "2001:db7::1",     "2001:db9::1",     "2003::1",
        "2606:4700::1",    "2620:4f:7fff::1", "2620:4f:8001::1", "3fff:1000::1"};
    for (size_t i = 0; i < sizeof special / sizeof *special; i++) {
        if (!special_address(special[i])) {
            fail_msg("%s", special[i]);
        }
    }
    for (size_t i = 0; i < sizeof ordinary / sizeof *ordinary; i++) {
        if (special_address(ordinary[i])) {
            fail_msg("%s", ordinary[i]);
        }
    }
    assert_true(policy_special_address(slice_of("\x08\x08\x08", 3)));
    assert_true(policy_special_address(slice_of(NULL, 0)));
}

/* ---- public suffixes ---- */

static void suffixes_follow_the_list(void **state)
{
    (void)state;
    struct policy_bundle *b = fix_bundle("", "");
    static const struct {
        const char *name;
        bool all, icann;
    } cases[] = {
        {"com", true, true},
        {"*.com", true, true},
        {"example.com", false, false},
        {"*.example.com", false, false},
        {"co.uk", true, true},
        {"*.co.uk", true, true},
        {"a.co.uk", false, false},
        {"anything.ck", true, true},
        {"*.anything.ck", true, true},
        {"www.ck", false, false},
        {"*.www.ck", false, false},
        {"a.anything.ck", false, false},
        {"github.io", true, false},
        {"*.github.io", true, false},
        {"me.github.io", false, false},
        {"xn--55qx5d.cn", true, true}, /* stands in the list in Chinese letters */
        {"*.xn--55qx5d.cn", true, true},
        {"a.xn--55qx5d.cn", false, false},
        {"nowhere", true, true}, /* a last label that is not listed */
        {"a.nowhere", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct slice s = slice_str(cases[i].name);
        if (policy_suffixes_has(b, s, POLICY_SUFFIX_ALL) != cases[i].all ||
            policy_suffixes_has(b, s, POLICY_SUFFIX_ICANN) != cases[i].icann) {
            fail_msg("%s", cases[i].name);
        }
    }
    assert_true(policy_suffixes_has(b, slice_of("a\0.com", 6), POLICY_SUFFIX_ALL));
    assert_true(policy_suffixes_has(b, slice_of(NULL, 0), POLICY_SUFFIX_ALL));
    assert_true(policy_suffixes_knows(b, slice_str("a.b.com")));
    assert_true(policy_suffixes_knows(b, slice_str("*.uk")));
    assert_false(policy_suffixes_knows(b, slice_str("a.nowhere")));
    assert_false(policy_suffixes_knows(b, slice_str("a.")));
    policy_bundle_free(b);
}

#define BEGIN "// ===BEGIN ICANN DOMAINS===\n"
#define END "// ===END ICANN DOMAINS===\n"
#define BEGIN_P "// ===BEGIN PRIVATE DOMAINS===\n"
#define END_P "// ===END PRIVATE DOMAINS===\n"

static enum chancery_err load(struct slice text, struct diag *d)
{
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {}\nnames: {required: false}\nextensions: {}\n";
    struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                  {"profiles/p.yaml", slice_str(profile)},
                                  {"public_suffixes.dat", text}};
    struct policy_bundle *b = NULL;
    enum chancery_err err = policy_bundle_compile(files, 3, &b, d);
    if (err == CH_OK) {
        policy_bundle_free(b);
    }
    return err;
}

static void hostile_lists_are_refused_with_their_line(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where;
    } bad[] = {
        {"", "public_suffixes.dat:0:1"},
        {"com\n", "public_suffixes.dat:1:1"},
        {BEGIN "com\n", "public_suffixes.dat:2:1"},
        {BEGIN END, "public_suffixes.dat:2:1"},
        {END, "public_suffixes.dat:1:1"},
        {BEGIN BEGIN "com\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "com\n" END "net\n", "public_suffixes.dat:4:1"},
        {BEGIN "com\n" END BEGIN_P "github.io\n", "public_suffixes.dat:5:1"},
        {BEGIN_P "a.b\n" END_P, "public_suffixes.dat:1:1"},
        {BEGIN "com net\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "\ncom\n.net\n" END, "public_suffixes.dat:4:1"},
        {BEGIN "a..b\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "com.\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "*\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "*.*.a\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "!\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "Com\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "a\x01\n" END, "public_suffixes.dat:2:1"},
        {BEGIN "a\xff\n" END, "public_suffixes.dat:1:1"},
        {BEGIN "a\xe2\x80\xae\n" END, "public_suffixes.dat:2:1"},
        {".DAFSA@PSL_0\n" BEGIN "com\n" END, "public_suffixes.dat:1:1"},
    };
    struct diag d = {0};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (load(slice_str(bad[i].text), &d) == CH_OK || strcmp(d.field, bad[i].where) != 0 ||
            strcmp(d.rule, "policy.suffixes") != 0) {
            fail_msg("case %zu: %s %s %s", i, d.field, d.rule, d.text);
        }
    }
    assert_int_equal(load(slice_str(BEGIN "com \r\n// words\n" END), &d), CH_OK);
    /* A comment of any length is one comment. */
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, POLICY_SUFFIXES_MAX + 16);
    assert_int_equal(buf_add_str(&text, BEGIN "com\n//"), CH_OK);
    while (text.len < 1000) {
        assert_int_equal(buf_add_str(&text, " org.example"), CH_OK);
    }
    assert_int_equal(buf_add_str(&text, "\n" END), CH_OK);
    assert_int_equal(load(buf_slice(&text), &d), CH_OK);
    while (text.len <= POLICY_SUFFIXES_MAX) {
        assert_int_equal(buf_add_u8(&text, '\n'), CH_OK);
    }
    assert_int_equal(load(buf_slice(&text), &d), CH_INVALID);
    assert_string_equal(d.field, "public_suffixes.dat:1:1");
}

/* The list that Debian ships. */
static void the_real_list_is_read(void **state)
{
    (void)state;
    static char text[1 << 20];
    struct diag d = {0};
    FILE *f = fopen("/usr/share/publicsuffix/public_suffix_list.dat", "r");
    assert_non_null(f); /* Debian's package publicsuffix: tools/install-packages test */
    size_t n = fread(text, 1, sizeof text, f);
    assert_int_equal(fclose(f), 0);
    if (load(slice_of(text, n), &d) != CH_OK) {
        fail_msg("%s %s", d.field, d.text);
    }
    assert_int_equal(load(slice_of(text, n / 2), &d), CH_INVALID); /* cut off */
}

static void guard_without_list_says_where_to_get_it(void **state)
{
    (void)state;
    static const char head[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
    static const char profile[] =
        "name: p\nissuer: i\ncallers: ['/user/*']\nkeys: {types: [P-256]}\n"
        "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 1d}\n"
        "subject: {}\nextensions: {}\nnames:\n  required: false\n"
        "  dns: {suffixes: [a.com], public_suffix_guard: true}\n";
    struct policy_file files[] = {{"bundle.yaml", slice_str(head)},
                                  {"profiles/p.yaml", slice_str(profile)}};
    struct policy_bundle *b = NULL;
    struct diag d = {0};
    assert_int_equal(policy_bundle_compile(files, 2, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, "policy.suffixes");
    assert_string_equal(d.field, "profiles/p.yaml:11:49");
    assert_non_null(strstr(d.text, "/usr/share/publicsuffix/public_suffix_list.dat"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(globs_match_whole_texts),
        cmocka_unit_test(globs_agree_with_trying_every_way),
        cmocka_unit_test(globs_take_linear_time),
        cmocka_unit_test(path_globs_keep_to_segments),
        cmocka_unit_test(networks_inside_others_are_left_out),
        cmocka_unit_test(networks_are_found_as_by_looking_at_each),
        cmocka_unit_test(special_names),
        cmocka_unit_test(special_addresses),
        cmocka_unit_test(suffixes_follow_the_list),
        cmocka_unit_test(hostile_lists_are_refused_with_their_line),
        cmocka_unit_test(the_real_list_is_read),
        cmocka_unit_test(guard_without_list_says_where_to_get_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
