/* Weak and blocked keys: reading lists, finding keys in them, the fingerprint of ROCA. */
#include <openssl/bn.h>
#include <stdlib.h>

#include "fix.h"
#include "weak_keys.h"

/* ---- ROCA ---- */

static bool roca(const BIGNUM *n)
{
    uint8_t octets[1024];
    int len = BN_bn2bin(n, octets);
    return policy_weak_roca(slice_of(octets, (size_t)len));
}

static bool is_prime(unsigned p)
{
    for (unsigned d = 2; d * d <= p; d++) {
        if (p % d == 0) {
            return false;
        }
    }
    return p > 1;
}

static BIGNUM *product_of_primes(unsigned last)
{
    BIGNUM *m = BN_new();
    assert_int_equal(BN_one(m), 1);
    for (unsigned p = 2; p <= last; p++) {
        if (is_prime(p)) {
            assert_int_equal(BN_mul_word(m, p), 1);
        }
    }
    return m;
}

/* k * M + (65537^a mod M), prime: as the library made them. */
static BIGNUM *roca_prime(const BIGNUM *m, int bits, BN_CTX *ctx)
{
    BIGNUM *p = BN_new(), *k = BN_new(), *a = BN_new(), *e = BN_new(), *x = BN_new();
    assert_int_equal(BN_set_word(e, 65537), 1);
    do {
        assert_int_equal(BN_rand(k, bits - BN_num_bits(m) + 1, BN_RAND_TOP_ONE, 0), 1);
        assert_int_equal(BN_rand(a, 64, BN_RAND_TOP_ANY, 0), 1);
        assert_int_equal(BN_mod_exp(x, e, a, m, ctx), 1);
        assert_int_equal(BN_mul(p, k, m, ctx), 1);
        assert_int_equal(BN_add(p, p, x), 1);
    } while (BN_check_prime(p, ctx, NULL) != 1);
    BN_free(k);
    BN_free(a);
    BN_free(e);
    BN_free(x);
    return p;
}

static void roca_made_by_its_method_is_found(void **state)
{
    (void)state;
    static const struct {
        unsigned last; /* prime of M: 39, 71 and 126 primes */
        int bits;
    } sizes[] = {{167, 256}, {353, 512}, {701, 1024}};
    BN_CTX *ctx = BN_CTX_new();
    for (size_t i = 0; i < 3; i++) {
        BIGNUM *m = product_of_primes(sizes[i].last), *n = BN_new();
        BIGNUM *p = roca_prime(m, sizes[i].bits, ctx), *q = roca_prime(m, sizes[i].bits, ctx);
        assert_int_equal(BN_mul(n, p, q, ctx), 1);
        assert_true(roca(n));
        assert_int_equal(BN_generate_prime_ex(q, sizes[i].bits, 0, NULL, NULL, NULL), 1);
        assert_int_equal(BN_mul(n, p, q, ctx), 1); /* one sound prime hides the other */
        assert_false(roca(n));
        BN_free(m);
        BN_free(n);
        BN_free(p);
        BN_free(q);
    }
    BN_CTX_free(ctx);
}

static void published_keys_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *modulus;
        bool roca;
    } rows[] = {
        {WEAK_ROCA_MODULUS, true}, {WEAK_DEBIAN_MODULUS, false}, {WEAK_OTHER_MODULUS, false}};
    for (size_t i = 0; i < 3; i++) {
        uint8_t n[512] = {0};
        size_t len;
        assert_int_equal(hex_decode(slice_str(rows[i].modulus), n + 1, sizeof n - 1, &len), CH_OK);
        assert_true(policy_weak_roca(slice_of(n + 1, len)) == rows[i].roca);
        assert_true(policy_weak_roca(slice_of(n, len + 1)) == rows[i].roca); /* sign octet */
    }
    assert_false(policy_weak_roca(slice_of(NULL, 0)));
}

/* Derives from the definition which primes tell anything, and that each of them is looked at: a
 * number that is 1 modulo all other primes and no power of 65537 modulo p is refused by p alone. */
static void each_telling_prime_tells(void **state)
{
    (void)state;
    BIGNUM *m = product_of_primes(167), *n = BN_new(), *step = BN_new();
    for (unsigned p = 3; p <= 167; p++) {
        bool power[168] = {false}, generator = true;
        unsigned odd_one = 0;
        for (unsigned x = 1; is_prime(p) && !power[x]; x = x * (65537 % p) % p) {
            power[x] = true;
        }
        for (unsigned r = 1; r < p; r++) {
            generator = generator && power[r];
            odd_one = power[r] ? odd_one : r;
        }
        if (!is_prime(p) || generator) {
            continue;
        }
        assert_non_null(BN_copy(step, m));
        assert_int_equal(BN_div_word(step, p), 0);
        assert_int_equal(BN_one(n), 1);
        while (BN_mod_word(n, p) != odd_one) {
            assert_int_equal(BN_add(n, n, step), 1);
        }
        assert_false(roca(n));
        while (BN_mod_word(n, p) != 1) {
            assert_int_equal(BN_add(n, n, step), 1);
        }
        assert_true(roca(n));
    }
    BN_free(m);
    BN_free(n);
    BN_free(step);
}

/* ---- lists ---- */

static struct policy_bundle *with(const char *profile, const char *path, struct slice text,
                                  struct diag *d)
{
    const struct policy_file list = {path, text};
    *d = (struct diag){0};
    return fix_bundle_with("", profile, &list, 1, d);
}

static void refused(const char *text, const char *where, const char *word)
{
    struct diag d;
    struct policy_bundle *b = with("", "blocklists/l.txt", slice_str(text), &d);
    if (b != NULL) {
        fail_msg("taken: %s", text);
    }
    assert_string_equal(d.field, where);
    if (strstr(d.text, word) == NULL) {
        fail_msg("%s: no \"%s\"", d.text, word);
    }
}

static void wrong_line_is_refused_with_its_place(void **state)
{
    (void)state;
    refused("# c\n\n8df20e6961a16398b85\n", "blocklists/l.txt:3:20", "64 hex digits");
    refused("8df20e6961a16398b85a\r\n", "blocklists/l.txt:1:21", "LF");
    refused(" 8df20e6961a16398b85a\n", "blocklists/l.txt:1:1", "no hex digit");
    refused("a3853d0c563765e504c18df20e6961a16398b85a", "blocklists/l.txt:1:41", "last 20");
    refused("8df20e6961a16398b85a # c\n", "blocklists/l.txt:1:21", "comment");
}

static void wrong_name_or_reference_is_refused(void **state)
{
    (void)state;
    struct diag d;
    assert_null(with("", "blocklists/Upper.txt", slice_str(""), &d));
    assert_string_equal(d.rule, "policy.name");
    assert_null(with("", "blocklists/a.csv", slice_str(""), &d));
    assert_string_equal(d.rule, "policy.file");
    assert_null(with("blocklists: [b]\n", "blocklists/a.txt", slice_str(""), &d));
    assert_non_null(strstr(d.text, "no blocklists/b.txt"));
    assert_non_null(strstr(d.field, "profiles/test.yaml:"));
    assert_null(with("blocklists: []\n", "blocklists/a.txt", slice_str(""), &d));
}

/* n lines of `digits` hex digits, each its own number, in no order. */
static struct slice lines(size_t n, size_t digits)
{
    size_t width = digits + 1;
    char *text = malloc(n * width + 1);
    assert_non_null(text);
    for (size_t i = 0; i < n; i++) {
        char number[17];
        (void)snprintf(number, sizeof number, "%016llx",
                       (unsigned long long)(i * 0x9e3779b97f4a7c15ULL));
        memset(text + i * width, '0', digits);
        memcpy(text + i * width, number, 16);
        text[i * width + digits] = '\n';
    }
    return slice_of(text, n * width);
}

static void list_of_a_million_is_searched_and_one_more_refused(void **state)
{
    (void)state;
    struct slice text = lines(POLICY_BLOCKLIST_LINES + 1, 20);
    struct diag d;
    assert_null(with("", "blocklists/l.txt", text, &d));
    assert_string_equal(d.field, "blocklists/l.txt:1000001:1");
    text.len -= 21;
    struct policy_bundle *b = with("", "blocklists/l.txt", text, &d);
    assert_non_null(b);
    assert_int_equal(b->blocklists.at[0].n_moduli, POLICY_BLOCKLIST_LINES);
    for (size_t i = 1; i < POLICY_BLOCKLIST_LINES; i++) {
        const struct policy_blocklist *l = &b->blocklists.at[0];
        assert_true(memcmp(l->moduli[i - 1], l->moduli[i], POLICY_MODULUS_TAIL) < 0);
    }
    uint8_t key[32] = {0};
    assert_null(policy_blocklist_key(&b->blocklists, ~(uint64_t)0, key));
    policy_bundle_free(b);
    free((void *)(uintptr_t)text.ptr);
}

static void every_key_of_a_list_is_found_and_no_other(void **state)
{
    (void)state;
    struct slice text = lines(1000, 64);
    struct diag d;
    struct policy_bundle *b = with("", "blocklists/l.txt", text, &d);
    assert_non_null(b);
    for (size_t i = 0; i < 1000; i++) {
        uint8_t key[32];
        size_t len;
        assert_int_equal(hex_decode(slice_sub(text, i * 65, 64), key, 32, &len), CH_OK);
        const struct policy_blocklist *l = policy_blocklist_key(&b->blocklists, 1, key);
        assert_non_null(l);
        assert_string_equal(l->name, "l");
        assert_null(policy_blocklist_key(&b->blocklists, 2, key)); /* another list's bit */
        key[31] ^= 1;
        assert_null(policy_blocklist_key(&b->blocklists, 1, key));
    }
    policy_bundle_free(b);
    free((void *)(uintptr_t)text.ptr);
}

static void modulus_longer_than_any_key_is_in_no_list(void **state)
{
    (void)state;
    static const uint8_t n[4096] = {1};
    struct diag d;
    struct policy_bundle *b = with("", "blocklists/l.txt", slice_str(WEAK_DEBIAN_LINE), &d);
    assert_non_null(b);
    assert_null(policy_blocklist_modulus(&b->blocklists, 1, slice_of(n, sizeof n)));
    assert_null(policy_blocklist_modulus(&b->blocklists, 1, slice_of(n + 1, 8)));
    policy_bundle_free(b);
}

/* A request without certificate is told, too: its key's hash is known. */
static void blocked_key_is_told_before_there_is_a_certificate(void **state)
{
    (void)state;
    struct fix f;
    struct diag d = {0};
    char hex[65];
    fix_init(&f);
    fix_build(&f);
    hex_encode(f.request.spki_sha256, hex);
    policy_bundle_free(f.bundle);
    f.bundle = with("", "blocklists/l.txt", slice_str(hex), &d);
    assert_non_null(f.bundle);
    f.facts.tbs = slice_of(NULL, 0);
    fix_judge(&f);
    assert_int_equal(fix_outcome(&f, "key.blocked"), POLICY_FAIL);
    for (size_t i = 0; i < f.v.n; i++) {
        if (strcmp(f.v.rules[i].rule, "key.blocked") == 0) {
            assert_string_equal(f.v.rules[i].observed, "l");
            assert_string_equal(f.v.rules[i].source, "blocklists/l.txt");
        }
    }
    fix_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roca_made_by_its_method_is_found),
        cmocka_unit_test(published_keys_are_told_apart),
        cmocka_unit_test(each_telling_prime_tells),
        cmocka_unit_test(wrong_line_is_refused_with_its_place),
        cmocka_unit_test(wrong_name_or_reference_is_refused),
        cmocka_unit_test(list_of_a_million_is_searched_and_one_more_refused),
        cmocka_unit_test(every_key_of_a_list_is_found_and_no_other),
        cmocka_unit_test(modulus_longer_than_any_key_is_in_no_list),
        cmocka_unit_test(blocked_key_is_told_before_there_is_a_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
