/* Diagnosis: a good token passes, a broken one is named. */
#include <stdio.h>
#include <stdlib.h>

#include "tests_hsm.h"

static struct test_softhsm hsm;

struct seen {
    unsigned ok, fail, algorithms;
    char last_fail[512];
};

static void note(void *ctx, enum hsm_check_level level, const char *what, const char *detail)
{
    struct seen *s = ctx;
    s->ok += level == HSM_CHECK_OK;
    s->algorithms += level == HSM_CHECK_OK && strcmp(what, "algorithm") == 0;
    if (level == HSM_CHECK_FAIL) {
        s->fail++;
        (void)snprintf(s->last_fail, sizeof s->last_fail, "%s: %s", what, detail);
    }
}

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "check");
    struct hsm_token *t = tests_hsm_open(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=check");
    (void)tests_hsm_generate(t, CRYPTO_KEY_P256, "good");
    hsm_close(t);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_softhsm_end(&hsm);
    return 0;
}

static void check_good_token_has_no_failure(void **state)
{
    (void)state;
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=check");
    struct seen seen = {0};
    unsigned failed = 99;
    struct diag d = {.field = ""};
    assert_int_equal(hsm_check(&opts, true, note, &seen, &failed, &d), CH_OK);
    if (seen.fail > 0) {
        fail_msg("%s", seen.last_fail);
    }
    assert_int_equal(failed, 0);
    assert_true(seen.ok > 8);
    assert_int_equal(seen.algorithms, 16); /* RSA 6, three curves 3 each, Ed25519 1 */
}

static void check_names_a_key_with_weak_attributes(void **state)
{
    (void)state;
    char command[512];
    (void)snprintf(command, sizeof command,
                   "pkcs11-tool --module %s --token-label check -l --pin user-pin-4711 -k "
                   "--key-type EC:prime256v1 --label careless --id 99 >/dev/null 2>&1",
                   TEST_SOFTHSM_MODULE);
    assert_int_equal(system(command), 0);
    struct hsm_opts opts = tests_hsm_opts(&hsm, TEST_SOFTHSM_MODULE, "pkcs11:token=check");
    struct seen seen = {0};
    unsigned failed = 0;
    struct diag d = {.field = ""};
    assert_int_equal(hsm_check(&opts, false, note, &seen, &failed, &d), CH_OK);
    assert_int_equal(failed, 1);
    assert_non_null(strstr(seen.last_fail, "careless"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(check_good_token_has_no_failure),
        cmocka_unit_test(check_names_a_key_with_weak_attributes),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
