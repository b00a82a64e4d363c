/* The engine's parts: DER walker, times, characters, names, expected values, prime tests. */
#include <openssl/bn.h>
#include <openssl/rand.h>

#include "fix.h"

static bool takes(const char *octets, size_t n, uint8_t tag)
{
    struct policy_walk w = policy_walk_of(slice_of(octets, n));
    struct slice content, whole;
    return policy_walk_take(&w, tag, &content, &whole);
}

static void walk_takes_shortest_definite_lengths_only(void **state)
{
    (void)state;
    uint8_t big[70000] = {0x04, 0x83, 0x01, 0x00, 0x00};
    assert_true(takes("\4\1x", 3, 4));
    assert_false(takes("\4\1x", 3, 5));
    assert_false(takes("\4\2x", 3, 4));
    assert_false(takes("\4", 1, 4));
    assert_false(takes("", 0, 4));
    assert_false(takes("\4\x80x\0\0", 5, 4));
    assert_false(takes("\4\x81\1x", 4, 4));
    assert_false(takes("\4\x82\0\1x", 5, 4));
    assert_false(takes("\4\x84\0\0\0\1x", 7, 4));
    assert_false(takes("\4\xff", 2, 4));
    big[1] = 0x81, big[2] = 0x80;
    assert_true(takes((const char *)big, 3 + 0x80, 4));
    assert_false(takes((const char *)big, 2 + 0x80, 4));
    big[1] = 0x82, big[2] = 0x01, big[3] = 0x00;
    assert_true(takes((const char *)big, 4 + 0x100, 4));
    big[2] = 0, big[3] = 0xff;
    assert_false(takes((const char *)big, 4 + 0xff, 4));
    big[1] = 0x83, big[2] = 1, big[3] = 0;
    assert_true(takes((const char *)big, 5 + 0x10000, 4));
}

static void walk_refuses_malformed_oids(void **state)
{
    (void)state;
    static const struct slice bad[] = {{(const uint8_t *)"\6\0", 2},
                                       {(const uint8_t *)"\6\1\x80", 3},
                                       {(const uint8_t *)"\6\3\x2a\x80\1", 5},
                                       {(const uint8_t *)"\6\2\x2a\x83", 4}};
    struct slice oid;
    for (size_t i = 0; i < 4; i++) {
        struct policy_walk w = policy_walk_of(bad[i]);
        assert_false(policy_walk_oid(&w, &oid));
    }
    struct policy_walk w = policy_walk_of(slice_of("\6\3\x2a\x83\0", 5));
    assert_true(policy_walk_oid(&w, &oid));
}

static void time_is(const char *der, size_t n, bool ok, int64_t want)
{
    struct policy_walk w = policy_walk_of(slice_of(der, n));
    int64_t t = -1;
    assert_int_equal(policy_walk_time(&w, &t), ok);
    if (ok) {
        assert_int_equal(t, want);
    }
}

static void walk_times_follow_rfc5280(void **state)
{
    (void)state;
    time_is("\x17\x0d"
            "700101000000Z",
            15, true, 0);
    time_is("\x17\x0d"
            "500101000000Z",
            15, true, -631152000);
    time_is("\x17\x0d"
            "491231235959Z",
            15, true, 2524607999);
    time_is("\x18\x0f"
            "20500101000000Z",
            17, true, 2524608000);
    time_is("\x18\x0f"
            "99991231235959Z",
            17, true, 253402300799);
    time_is("\x17\x0d"
            "240229120000Z",
            15, true, 1709208000);
    time_is("\x17\x0d"
            "250229120000Z",
            15, false, 0);
    time_is("\x17\x0d"
            "251301000000Z",
            15, false, 0);
    time_is("\x17\x0d"
            "250100000000Z",
            15, false, 0);
    time_is("\x17\x0d"
            "250101240000Z",
            15, false, 0);
    time_is("\x17\x0d"
            "250101006000Z",
            15, false, 0);
    time_is("\x17\x0d"
            "250101000060Z",
            15, false, 0);
    time_is("\x17\x0d"
            "2501010000000",
            15, false, 0);
    time_is("\x17\x0b"
            "2501010000Z",
            13, false, 0);
    time_is("\x18\x0f"
            "20491231235959Z",
            17, false, 0);
    time_is("\x18\x0f"
            "21000229000000Z",
            17, false, 0);
    time_is("\x18\x13"
            "20500101000000.000Z",
            21, false, 0);
    time_is("\x18\x0f"
            "2050010100000+Z",
            17, false, 0);
}

static void text_clean_refuses_invisible_characters(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "\x01",         "\x7f",         "\xc2\x85",         "\xc2\xad",     "\xd8\x9c",
        "\xe2\x80\x8b", "\xe2\x80\x8f", "\xe2\x80\xae",     "\xe2\x81\xa6", "\xef\xbb\xbf",
        "\xef\xbf\xbe", "\xee\x80\x80", "\xf3\xa0\x80\x81", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(policy_text_clean(slice_str(bad[i])));
    }
    assert_true(policy_text_clean(slice_str("Stra\xc3\x9f"
                                            "e \xe6\x9d\xb1\xe4\xba\xac \xf0\x9f\x94\x92")));
    assert_true(policy_text_clean(slice_of(NULL, 0)));
}

static void text_dns_limits(void **state)
{
    (void)state;
    char label[80], name[300] = "";
    memset(label, 'a', 64);
    label[64] = '\0';
    assert_false(policy_text_dns(slice_str(label), false, false));
    label[63] = '\0';
    assert_true(policy_text_dns(slice_str(label), false, false));
    label[62] = '.';
    for (int i = 0; i < 4; i++) {
        memcpy(name + 63 * i, label, 63);
    }
    name[252] = 'b';
    name[253] = '\0';
    assert_true(policy_text_dns(slice_str(name), false, false));
    name[253] = 'b';
    name[254] = '\0';
    assert_false(policy_text_dns(slice_str(name), false, false));
    assert_true(policy_text_dns(slice_str("xn--bcher-kva.example"), false, true));
    assert_false(policy_text_dns(slice_str("xn--.example"), false, true));
    assert_false(policy_text_dns(slice_str("xn--bcher-kva.example"), false, false));
    assert_true(policy_text_dns(slice_str("*.a.b"), true, false));
    assert_false(policy_text_dns(slice_str("*.a.b"), false, false));
    assert_false(policy_text_dns(slice_str("*"), true, false));
    assert_false(policy_text_dns(slice_str("*."), true, false));
    assert_false(policy_text_dns(slice_of(NULL, 0), true, false));
}

static void text_under_and_match(void **state)
{
    (void)state;
    struct slice d = slice_str("chancery.test");
    assert_true(policy_text_under(d, d));
    assert_true(policy_text_under(slice_str("a.CHANCERY.test"), d));
    assert_true(policy_text_under(slice_str("*.chancery.test"), d));
    assert_false(policy_text_under(slice_str("xchancery.test"), d));
    assert_false(policy_text_under(slice_str("chancery.test.x"), d));
    assert_false(policy_text_under(d, slice_of(NULL, 0)));
    assert_true(policy_text_match(slice_str("/user/*"), slice_str("/user/")));
    assert_true(policy_text_match(slice_str("/user/*"), slice_str("/user/a/b")));
    assert_false(policy_text_match(slice_str("/user/*"), slice_str("/use")));
    assert_true(policy_text_match(slice_str("/a"), slice_str("/a")));
    assert_false(policy_text_match(slice_str("/a"), slice_str("/ab")));
}

static void text_uris(void **state)
{
    (void)state;
    assert_true(policy_text_uri(slice_str("https://h.example/a?b#c")));
    assert_true(policy_text_uri(slice_str("https://h.example:8443")));
    assert_false(policy_text_uri(slice_str("HTTPS://h.example/")));
    assert_false(policy_text_uri(slice_str("https:///a")));
    assert_false(policy_text_uri(slice_str("urn:x")));
    assert_false(policy_text_uri(slice_str("https://u@h.example/")));
    assert_false(policy_text_uri(slice_str("https://h.example/./a")));
    assert_false(policy_text_uri(slice_str("https://h.example/%2e%2E/a")));
    assert_false(policy_text_uri(slice_str("https://h.example/a b")));
    assert_false(policy_text_uri(slice_str("https://h.example\\@evil/")));
    assert_true(policy_text_spiffe(slice_str("spiffe://td.example/ns/a/sa/b")));
    assert_false(policy_text_spiffe(slice_str("spiffe://TD.example/a")));
    assert_false(policy_text_spiffe(slice_str("spiffe://td.example/a/")));
    assert_false(policy_text_spiffe(slice_str("spiffe://td.example//a")));
    assert_false(policy_text_spiffe(slice_str("spiffe://td.example:80/a")));
    assert_false(policy_text_spiffe(slice_str("spiffe://td.example/a%41")));
    assert_true(slice_eq(policy_text_uri_host(slice_str("x://u@h:1/p")), slice_str("h")));
    assert_true(slice_eq(policy_text_uri_host(slice_str("x://[::1]:1/p")), slice_str("[::1]:1")));
}

static void wanted_values_equal_the_writers(void **state)
{
    (void)state;
    uint8_t space[512];
    for (unsigned bits = 1; bits < 512; bits++) {
        struct buf b CLEANUP(buf_clear);
        struct policy_want w = policy_want_over(space, sizeof space);
        buf_init(&b, 64);
        policy_want_key_usage(&w, bits);
        assert_int_equal(x509_ext_key_usage(bits, &b), CH_OK);
        assert_true(slice_eq(policy_want_done(&w), buf_slice(&b)));
    }
    char url[300];
    memset(url, 'u', sizeof url - 1);
    for (size_t n = 1; n < sizeof url; n++) {
        struct buf b CLEANUP(buf_clear);
        struct policy_want w = policy_want_over(space, sizeof space);
        buf_init(&b, 512);
        url[n] = '\0';
        policy_want_cdp(&w, slice_str(url));
        assert_int_equal(x509_ext_cdp(url, &b), CH_OK);
        assert_true(slice_eq(policy_want_done(&w), buf_slice(&b)));
        url[n] = 'u';
    }
    struct buf b CLEANUP(buf_clear);
    struct policy_want w = policy_want_over(space, sizeof space);
    buf_init(&b, 64);
    policy_want_basic(&w, true, 3);
    assert_int_equal(x509_ext_basic(true, 3, &b), CH_OK);
    assert_true(slice_eq(policy_want_done(&w), buf_slice(&b)));
    w = policy_want_over(space, 4);
    policy_want_element(&w, 4, slice_str("12345"));
    assert_int_equal(policy_want_done(&w).len, 0);
}

/* ---- primes ---- */

static struct slice bn_octets(const BIGNUM *n, uint8_t out[1024])
{
    return slice_of(out, (size_t)BN_bn2bin(n, out));
}

static void primes_find_each_small_factor(void **state)
{
    (void)state;
    struct policy_bundle *b = fix_bundle("", "");
    BIGNUM *big = BN_new(), *n = BN_new();
    uint8_t out[1024];
    assert_int_equal(BN_generate_prime_ex(big, 520, 0, NULL, NULL, NULL), 1);
    assert_int_equal(policy_primes_factor(b, bn_octets(big, out)), 0);
    size_t count = 0;
    for (size_t g = 0; g < b->n_groups; g++) {
        for (size_t i = 0; i < 4 && b->groups[g].primes[i] != 0; i++) {
            uint16_t p = b->groups[g].primes[i];
            assert_non_null(BN_copy(n, big));
            assert_int_equal(BN_mul_word(n, p), 1);
            assert_int_equal(policy_primes_factor(b, bn_octets(n, out)), p);
            count++;
        }
    }
    assert_int_equal(count, 6541); /* odd primes below 65536 */
    BN_free(big);
    BN_free(n);
    policy_bundle_free(b);
}

static void primes_agree_with_long_division(void **state)
{
    (void)state;
    struct policy_bundle *b = fix_bundle("", "");
    BIGNUM *n = BN_new();
    uint8_t out[1024];
    for (int round = 0; round < 200; round++) {
        assert_int_equal(BN_rand(n, 64 + round * 20, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
        uint32_t smallest = 0;
        for (uint32_t p = 3; p < 65536 && smallest == 0; p += 2) {
            smallest = BN_mod_word(n, p) == 0 ? p : 0;
        }
        uint32_t found = policy_primes_factor(b, bn_octets(n, out));
        assert_int_equal(found != 0, smallest != 0);
        assert_true(found == 0 || BN_mod_word(n, found) == 0);
    }
    BN_free(n);
    policy_bundle_free(b);
}

static void primes_close_finds_what_fermat_finds(void **state)
{
    (void)state;
    /* n = (a-b)(a+b) with a = ceil(sqrt n) + k is found in round k+1 and not before. */
    BN_CTX *ctx = BN_CTX_new();
    BIGNUM *a = BN_new(), *d = BN_new(), *n = BN_new(), *t = BN_new();
    uint8_t out[1024];
    assert_int_equal(BN_rand(a, 512, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ODD), 1);
    for (int shift = 0; shift < 262; shift += 6) {
        assert_int_equal(BN_one(d), 1);
        assert_int_equal(BN_lshift(d, d, shift), 1);
        assert_int_equal(BN_sqr(n, a, ctx), 1);
        assert_int_equal(BN_sqr(t, d, ctx), 1);
        assert_int_equal(BN_sub(n, n, t), 1);
        /* rounds = a - ceil(sqrt(a^2-d^2)) + 1, about d^2/2a + 1 */
        bool easy = shift <= 255;
        assert_int_equal(policy_primes_close(bn_octets(n, out), 100), easy || shift < 259);
    }
    assert_int_equal(BN_generate_prime_ex(a, 512, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_generate_prime_ex(d, 512, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_mul(n, a, d, ctx), 1);
    assert_false(policy_primes_close(bn_octets(n, out), 100));
    BN_free(a), BN_free(d), BN_free(n), BN_free(t);
    BN_CTX_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(walk_takes_shortest_definite_lengths_only),
        cmocka_unit_test(walk_refuses_malformed_oids),
        cmocka_unit_test(walk_times_follow_rfc5280),
        cmocka_unit_test(text_clean_refuses_invisible_characters),
        cmocka_unit_test(text_dns_limits),
        cmocka_unit_test(text_under_and_match),
        cmocka_unit_test(text_uris),
        cmocka_unit_test(wanted_values_equal_the_writers),
        cmocka_unit_test(primes_find_each_small_factor),
        cmocka_unit_test(primes_agree_with_long_division),
        cmocka_unit_test(primes_close_finds_what_fermat_finds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
