/* tbs/issuer.c: the issuer of a pool. */
#include "cm.h"
#include "tbs/tbs.h"

#define NOW 1763690000

static const char *const ids[] = {"a", "b", "c"};

static size_t chosen(enum policy_choose choose, const struct policy_issuer *const *members,
                     enum crypto_key_type subject, uint8_t seed, enum chancery_err *err)
{
    const struct policy_template t = {
        .name = "p", .issuers = ids, .n_issuers = 3, .choose = choose};
    uint8_t digest[32];
    struct diag d = {0};
    crypto_sha256(slice_of(&seed, 1), digest);
    const struct tbs_choice c = {&t, members, subject, digest, NOW};
    size_t at = 99, again = 98;
    *err = tbs_issuer_choose(&c, &at, &d);
    if (*err == CH_OK) {
        assert_int_equal(tbs_issuer_choose(&c, &again, NULL), CH_OK);
        assert_int_equal(at, again);
    } else {
        assert_string_equal(d.rule, "issuer.key_type");
        assert_int_equal(at, 99);
    }
    return at;
}

/* How often each member signs 256 requests. */
static void count(enum policy_choose choose, const struct policy_issuer *const *members,
                  enum crypto_key_type subject, unsigned out[3])
{
    memset(out, 0, 3 * sizeof out[0]);
    for (unsigned i = 0; i < 256; i++) {
        enum chancery_err err;
        size_t at = chosen(choose, members, subject, (uint8_t)i, &err);
        assert_int_equal(err, CH_OK);
        out[at]++;
    }
}

static void requests_spread_over_the_pool(void **state)
{
    (void)state;
    struct policy_issuer x = {.key_type = CRYPTO_KEY_P256, .not_after_s = NOW + 1}, ended = x;
    const struct policy_issuer *const all[] = {&x, &x, &x}, *const two[] = {&x, &ended, &x};
    unsigned n[3];
    count(POLICY_CHOOSE_SPREAD, all, CRYPTO_KEY_RSA_2048, n);
    for (size_t i = 0; i < 3; i++) {
        assert_in_range(n[i], 60, 110);
    }
    ended.not_after_s = NOW;
    count(POLICY_CHOOSE_SPREAD, two, CRYPTO_KEY_P256, n);
    assert_int_equal(n[1], 0);
    assert_in_range(n[0], 100, 156);
    const struct policy_issuer *const none[] = {&ended, &ended, &ended};
    count(POLICY_CHOOSE_SPREAD, none, CRYPTO_KEY_P256, n); /* the judge refuses what comes of it */
    assert_in_range(n[0], 60, 110);
}

static void key_type_picks_its_own_kind(void **state)
{
    (void)state;
    const struct policy_issuer rsa = {.key_type = CRYPTO_KEY_RSA_3072, .not_after_s = NOW + 1},
                               p256 = {.key_type = CRYPTO_KEY_P256, .not_after_s = NOW + 1},
                               p384 = {.key_type = CRYPTO_KEY_P384, .not_after_s = NOW + 1};
    const struct policy_issuer *const mixed[] = {&p256, &rsa, &p384};
    const struct policy_issuer *const curves[] = {&p256, &p256, &p384};
    static const enum crypto_key_type of_curves[] = {CRYPTO_KEY_P256, CRYPTO_KEY_P384,
                                                     CRYPTO_KEY_P521, CRYPTO_KEY_ED25519};
    unsigned n[3];
    count(POLICY_CHOOSE_KEY_TYPE, mixed, CRYPTO_KEY_RSA_4096, n);
    assert_int_equal(n[1], 256);
    for (size_t i = 0; i < 4; i++) {
        count(POLICY_CHOOSE_KEY_TYPE, mixed, of_curves[i], n);
        assert_int_equal(n[1], 0);
        assert_in_range(n[0], 100, 156);
    }
    enum chancery_err err;
    (void)chosen(POLICY_CHOOSE_KEY_TYPE, curves, CRYPTO_KEY_RSA_2048, 1, &err);
    assert_int_equal(err, CH_REFUSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_spread_over_the_pool),
        cmocka_unit_test(key_type_picks_its_own_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
