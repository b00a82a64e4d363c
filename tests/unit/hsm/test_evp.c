/* libp11 behind its fence. */
#include <openssl/evp.h>
#include <stdio.h>

#include "tests_hsm.h"

static struct test_softhsm hsm;

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "clean");
    test_softhsm_token(&hsm, "stray");
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=clean");
    (void)tests_hsm_generate(t, CRYPTO_KEY_P256, "ec");
    (void)tests_hsm_generate(t, CRYPTO_KEY_RSA_2048, "rsa");
    hsm_close(t);
    t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=stray");
    (void)tests_hsm_generate(t, CRYPTO_KEY_P256, "ec");
    (void)tests_hsm_generate(t, CRYPTO_KEY_ED25519, "ed");
    hsm_close(t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_softhsm_end(&hsm);
    return 0;
}

static void sign_and_verify(const char *key_uri)
{
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=clean");
    struct hsm_evp *e = NULL;
    struct diag d = {.field = ""};
    if (hsm_evp_open(&opts, key_uri, &e, &d) != CH_OK) {
        fail_msg("%s: %s", d.rule, d.text);
    }
    EVP_PKEY *pkey = hsm_evp_pkey(e);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    unsigned char signature[512];
    size_t len = sizeof signature;
    hsm_evp_enter(e);
    int signed_ok = EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, pkey) == 1 &&
                    EVP_DigestSign(ctx, signature, &len, (const unsigned char *)"m", 1) == 1;
    hsm_evp_leave(e);
    assert_true(signed_ok);
    EVP_MD_CTX_free(ctx);
    ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, pkey), 1);
    assert_int_equal(EVP_DigestVerify(ctx, signature, len, (const unsigned char *)"m", 1), 1);
    EVP_MD_CTX_free(ctx);
    hsm_evp_close(e);
}

static void evp_signs_with_ec_and_rsa(void **state)
{
    (void)state;
    sign_and_verify("pkcs11:object=ec");
    sign_and_verify("pkcs11:object=rsa");
}

static void evp_on_a_token_with_ed25519_is_refused_clearly(void **state)
{
    (void)state;
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=stray");
    struct hsm_evp *e = NULL;
    struct diag d = {.field = ""};
    assert_int_equal(hsm_evp_open(&opts, "pkcs11:object=ec", &e, &d), CH_UNSUPPORTED);
    assert_string_equal(d.rule, "hsm.evp.ed25519");
    assert_non_null(strstr(d.text, "Ed25519"));
    assert_null(e);
}

static void evp_beside_direct_use_is_refused(void **state)
{
    (void)state;
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=clean");
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=clean"),
                     *other = NULL;
    struct hsm_evp *e = NULL;
    struct diag d = {.field = ""};
    assert_int_equal(hsm_evp_open(&opts, "pkcs11:object=ec", &e, &d), CH_PRECONDITION);
    assert_null(e);
    assert_true(hsm_healthy(t));
    hsm_close(t);
    assert_int_equal(hsm_evp_open(&opts, "pkcs11:object=ec", &e, &d), CH_OK);
    assert_int_equal(hsm_open(&opts, &other, &d), CH_PRECONDITION);
    hsm_evp_close(e);
    assert_int_equal(hsm_evp_open(&opts, "pkcs11:object=nothing", &e, &d), CH_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evp_signs_with_ec_and_rsa),
        cmocka_unit_test(evp_on_a_token_with_ed25519_is_refused_clearly),
        cmocka_unit_test(evp_beside_direct_use_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
