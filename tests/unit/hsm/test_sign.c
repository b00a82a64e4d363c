/* Signatures of each key type and algorithm, checked here with OpenSSL over the message. */
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>

#include "os/os.h"
#include "tests_hsm.h"

static struct test_softhsm hsm;
static struct hsm_token *token;

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "sign");
    token = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=sign");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hsm_close(token);
    test_softhsm_end(&hsm);
    return 0;
}

static const EVP_MD *md_of(enum crypto_alg alg)
{
    switch (crypto_alg_hash(alg)) {
    case CRYPTO_HASH_SHA256:
        return EVP_sha256();
    case CRYPTO_HASH_SHA384:
        return EVP_sha384();
    case CRYPTO_HASH_SHA512:
        return EVP_sha512();
    default:
        return NULL;
    }
}

static bool openssl_verifies(const struct hsm_key *k, enum crypto_alg alg, struct slice message,
                             struct slice signature)
{
    const unsigned char *p = hsm_key_spki(k).ptr;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)hsm_key_spki(k).len);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    assert_int_equal(EVP_DigestVerifyInit(ctx, &pctx, md_of(alg), NULL, pkey), 1);
    if (alg >= CRYPTO_ALG_RSA_PSS_SHA256 && alg <= CRYPTO_ALG_RSA_PSS_SHA512) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    int ok = EVP_DigestVerify(ctx, signature.ptr, signature.len, message.ptr, message.len);
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok == 1;
}

static void check_type(enum crypto_key_type type)
{
    struct hsm_key *k = tests_hsm_generate(token, type, crypto_key_type_name(type));
    struct slice message = slice_str("to be signed");
    unsigned algorithms = 0;
    for (int alg = CRYPTO_ALG_RSA_SHA256; alg <= CRYPTO_ALG_ED25519; alg++) {
        struct buf out;
        struct diag d = {.field = ""};
        buf_init(&out, 2048);
        enum chancery_err err = hsm_sign(k, (enum crypto_alg)alg, message, 5000, &out, &d);
        if (!crypto_alg_fits((enum crypto_alg)alg, type)) {
            assert_int_equal(err, CH_INVALID);
            assert_int_equal(out.len, 0);
        } else {
            if (err != CH_OK) {
                fail_msg("%s: %s", crypto_alg_name((enum crypto_alg)alg), d.text);
            }
            assert_true(openssl_verifies(k, (enum crypto_alg)alg, message, buf_slice(&out)));
            algorithms++;
        }
        buf_clear(&out);
    }
    assert_true(algorithms > 0);
}

static void sign_p256_verifies(void **state)
{
    (void)state;
    check_type(CRYPTO_KEY_P256);
}

static void sign_p384_verifies(void **state)
{
    (void)state;
    check_type(CRYPTO_KEY_P384);
}

static void sign_p521_verifies(void **state)
{
    (void)state;
    check_type(CRYPTO_KEY_P521);
}

static void sign_rsa_pkcs1_and_pss_verify(void **state)
{
    (void)state;
    check_type(CRYPTO_KEY_RSA_2048);
}

static void sign_ed25519_verifies(void **state)
{
    (void)state;
    check_type(CRYPTO_KEY_ED25519);
}

static void sign_digest_of_wrong_size_is_refused(void **state)
{
    (void)state;
    struct hsm_key *k = tests_hsm_generate(token, CRYPTO_KEY_P256, "size");
    struct buf out;
    struct diag d;
    uint8_t digest[64] = {1};
    buf_init(&out, 2048);
    assert_int_equal(
        hsm_sign_digest(k, CRYPTO_ALG_ECDSA_SHA256, slice_of(digest, 31), 100, &out, &d),
        CH_INVALID);
    assert_int_equal(
        hsm_sign_digest(k, CRYPTO_ALG_ECDSA_SHA256, slice_of(digest, 48), 100, &out, &d),
        CH_INVALID);
    assert_int_equal(out.len, 0);
    buf_clear(&out);
}

static void sign_appends_and_keeps_what_was_there(void **state)
{
    (void)state;
    struct hsm_key *k = tests_hsm_generate(token, CRYPTO_KEY_P256, "append");
    struct buf out;
    buf_init(&out, 2048);
    assert_int_equal(buf_add_str(&out, "kept"), CH_OK);
    assert_int_equal(hsm_sign(k, CRYPTO_ALG_ECDSA_SHA256, slice_str("m"), 5000, &out, NULL), CH_OK);
    assert_memory_equal(out.ptr, "kept", 4);
    assert_true(openssl_verifies(k, CRYPTO_ALG_ECDSA_SHA256, slice_str("m"),
                                 slice_of(out.ptr + 4, out.len - 4)));
    buf_clear(&out);
}

/* More threads than sessions: the pool makes them wait, all signatures verify. */
static void *sign_many(void *arg)
{
    struct hsm_key *k = arg;
    uintptr_t bad = 0;
    for (int i = 0; i < 20; i++) {
        struct buf out;
        char message[32];
        (void)snprintf(message, sizeof message, "%d %p", i, (void *)&out);
        buf_init(&out, 2048);
        bad += hsm_sign(k, CRYPTO_ALG_ECDSA_SHA256, slice_str(message), 20000, &out, NULL) != CH_OK;
        buf_clear(&out);
    }
    return (void *)bad;
}

static void sign_from_more_threads_than_sessions_works(void **state)
{
    (void)state;
    struct hsm_key *k = tests_hsm_generate(token, CRYPTO_KEY_P256, "threads");
    pthread_t threads[12];
    for (size_t i = 0; i < 12; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, sign_many, k), 0);
    }
    for (size_t i = 0; i < 12; i++) {
        void *bad = NULL;
        assert_int_equal(pthread_join(threads[i], &bad), 0);
        assert_null(bad);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_p256_verifies),
        cmocka_unit_test(sign_p384_verifies),
        cmocka_unit_test(sign_p521_verifies),
        cmocka_unit_test(sign_rsa_pkcs1_and_pss_verify),
        cmocka_unit_test(sign_ed25519_verifies),
        cmocka_unit_test(sign_digest_of_wrong_size_is_refused),
        cmocka_unit_test(sign_appends_and_keeps_what_was_there),
        cmocka_unit_test(sign_from_more_threads_than_sessions_works),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
