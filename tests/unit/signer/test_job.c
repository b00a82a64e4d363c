/* What must be true before the HSM hears of a signature: each condition broken on its own. */
#include "tests_signer.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "job.h"

#define NOW 1800000000

/* A policy that allows one item, and a signer with one P-256 key. */
struct world {
    EVP_PKEY *policy;
    struct crypto_public *pinned;
    struct buf tbs, item, permit;
    uint8_t signature[128];
    size_t signature_len;
    uint8_t spki[PERMIT_DIGEST];
    struct permit_item allow;
    int64_t expires_s;
    struct signer_keys keys;
    struct signer_permit opened;
    struct slice items[1];
    struct signer_job job;
    struct diag diag;
};
static struct world w;

static struct crypto_public *public_of(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    struct crypto_public *out = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    MUST(crypto_public_from_spki(slice_of(der, (size_t)len), &out, NULL));
    OPENSSL_free(der);
    return out;
}

static int begin(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    buf_init(&w.tbs, 1 << 20);
    buf_init(&w.item, 4096);
    buf_init(&w.permit, 4096);
    w.policy = EVP_EC_gen("P-256");
    w.pinned = public_of(w.policy);
    memset(w.spki, 0x42, sizeof w.spki);
    w.keys.keys[0] = (struct signer_key){.spki_sha256 = w.spki, .type = CRYPTO_KEY_P256};
    w.keys.n = 1;
    struct tests_certificate c = tests_certificate_good();
    tests_put_certificate(&w.tbs, &c);
    w.allow = (struct permit_item){.purpose = PERMIT_CERTIFICATE, .verdict = PERMIT_ALLOW};
    memcpy(w.allow.issuer_spki_sha256, w.spki, PERMIT_DIGEST);
    memset(w.allow.request_digest, 1, PERMIT_DIGEST);
    crypto_sha256(buf_slice(&w.tbs), w.allow.tbs_sha256);
    w.expires_s = NOW + 60;
    return 0;
}

static int end(void **state)
{
    (void)state;
    EVP_PKEY_free(w.policy);
    crypto_public_free(w.pinned);
    buf_clear(&w.tbs);
    buf_clear(&w.item);
    buf_clear(&w.permit);
    return 0;
}

static void policy_signs(void)
{
    struct permit p = {.expires_at_s = w.expires_s, .n = 1};
    MUST(permit_item_write(&w.allow, &w.item));
    w.items[0] = buf_slice(&w.item);
    permit_root(w.items, 1, p.root);
    MUST(permit_write(&p, &w.permit));
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    w.signature_len = sizeof w.signature;
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, w.policy), 1);
    assert_int_equal(EVP_DigestSign(ctx, w.signature, &w.signature_len, w.permit.ptr, w.permit.len),
                     1);
    EVP_MD_CTX_free(ctx);
}

static enum chancery_err open_at(int64_t now_s)
{
    return signer_permit_open(buf_slice(&w.permit), slice_of(w.signature, w.signature_len),
                              &w.pinned, 1, w.items, 1, now_s, &w.opened, &w.diag);
}

/* Permit signed and opened, then the job checked. */
static void check(void)
{
    policy_signs();
    MUST(open_at(NOW));
    signer_job_certificate(&w.job, &w.opened, 0, &w.keys, buf_slice(&w.tbs));
}

static void expect_refused(enum chancery_err err, const char *rule)
{
    assert_int_equal(w.job.state, SIGNER_REFUSED);
    assert_string_equal(w.job.diag.rule, rule);
    assert_int_equal(w.job.err, err);
    assert_int_equal(w.job.to_sign.len, 0);
}

static void honest_item_is_checked(void **state)
{
    (void)state;
    check();
    assert_int_equal(w.job.state, SIGNER_CHECKED);
    assert_int_equal(w.job.alg, CRYPTO_ALG_ECDSA_SHA256);
    assert_int_equal(w.job.to_sign.len, 32);
    assert_memory_equal(w.job.to_sign.ptr, w.allow.tbs_sha256, 32);
    assert_ptr_equal(w.job.key, &w.keys.keys[0]);
    uint8_t id[PERMIT_DIGEST];
    permit_item_id(w.items[0], id);
    assert_memory_equal(w.job.item_id, id, sizeof id);
}

static void permit_by_another_key_is_refused(void **state)
{
    (void)state;
    EVP_PKEY *other = EVP_EC_gen("P-256");
    struct crypto_public *pinned = public_of(other);
    policy_signs();
    assert_int_not_equal(signer_permit_open(buf_slice(&w.permit),
                                            slice_of(w.signature, w.signature_len), &pinned, 1,
                                            w.items, 1, NOW, &w.opened, &w.diag),
                         CH_OK);
    assert_string_equal(w.diag.rule, "permit.signature");
    assert_int_not_equal(signer_permit_open(buf_slice(&w.permit),
                                            slice_of(w.signature, w.signature_len), NULL, 0,
                                            w.items, 1, NOW, &w.opened, &w.diag),
                         CH_OK);
    crypto_public_free(pinned);
    EVP_PKEY_free(other);
}

static void altered_permit_is_refused(void **state)
{
    (void)state;
    policy_signs();
    w.permit.ptr[w.permit.len - 1] ^= 1;
    assert_int_not_equal(open_at(NOW), CH_OK);
    assert_string_equal(w.diag.rule, "permit.signature");
}

static void expired_permit_is_refused(void **state)
{
    (void)state;
    policy_signs();
    assert_int_equal(open_at(w.expires_s), CH_PRECONDITION);
    assert_string_equal(w.diag.rule, "permit.expired");
    MUST(open_at(w.expires_s - 1));
}

static void item_that_is_not_under_the_root_is_refused(void **state)
{
    (void)state;
    policy_signs();
    w.item.ptr[w.item.len - 1] ^= 1;
    assert_int_equal(open_at(NOW), CH_INVALID);
    assert_string_equal(w.diag.rule, "permit.root");
}

static void no_or_too_many_items_are_refused(void **state)
{
    (void)state;
    static struct slice many[PERMIT_BATCH_MAX + 1];
    policy_signs();
    struct slice permit = buf_slice(&w.permit), signature = slice_of(w.signature, w.signature_len);
    assert_int_equal(
        signer_permit_open(permit, signature, &w.pinned, 1, NULL, 0, NOW, &w.opened, &w.diag),
        CH_LIMIT);
    assert_int_equal(signer_permit_open(permit, signature, &w.pinned, 1, many, PERMIT_BATCH_MAX + 1,
                                        NOW, &w.opened, &w.diag),
                     CH_LIMIT);
    many[0] = w.items[0];
    many[1] = w.items[0];
    assert_int_equal(
        signer_permit_open(permit, signature, &w.pinned, 1, many, 2, NOW, &w.opened, &w.diag),
        CH_INVALID);
    assert_string_equal(w.diag.rule, "permit.items");
}

static void refused_item_is_refused(void **state)
{
    (void)state;
    w.allow.verdict = PERMIT_REFUSE;
    check();
    expect_refused(CH_REFUSED, "permit.verdict");
}

static void crl_item_never_signs_a_certificate(void **state)
{
    (void)state;
    w.allow.purpose = PERMIT_CRL;
    memset(w.allow.request_digest, 0, PERMIT_DIGEST);
    check();
    expect_refused(CH_REFUSED, "permit.purpose");
}

static void index_outside_the_permit_is_refused(void **state)
{
    (void)state;
    policy_signs();
    MUST(open_at(NOW));
    signer_job_certificate(&w.job, &w.opened, 1, &w.keys, buf_slice(&w.tbs));
    expect_refused(CH_INVALID, "permit.index");
}

static void item_for_a_key_not_held_is_refused(void **state)
{
    (void)state;
    w.allow.issuer_spki_sha256[0] ^= 1;
    check();
    expect_refused(CH_NOT_FOUND, "key.unknown");
}

static void altered_tbs_is_refused(void **state)
{
    (void)state;
    w.tbs.ptr[w.tbs.len - 1] ^= 1;
    check();
    expect_refused(CH_REFUSED, "tbs.digest");
}

static void tbs_of_a_crl_under_a_certificate_item_is_refused(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    buf_reset(&w.tbs);
    tests_put_crl(&w.tbs, &c);
    crypto_sha256(buf_slice(&w.tbs), w.allow.tbs_sha256);
    check();
    expect_refused(CH_INVALID, "tbs.kind");
}

static void algorithm_that_does_not_fit_the_key_is_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    c.alg = crypto_alg_der(CRYPTO_ALG_RSA_SHA256);
    buf_reset(&w.tbs);
    tests_put_certificate(&w.tbs, &c);
    crypto_sha256(buf_slice(&w.tbs), w.allow.tbs_sha256);
    check();
    expect_refused(CH_INVALID, "tbs.algorithm.key");
}

static void oversized_tbs_is_refused(void **state)
{
    (void)state;
    struct tests_certificate c = tests_certificate_good();
    c.rest = SIGNER_TBS_MAX;
    buf_reset(&w.tbs);
    tests_put_certificate(&w.tbs, &c);
    crypto_sha256(buf_slice(&w.tbs), w.allow.tbs_sha256);
    check();
    expect_refused(CH_LIMIT, "tbs.size");
}

static void ed25519_signs_the_message_and_sha384_its_own_digest(void **state)
{
    (void)state;
    const struct {
        enum crypto_alg alg;
        enum crypto_key_type type;
        size_t len;
    } rows[] = {{CRYPTO_ALG_ED25519, CRYPTO_KEY_ED25519, 0},
                {CRYPTO_ALG_ECDSA_SHA384, CRYPTO_KEY_P384, 48}};
    for (size_t i = 0; i < 2; i++) {
        struct tests_certificate c = tests_certificate_good();
        c.alg = crypto_alg_der(rows[i].alg);
        buf_reset(&w.tbs);
        buf_reset(&w.item);
        buf_reset(&w.permit);
        tests_put_certificate(&w.tbs, &c);
        crypto_sha256(buf_slice(&w.tbs), w.allow.tbs_sha256);
        w.keys.keys[0].type = rows[i].type;
        check();
        assert_int_equal(w.job.state, SIGNER_CHECKED);
        assert_int_equal(w.job.to_sign.len, rows[i].len == 0 ? w.tbs.len : rows[i].len);
    }
}

static void crl_with_another_this_update_is_refused(void **state)
{
    (void)state;
    struct tests_crl c = tests_crl_good();
    buf_reset(&w.tbs);
    tests_put_crl(&w.tbs, &c);
    w.allow.purpose = PERMIT_CRL;
    memset(w.allow.request_digest, 0, PERMIT_DIGEST);
    w.allow.crl_this_update_s = c.this_update_s - 1;
    policy_signs();
    MUST(open_at(NOW));
    MUST(signer_job_item(&w.job, &w.opened, 0, PERMIT_CRL, &w.keys, &w.diag));
    assert_int_equal(signer_job_head(&w.job, buf_slice(&w.tbs), w.tbs.len, &w.diag), CH_REFUSED);
    assert_string_equal(w.diag.rule, "tbs.this_update");
    w.job.item.crl_this_update_s = c.this_update_s;
    MUST(signer_job_head(&w.job, buf_slice(&w.tbs), w.tbs.len, &w.diag));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(honest_item_is_checked),
        TEST(permit_by_another_key_is_refused),
        TEST(altered_permit_is_refused),
        TEST(expired_permit_is_refused),
        TEST(item_that_is_not_under_the_root_is_refused),
        TEST(no_or_too_many_items_are_refused),
        TEST(refused_item_is_refused),
        TEST(crl_item_never_signs_a_certificate),
        TEST(index_outside_the_permit_is_refused),
        TEST(item_for_a_key_not_held_is_refused),
        TEST(altered_tbs_is_refused),
        TEST(tbs_of_a_crl_under_a_certificate_item_is_refused),
        TEST(algorithm_that_does_not_fit_the_key_is_refused),
        TEST(oversized_tbs_is_refused),
        TEST(ed25519_signs_the_message_and_sha384_its_own_digest),
        TEST(crl_with_another_this_update_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
