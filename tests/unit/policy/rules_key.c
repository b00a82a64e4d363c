/* The subject's key. */
#include "rules.h"

#include <openssl/bn.h>

CHANGE(other_key)
{
    struct slice hash = f->request.spki_sha256;
    fix_key(f, fix_spki_ec(f, "P-256"));
    f->request.spki_sha256 = hash;
}
CHANGE(issuers_key)
{
    crypto_sha256(f->t.spki, f->issuer.spki_sha256);
}
CHANGE(permit_key)
{
    crypto_sha256(f->t.spki, f->own[1]);
}
CHANGE(key_curve)
{
    fix_key(f, fix_spki_ec(f, "P-521"));
}
CHANGE(key_unknown_curve)
{
    fix_key(f, fix_spki_ec(f, "secp256k1"));
}
CHANGE(key_off_curve)
{
    uint8_t *spki = arena_copy(&f->arena, f->t.spki);
    spki[f->t.spki.len - 1] ^= 1;
    fix_key(f, slice_of(spki, f->t.spki.len));
}

/* ---- RSA keys ---- */

static const uint8_t e_65537[] = {1, 0, 1}, e_3[] = {3}, e_1[] = {1};

static void rsa_use(struct fix *f, const BIGNUM *n, struct slice e)
{
    uint8_t octets[1024];
    int len = BN_bn2bin(n, octets);
    fix_key(f, fix_spki_rsa(f, slice_of(octets, (size_t)len), e));
    rules_usage_rsa(f);
}

static void rsa_random(struct fix *f, int bits, struct slice e, unsigned long factor, bool even)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    if (factor != 0) {
        assert_int_equal(BN_set_word(p, factor), 1);
    } else {
        assert_int_equal(BN_generate_prime_ex(p, bits / 2, 0, NULL, NULL, NULL), 1);
    }
    do {
        assert_int_equal(BN_generate_prime_ex(q, bits - BN_num_bits(p), 0, NULL, NULL, NULL), 1);
        assert_int_equal(BN_mul(n, p, q, ctx), 1);
    } while (BN_num_bits(n) != bits);
    if (even) {
        assert_int_equal(BN_sub_word(n, 1), 1);
    }
    rsa_use(f, n, e);
    BN_free(p), BN_free(q), BN_free(n);
    BN_CTX_free(ctx);
}

CHANGE(rsa_good)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 0, false);
}
CHANGE(rsa_even)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 0, true);
}
CHANGE(rsa_exponent_1)
{
    rsa_random(f, 2048, slice_of(e_1, 1), 0, false);
}
CHANGE(rsa_exponent_3)
{
    rsa_random(f, 2048, slice_of(e_3, 1), 0, false);
}
CHANGE(rsa_small)
{
    rsa_random(f, 1024, slice_of(e_65537, 3), 0, false);
}
CHANGE(rsa_factor_757)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 757, false);
}
CHANGE(rsa_factor_65521)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 65521, false);
}
/* q is the next prime after p plus `gap` bits of distance. */
static void rsa_close_by(struct fix *f, int gap)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_set_word(q, 0), 1);
    if (gap > 0) {
        assert_int_equal(BN_set_bit(q, gap), 1);
    }
    assert_int_equal(BN_add(q, q, p), 1);
    do {
        assert_int_equal(BN_add_word(q, 2), 1);
    } while (BN_check_prime(q, ctx, NULL) != 1);
    assert_int_equal(BN_mul(n, p, q, ctx), 1);
    rsa_use(f, n, slice_of(e_65537, 3));
    BN_free(p), BN_free(q), BN_free(n);
    BN_CTX_free(ctx);
}
CHANGE(rsa_close)
{
    rsa_close_by(f, 0);
}
CHANGE(rsa_close_some_rounds)
{
    rsa_close_by(f, 514); /* gap^2 / (8 sqrt n): found after a few rounds */
}
CHANGE(rsa_square)
{
    BIGNUM *p = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_sqr(n, p, ctx), 1);
    rsa_use(f, n, slice_of(e_65537, 3));
    BN_free(p), BN_free(n);
    BN_CTX_free(ctx);
}

static const struct rule_case cases[] = {
    PLAN("key.request", other_key),
    PLAN("key.own", issuers_key),
    PLAN("key.own", permit_key),
    PLAN("key.type", key_curve),
    PLAN("key.sound", key_unknown_curve),
    PLAN("key.sound", key_off_curve),
    PLAN("key.sound", rsa_even),
    PLAN("key.sound", rsa_exponent_1),
    PLAN("key.type", rsa_small),
    PLAN("rsa.exponent", rsa_exponent_3),
    PLAN("rsa.modulus.small_factor", rsa_factor_757),
    PLAN("rsa.modulus.small_factor", rsa_factor_65521),
    PLAN("rsa.modulus.close_primes", rsa_close),
    PLAN("rsa.modulus.close_primes", rsa_close_some_rounds),
    PLAN("rsa.modulus.close_primes", rsa_square),
};

static const struct rule_case good[] = {
    PLAN("rsa.exponent", rsa_good),
    PLAN("rsa.modulus.close_primes", rsa_good),
};

const struct rule_family rules_key = RULES(cases, good);
