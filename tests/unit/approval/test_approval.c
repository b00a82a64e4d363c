/* lib/approval: a fixed vector, round trips, and each refusal of writer, reader and checks. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "approval/approval.h"
#include "cm.h"
#include "crypto/alg.h"

#define NOW 1764000000
#define HEAD 21 /* octets of the format's name */
#define PURPOSE HEAD
#define STEP (HEAD + 33)

static struct approval sample(void)
{
    struct approval a = {.purpose = APPROVAL_REQUEST,
                         .decision = APPROVAL_APPROVE,
                         .step = slice_str("security-officer"),
                         .issued_at_s = NOW,
                         .expires_at_s = NOW + 7 * 86400};
    for (uint8_t i = 0; i < 32; i++) {
        a.subject[i] = i;
    }
    memset(a.approver, 0xab, 32);
    return a;
}

/* The vector was made by an independent script from docs/ISSUANCE.md. */
static void approval_matches_vector(void **state)
{
    (void)state;
    static const char want[] =
        "6368616e636572792f617070726f76616c2f76310a01000102030405060708090a0b0c0d0e0f10111213141516"
        "1718191a1b1c1d1e1f0000001073656375726974792d6f66666963657201000000006924810000000000692dbb"
        "80abababababababababababababababababababababababababababababababab";
    struct approval a = sample(), got;
    struct buf b CLEANUP(buf_clear);
    char hex[2 * APPROVAL_MAX + 1];
    buf_init(&b, APPROVAL_MAX);
    assert_int_equal(approval_write(&a, &b, NULL), CH_OK);
    hex_encode(buf_slice(&b), hex);
    assert_string_equal(hex, want);
    assert_int_equal(approval_read(buf_slice(&b), &got, NULL), CH_OK);
    assert_int_equal(got.purpose, a.purpose);
    assert_int_equal(got.decision, a.decision);
    assert_memory_equal(got.subject, a.subject, 32);
    assert_true(slice_eq(got.step, a.step));
    assert_int_equal(got.issued_at_s, a.issued_at_s);
    assert_int_equal(got.expires_at_s, a.expires_at_s);
    assert_memory_equal(got.approver, a.approver, 32);
}

static void longest_approval_fits_its_limit(void **state)
{
    (void)state;
    char step[APPROVAL_STEP_MAX + 1];
    memset(step, 'x', sizeof step);
    struct approval a = sample();
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, APPROVAL_MAX);
    a.step = slice_of(step, APPROVAL_STEP_MAX);
    assert_int_equal(approval_write(&a, &b, NULL), CH_OK);
    assert_int_equal(b.len, APPROVAL_MAX);
}

static void want_write(const struct approval *a, const char *rule)
{
    struct buf b CLEANUP(buf_clear);
    struct diag d = {.text = ""};
    buf_init(&b, APPROVAL_MAX);
    assert_int_equal(approval_write(a, &b, &d), CH_INVALID);
    assert_string_equal(d.rule, rule);
    assert_int_equal(b.len, 0);
}

static void writer_refuses_wrong_values(void **state)
{
    (void)state;
    struct approval a = sample();
    a.purpose = APPROVAL_PURPOSE_NONE;
    want_write(&a, "approval.purpose");
    a.purpose = (enum approval_purpose)4;
    want_write(&a, "approval.purpose");
    a = sample();
    a.decision = APPROVAL_DECISION_NONE;
    want_write(&a, "approval.decision");
    a.decision = (enum approval_decision)3;
    want_write(&a, "approval.decision");
    a = sample();
    static const char *const steps[] = {"", "A", "-a", ".a", "a b", "a_b", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        a.step = slice_str(steps[i]);
        want_write(&a, "approval.step");
    }
    a.step = slice_of("a\0b", 3);
    want_write(&a, "approval.step");
    char step[APPROVAL_STEP_MAX + 1];
    memset(step, 'x', sizeof step);
    a.step = slice_of(step, sizeof step);
    want_write(&a, "approval.step");
    a = sample();
    a.purpose = APPROVAL_BUNDLE; /* the step of a bundle has one name only */
    want_write(&a, "approval.step");
    a = sample();
    a.expires_at_s = a.issued_at_s;
    want_write(&a, "approval.life");
    a.expires_at_s = a.issued_at_s + APPROVAL_LIFE_MAX_S + 1;
    want_write(&a, "approval.life");
    a.issued_at_s = -1;
    want_write(&a, "approval.life");
    a.issued_at_s = 0;
    a.expires_at_s = INT64_MAX;
    want_write(&a, "approval.life");
    a.expires_at_s = INT64_MIN;
    want_write(&a, "approval.life");
}

static void bundle_and_longest_life_are_written(void **state)
{
    (void)state;
    struct approval a = sample(), got;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, APPROVAL_MAX);
    a.purpose = APPROVAL_BUNDLE;
    a.step = slice_str(APPROVAL_STEP_PROMOTION);
    a.decision = APPROVAL_REJECT;
    a.expires_at_s = a.issued_at_s + APPROVAL_LIFE_MAX_S;
    assert_int_equal(approval_write(&a, &b, NULL), CH_OK);
    assert_int_equal(approval_read(buf_slice(&b), &got, NULL), CH_OK);
    assert_int_equal(got.purpose, APPROVAL_BUNDLE);
    assert_int_equal(got.decision, APPROVAL_REJECT);
}

static void want_read(struct slice bytes, enum chancery_err want, const char *rule)
{
    struct approval got = {.purpose = APPROVAL_PURPOSE_NONE};
    struct diag d = {.text = ""};
    assert_int_equal(approval_read(bytes, &got, &d), want);
    assert_string_equal(d.rule, rule);
    assert_int_equal(got.purpose, APPROVAL_PURPOSE_NONE); /* untouched */
}

static void reader_refuses_all_but_one_encoding(void **state)
{
    (void)state;
    struct approval a = sample();
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 512);
    assert_int_equal(approval_write(&a, &b, NULL), CH_OK);
    for (size_t cut = 0; cut < b.len; cut++) {
        want_read(slice_of(b.ptr, cut), CH_MALFORMED, "approval.format");
    }
    assert_int_equal(buf_add_u8(&b, 0), CH_OK);
    want_read(buf_slice(&b), CH_MALFORMED, "approval.format");
    b.len--;
    b.ptr[0] ^= 1;
    want_read(buf_slice(&b), CH_MALFORMED, "approval.format");
    b.ptr[0] ^= 1;
    b.ptr[PURPOSE] = 0;
    want_read(buf_slice(&b), CH_INVALID, "approval.purpose");
    b.ptr[PURPOSE] = 4;
    want_read(buf_slice(&b), CH_INVALID, "approval.purpose");
    b.ptr[PURPOSE] = 1;
    b.ptr[STEP + 3] = 65; /* longer than the limit */
    want_read(buf_slice(&b), CH_MALFORMED, "approval.format");
    b.ptr[STEP] = 0xff;
    want_read(buf_slice(&b), CH_MALFORMED, "approval.format");
    b.ptr[STEP] = 0;
    b.ptr[STEP + 3] = 16;
    b.ptr[STEP + 4] = 'S';
    want_read(buf_slice(&b), CH_INVALID, "approval.step");
    b.ptr[STEP + 4] = 's';
    b.ptr[STEP + 20] = 0;
    want_read(buf_slice(&b), CH_INVALID, "approval.decision");
    b.ptr[STEP + 20] = 1;
    b.ptr[STEP + 21] = 0x80; /* a negative time */
    want_read(buf_slice(&b), CH_INVALID, "approval.life");
    b.ptr[STEP + 21] = 0;
    struct approval got;
    assert_int_equal(approval_read(buf_slice(&b), &got, NULL), CH_OK);
}

/* ---- keys and signatures ---- */

struct key {
    EVP_PKEY *pkey;
    struct crypto_public *pub;
    const EVP_MD *md;
};

static void key_take(struct key *k, EVP_PKEY *pkey, const EVP_MD *md)
{
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(pkey, &der);
    assert_true(n > 0);
    *k = (struct key){.pkey = pkey, .md = md};
    assert_int_equal(crypto_public_from_spki(slice_of(der, (size_t)n), &k->pub, NULL), CH_OK);
    OPENSSL_free(der);
}

static void key_clear(struct key *k)
{
    EVP_PKEY_free(k->pkey);
    crypto_public_free(k->pub);
}

/* An approval signed by `k`, valid from NOW for an hour. */
struct paper {
    struct buf bytes;
    uint8_t signature[APPROVAL_SIGNATURE_MAX];
    size_t len;
};

static void sign(struct paper *p, const struct key *k)
{
    struct approval a = sample();
    a.expires_at_s = NOW + 3600;
    memcpy(a.approver, crypto_public_spki_sha256(k->pub), 32);
    buf_init(&p->bytes, APPROVAL_MAX);
    assert_int_equal(approval_write(&a, &p->bytes, NULL), CH_OK);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    p->len = sizeof p->signature;
    assert_int_equal(EVP_DigestSignInit(c, NULL, k->md, NULL, k->pkey), 1);
    assert_int_equal(EVP_DigestSign(c, p->signature, &p->len, p->bytes.ptr, p->bytes.len), 1);
    EVP_MD_CTX_free(c);
}

static void want_check(const struct paper *p, const struct key *k, int64_t now_s,
                       enum chancery_err want, const char *rule)
{
    struct approval got = {.purpose = APPROVAL_PURPOSE_NONE};
    struct diag d = {.rule = ""};
    assert_int_equal(approval_check(buf_slice(&p->bytes), slice_of(p->signature, p->len), k->pub,
                                    now_s, &got, &d),
                     want);
    assert_string_equal(d.rule, rule);
    assert_int_equal(got.purpose, want == CH_OK ? APPROVAL_REQUEST : APPROVAL_PURPOSE_NONE);
}

static void every_kind_of_key_signs_and_is_verified(void **state)
{
    (void)state;
    EVP_PKEY *pkeys[] = {EVP_EC_gen("P-256"), EVP_EC_gen("P-384"),
                         EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"), EVP_RSA_gen(2048),
                         EVP_RSA_gen(2056)};
    const EVP_MD *const mds[] = {EVP_sha256(), EVP_sha384(), NULL, EVP_sha256(), EVP_sha256()};
    for (size_t i = 0; i < 5; i++) {
        struct key k;
        struct paper p;
        key_take(&k, pkeys[i], mds[i]);
        sign(&p, &k);
        want_check(&p, &k, NOW, CH_OK, "");
        p.signature[p.len - 1] ^= 1;
        want_check(&p, &k, NOW, CH_CRYPTO, "approval.signature");
        p.signature[p.len - 1] ^= 1;
        p.len--;
        want_check(&p, &k, NOW, CH_CRYPTO, "approval.signature");
        p.len = 0;
        want_check(&p, &k, NOW, CH_CRYPTO, "approval.signature");
        buf_clear(&p.bytes);
        key_clear(&k);
    }
}

static EVP_PKEY *rsa_with_exponent_3(void)
{
    EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    BIGNUM *three = BN_new();
    EVP_PKEY *out = NULL;
    assert_int_equal(BN_set_word(three, 3), 1);
    assert_int_equal(EVP_PKEY_keygen_init(c), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_keygen_bits(c, 2048), 1);
    assert_int_equal(EVP_PKEY_CTX_set1_rsa_keygen_pubexp(c, three), 1);
    assert_int_equal(EVP_PKEY_generate(c, &out), 1);
    BN_free(three);
    EVP_PKEY_CTX_free(c);
    return out;
}

static void weak_and_foreign_kinds_of_key_are_refused(void **state)
{
    (void)state;
    EVP_PKEY *pkeys[] = {EVP_RSA_gen(1024), EVP_RSA_gen(2040), rsa_with_exponent_3(),
                         EVP_EC_gen("P-521")};
    const EVP_MD *const mds[] = {EVP_sha256(), EVP_sha256(), EVP_sha256(), EVP_sha512()};
    for (size_t i = 0; i < 4; i++) {
        struct key k;
        struct paper p;
        struct diag d = {.rule = ""};
        key_take(&k, pkeys[i], mds[i]);
        assert_int_equal(approval_key_ok(k.pub, &d), CH_UNSUPPORTED);
        assert_string_equal(d.rule, "approval.key");
        sign(&p, &k);
        want_check(&p, &k, NOW, CH_UNSUPPORTED, "approval.key");
        buf_clear(&p.bytes);
        key_clear(&k);
    }
}

static void another_key_is_refused(void **state)
{
    (void)state;
    struct key k, other;
    struct paper p;
    key_take(&k, EVP_EC_gen("P-256"), EVP_sha256());
    key_take(&other, EVP_EC_gen("P-256"), EVP_sha256());
    sign(&p, &k);
    want_check(&p, &other, NOW, CH_CRYPTO, "approval.key");
    memcpy(p.bytes.ptr + p.bytes.len - 32, crypto_public_spki_sha256(other.pub), 32);
    want_check(&p, &other, NOW, CH_CRYPTO, "approval.signature");
    want_check(&p, &k, NOW, CH_CRYPTO, "approval.key");
    buf_clear(&p.bytes);
    key_clear(&k);
    key_clear(&other);
}

static void every_octet_is_signed(void **state)
{
    (void)state;
    struct key k;
    struct paper p;
    key_take(&k, EVP_EC_gen("P-256"), EVP_sha256());
    sign(&p, &k);
    for (size_t i = 0; i < p.bytes.len; i++) {
        struct approval got;
        p.bytes.ptr[i] ^= 1;
        assert_int_not_equal(approval_check(buf_slice(&p.bytes), slice_of(p.signature, p.len),
                                            k.pub, NOW, &got, NULL),
                             CH_OK);
        p.bytes.ptr[i] ^= 1;
    }
    want_check(&p, &k, NOW, CH_OK, "");
    buf_clear(&p.bytes);
    key_clear(&k);
}

static void times_are_checked_to_the_second(void **state)
{
    (void)state;
    struct key k;
    struct paper p;
    key_take(&k, EVP_EC_gen("P-256"), EVP_sha256());
    sign(&p, &k);
    want_check(&p, &k, NOW - 5, CH_OK, "");
    want_check(&p, &k, NOW - 6, CH_PRECONDITION, "approval.future");
    want_check(&p, &k, NOW + 3599, CH_OK, "");
    want_check(&p, &k, NOW + 3600, CH_PRECONDITION, "approval.expired");
    want_check(&p, &k, INT64_MAX, CH_PRECONDITION, "approval.expired");
    want_check(&p, &k, INT64_MIN, CH_PRECONDITION, "approval.future");
    buf_clear(&p.bytes);
    key_clear(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(approval_matches_vector),
        cmocka_unit_test(longest_approval_fits_its_limit),
        cmocka_unit_test(writer_refuses_wrong_values),
        cmocka_unit_test(bundle_and_longest_life_are_written),
        cmocka_unit_test(reader_refuses_all_but_one_encoding),
        cmocka_unit_test(every_kind_of_key_signs_and_is_verified),
        cmocka_unit_test(weak_and_foreign_kinds_of_key_are_refused),
        cmocka_unit_test(another_key_is_refused),
        cmocka_unit_test(every_octet_is_signed),
        cmocka_unit_test(times_are_checked_to_the_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
