/* Recovery after each fault that p11proxy makes, and after a token folder that goes and comes back.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "os/os.h"
#include "tests_hsm.h"

#define RESUME_MS 5000

static struct test_softhsm hsm;
static struct hsm_token *token;
static struct hsm_key *key;

static int setup(void **state)
{
    (void)state;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "recover");
    token = tests_hsm_open(&hsm, TEST_P11PROXY_MODULE, "pkcs11:token=recover");
    key = tests_hsm_generate(token, CRYPTO_KEY_P256, "k");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    hsm_close(token);
    test_softhsm_end(&hsm);
    return 0;
}

static enum chancery_err sign(const char *message, unsigned wait_ms, struct buf *out,
                              struct diag *d)
{
    diag_clear(d);
    buf_reset(out);
    return hsm_sign(key, CRYPTO_ALG_ECDSA_SHA256, slice_str(message), wait_ms, out, d);
}

static bool valid(const char *message, const struct buf *signature)
{
    bool ok = false;
    return crypto_verify(hsm_key_public(key), CRYPTO_ALG_ECDSA_SHA256, slice_str(message),
                         buf_slice(signature), &ok, NULL) == CH_OK &&
           ok;
}

/* The journal's lines with this message's digest. */
static unsigned journal_lines(const char *message)
{
    uint8_t digest[32];
    char hex[65], line[512];
    unsigned n = 0;
    crypto_sha256(slice_str(message), digest);
    hex_encode(slice_of(digest, sizeof digest), hex);
    FILE *f = fopen(hsm.journal, "re");
    assert_non_null(f);
    while (fgets(line, sizeof line, f) != NULL) {
        n += strstr(line, hex) != NULL;
    }
    (void)fclose(f);
    return n;
}

/* Signing waits for recovery by itself: one call within the time limit must succeed. */
static void expect_resumes(const char *message)
{
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    int64_t start = os_mono_ms();
    enum chancery_err err = sign(message, RESUME_MS, &out, &d);
    if (err != CH_OK) {
        fail_msg("%s: %s %s", message, err_name(err), d.text);
    }
    assert_true(valid(message, &out));
    assert_int_equal(journal_lines(message), 1);
    assert_true(os_mono_ms() - start < RESUME_MS);
    assert_true(hsm_healthy(token));
    buf_clear(&out);
}

static void sign_error_once_fails_that_call_and_resumes(void **state)
{
    (void)state;
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    test_softhsm_control(&hsm, "error 30 1\n");
    assert_int_equal(sign("device error", RESUME_MS, &out, &d), CH_HSM);
    assert_non_null(strstr(d.text, "CKR_DEVICE_ERROR"));
    assert_int_equal(out.len, 0);
    assert_int_equal(journal_lines("device error"), 0);
    expect_resumes("after device error");
    buf_clear(&out);
}

static void sign_lasting_error_is_unavailable_until_it_ends(void **state)
{
    (void)state;
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    test_softhsm_control(&hsm, "error 5\n");
    assert_int_equal(sign("lasting", RESUME_MS, &out, &d), CH_HSM);
    assert_int_equal(sign("lasting", 300, &out, &d), CH_UNAVAILABLE);
    assert_string_equal(d.rule, "hsm.recovering");
    assert_false(hsm_healthy(token));
    assert_int_equal(journal_lines("lasting"), 0);
    test_softhsm_control(&hsm, "none\n");
    expect_resumes("after lasting error");
    buf_clear(&out);
}

static void sign_session_loss_is_healed_inside_one_call(void **state)
{
    (void)state;
    test_softhsm_control(&hsm, "session_loss\n");
    expect_resumes("session loss");
    test_softhsm_control(&hsm, "none\n");
}

static void sign_wrong_signature_is_never_returned(void **state)
{
    (void)state;
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    test_softhsm_control(&hsm, "wrong_signature\n");
    assert_int_equal(sign("wrong", RESUME_MS, &out, &d), CH_INTEGRITY);
    assert_string_equal(d.rule, "hsm.signature");
    assert_int_equal(out.len, 0);
    assert_int_equal(journal_lines("wrong"), 1);
    /* Stopped: the probe is wrong too, so nothing reaches the device with a real message. */
    assert_int_equal(sign("wrong again", 300, &out, &d), CH_UNAVAILABLE);
    assert_int_equal(journal_lines("wrong again"), 0);
    assert_false(hsm_healthy(token));
    test_softhsm_control(&hsm, "none\n");
    expect_resumes("after wrong signature");
    buf_clear(&out);
}

static void sign_delay_under_the_deadline_works(void **state)
{
    (void)state;
    test_softhsm_control(&hsm, "delay 200\n");
    expect_resumes("delayed");
    test_softhsm_control(&hsm, "none\n");
}

static void sign_fault_filtered_to_another_key_does_not_matter(void **state)
{
    (void)state;
    test_softhsm_control(&hsm, "error 30\nkey 00ff\n");
    expect_resumes("filtered");
    test_softhsm_control(&hsm, "none\n");
}

static void token_folder_away_and_back_resumes(void **state)
{
    (void)state;
    char away[128];
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    (void)snprintf(away, sizeof away, "%s/away", hsm.dir);
    assert_int_equal(rename(hsm.tokens, away), 0);
    assert_int_not_equal(sign("away", 300, &out, &d), CH_OK);
    assert_int_not_equal(sign("away", 300, &out, &d), CH_OK);
    assert_false(hsm_healthy(token));
    assert_int_equal(rename(away, hsm.tokens), 0);
    expect_resumes("back");
    buf_clear(&out);
}

/* ---- faults while many sign ---- */

static _Atomic bool load_stop;
static _Atomic unsigned load_good, load_bad, load_wrong;

static void *load_main(void *arg)
{
    unsigned id = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; !atomic_load(&load_stop); i++) {
        struct buf out;
        char message[48];
        buf_init(&out, 2048);
        (void)snprintf(message, sizeof message, "load %u %u", id, i);
        if (hsm_sign(key, CRYPTO_ALG_ECDSA_SHA256, slice_str(message), RESUME_MS, &out, NULL) ==
            CH_OK) {
            (void)atomic_fetch_add(valid(message, &out) ? &load_good : &load_wrong, 1);
        } else {
            (void)atomic_fetch_add(&load_bad, 1);
        }
        buf_clear(&out);
    }
    return NULL;
}

static void load_wait_for(unsigned more)
{
    unsigned target = atomic_load(&load_good) + more;
    int64_t end = os_mono_ms() + 20000;
    while (atomic_load(&load_good) < target) {
        assert_true(os_mono_ms() < end);
        struct timespec t = {0, 1000000};
        (void)nanosleep(&t, NULL);
    }
}

static void faults_under_load_release_nothing_wrong(void **state)
{
    (void)state;
    static const char *const faults[] = {"error 30 3\n", "session_loss\n", "wrong_signature 2\n",
                                         "error e0 1\n", "session_loss\n", "delay 5\n"};
    pthread_t threads[6];
    for (uintptr_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, load_main, (void *)i), 0);
    }
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        load_wait_for(20);
        test_softhsm_control(&hsm, faults[i]);
        load_wait_for(20);
        test_softhsm_control(&hsm, "none\n");
    }
    load_wait_for(20);
    atomic_store(&load_stop, true);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&load_wrong), 0);
    assert_true(atomic_load(&load_bad) >= 1);
    expect_resumes("after load");
}

/* The key is exchanged for another of the same name: it is not used. */
static void another_key_under_the_same_name_is_not_used(void **state)
{
    (void)state;
    char away[128], command[512];
    struct buf out;
    struct diag d;
    buf_init(&out, 2048);
    (void)snprintf(away, sizeof away, "%s/original", hsm.dir);
    assert_int_equal(rename(hsm.tokens, away), 0);
    /* A second token of the same label, with a key of the same label and id, made in another
     * process. */
    struct hsm_uri_id {
        char hex[128];
    } id = {{0}};
    const char *p = strstr(hsm_key_uri(key), "id=");
    size_t n = 0;
    for (p += 3; *p == '%'; p += 3) {
        id.hex[n++] = p[1];
        id.hex[n++] = p[2];
    }
    (void)snprintf(
        command, sizeof command,
        "mkdir -m 700 %s && softhsm2-util --init-token --free --label recover "
        "--so-pin officer-pin-0815 --pin user-pin-4711 >/dev/null && pkcs11-tool --module %s "
        "--token-label recover -l --pin user-pin-4711 -k --key-type EC:prime256v1 "
        "--label k --id %s >/dev/null 2>&1",
        hsm.tokens, TEST_SOFTHSM_MODULE, id.hex);
    assert_int_equal(system(command), 0);
    test_softhsm_control(&hsm, "session_loss\n");
    assert_int_not_equal(sign("imposter", 1500, &out, &d), CH_OK);
    assert_int_equal(journal_lines("imposter"), 0);
    (void)snprintf(command, sizeof command, "rm -r %s", hsm.tokens);
    assert_int_equal(system(command), 0);
    assert_int_equal(rename(away, hsm.tokens), 0);
    expect_resumes("original");
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sign_error_once_fails_that_call_and_resumes),
        cmocka_unit_test(sign_lasting_error_is_unavailable_until_it_ends),
        cmocka_unit_test(sign_session_loss_is_healed_inside_one_call),
        cmocka_unit_test(sign_wrong_signature_is_never_returned),
        cmocka_unit_test(sign_delay_under_the_deadline_works),
        cmocka_unit_test(sign_fault_filtered_to_another_key_does_not_matter),
        cmocka_unit_test(token_folder_away_and_back_resumes),
        cmocka_unit_test(faults_under_load_release_nothing_wrong),
        cmocka_unit_test(another_key_under_the_same_name_is_not_used),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
