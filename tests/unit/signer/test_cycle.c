/* The order of the cycle, with a real token that counts signatures (p11proxy). The log is a fake:
 * it records what it is told, and can refuse or lose what the real one would. */
#include "cm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "cycle.h"
#include "hsm/hsm.h"
#include "os/os.h"
#include "test_softhsm.h"

static struct test_softhsm hsm;
static struct hsm_token *token;
static struct signer_key key;
static struct signer_pool *pool;

/* ---- the fake log ---- */

struct fake_log {
    enum chancery_err intent_call, result_call; /* what Append as a whole answers */
    enum chancery_err refuse[PERMIT_BATCH_MAX]; /* per INTENT */
    unsigned intents, signed_results, failed_results, refusals;
    unsigned lines_at_result; /* signatures of the device when the RESULTs came */
    unsigned lines_at_intent;
    uint64_t next;
};
static struct fake_log fake;

static unsigned journal_lines(void)
{
    unsigned n = 0;
    int c;
    FILE *f = fopen(hsm.journal, "re");
    while (f != NULL && (c = fgetc(f)) != EOF) {
        n += c == '\n';
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return n;
}

static const struct daemon_field *field(const struct daemon_entry *e, const char *name)
{
    for (size_t i = 0; i < e->n_fields; i++) {
        if (strcmp(e->fields[i].name, name) == 0) {
            return &e->fields[i];
        }
    }
    return NULL;
}

static void fake_result(struct fake_log *log, const struct daemon_entry *e)
{
    bool good = slice_eq(field(e, "outcome")->value, slice_str("signed"));
    assert_true(good == (field(e, "signature") != NULL));
    assert_non_null(field(e, "intent"));
    assert_non_null(field(e, "tbs"));
    assert_non_null(field(e, "key"));
    log->signed_results += good;
    log->failed_results += !good;
}

static enum chancery_err fake_append(void *ctx, const struct daemon_entry *entries, size_t n,
                                     unsigned timeout_ms, struct daemon_ack *acks,
                                     struct diag *diag)
{
    struct fake_log *log = ctx;
    assert_true(timeout_ms > 0 && n > 0 && n <= PERMIT_BATCH_MAX);
    bool intents = strcmp(entries[0].action, "intent") == 0;
    enum chancery_err call = intents ? log->intent_call : log->result_call;
    *(intents ? &log->lines_at_intent : &log->lines_at_result) = journal_lines();
    if (call != CH_OK) {
        return diag_set(diag, call, "audit", "audit.away", "the log is away");
    }
    for (size_t i = 0; i < n; i++) {
        memset(&acks[i], 0, sizeof acks[i]);
        acks[i].index = log->next++;
        if (intents) {
            assert_int_equal(entries[i].permit_item.len, 32);
            assert_true(entries[i].permit_expires_s > 0);
            acks[i].err = log->refuse[i];
            if (acks[i].err != CH_OK) {
                (void)diag_set(&acks[i].diag, acks[i].err, "permit_item", "permit.used", "used");
            }
            log->intents += acks[i].err == CH_OK;
        } else if (strcmp(entries[i].action, "result") == 0) {
            fake_result(log, &entries[i]);
        } else {
            assert_string_equal(entries[i].action, "refusal");
            assert_non_null(field(&entries[i], "rule"));
            assert_non_null(field(&entries[i], "caller"));
            log->refusals++;
        }
    }
    return CH_OK;
}

/* ---- jobs ---- */

static uint32_t job_counter;
static struct signer_job jobs[PERMIT_BATCH_MAX];

static void make_jobs(size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct signer_job *j = &jobs[i];
        memset(j, 0, sizeof *j);
        j->state = SIGNER_CHECKED;
        j->purpose = PERMIT_CERTIFICATE;
        j->key = &key;
        j->alg = CRYPTO_ALG_ECDSA_SHA256;
        job_counter++;
        crypto_sha256(slice_of(&job_counter, sizeof job_counter), j->tbs_sha256);
        memcpy(j->digest, j->tbs_sha256, 32);
        j->to_sign = slice_of(j->digest, 32);
    }
}

static void run_jobs(size_t n, int64_t time_left_ms)
{
    static const uint8_t permit[32] = {9};
    struct signer_cycle cycle = {.append = fake_append, .append_ctx = &fake, .pool = pool};
    struct signer_request request = {.caller = "spiffe://test/chancery/ca",
                                     .permit_sha256 = slice_of(permit, sizeof permit),
                                     .permit_expires_s = 1800000060,
                                     .time_left_ms = time_left_ms};
    signer_cycle_run(&cycle, &request, jobs, n);
}

static bool verifies(const struct signer_job *j)
{
    bool valid = false;
    return crypto_verify_digest(hsm_key_public(key.hsm), j->alg, j->to_sign,
                                slice_of(j->signature, j->signature_len), &valid, NULL) == CH_OK &&
           valid;
}

static int setup(void **state)
{
    (void)state;
    struct diag diag = {.field = ""};
    struct hsm_key *k = NULL;
    test_softhsm_start(&hsm);
    test_softhsm_token(&hsm, "signer");
    struct hsm_opts opts = {.module = TEST_P11PROXY_MODULE,
                            .token_uri = "pkcs11:token=signer",
                            .pin_file = hsm.pin,
                            .pin_fd = -1};
    assert_int_equal(hsm_open(&opts, &token, &diag), CH_OK);
    assert_int_equal(hsm_key_generate(token, CRYPTO_KEY_P256, "issuing-1", &k, &diag), CH_OK);
    key = (struct signer_key){
        .spki_sha256 = hsm_key_spki_sha256(k), .type = CRYPTO_KEY_P256, .hsm = k};
    assert_int_equal(signer_pool_new(4, &pool), CH_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    signer_pool_free(pool);
    hsm_close(token);
    test_softhsm_end(&hsm);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    memset(&fake, 0, sizeof fake);
    return 0;
}

static void batch_is_intended_then_signed_then_logged_then_released(void **state)
{
    (void)state;
    unsigned before = journal_lines();
    make_jobs(64);
    run_jobs(64, 10000);
    assert_int_equal(fake.lines_at_intent, before);
    assert_int_equal(fake.lines_at_result, before + 64);
    assert_int_equal(fake.intents, 64);
    assert_int_equal(fake.signed_results, 64);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(jobs[i].state, SIGNER_RELEASED);
        assert_int_equal(jobs[i].intent_index, i);
        assert_int_equal(jobs[i].result_index, 64 + i);
        assert_true(verifies(&jobs[i]));
    }
}

static void intent_that_was_never_sent_signs_nothing(void **state)
{
    (void)state;
    static const enum chancery_err never[] = {CH_PRECONDITION, CH_UNAVAILABLE, CH_BUSY};
    for (size_t k = 0; k < sizeof never / sizeof never[0]; k++) {
        unsigned before = journal_lines();
        make_jobs(4);
        fake.intent_call = never[k];
        run_jobs(4, 10000);
        assert_int_equal(journal_lines(), before);
        for (size_t i = 0; i < 4; i++) {
            assert_int_equal(jobs[i].err, CH_UNAVAILABLE);
            assert_false(signer_job_intent_possible(&jobs[i]));
            assert_int_equal(jobs[i].signature_len, 0);
        }
    }
}

static void lost_intent_acknowledgement_signs_nothing_and_says_intent_possible(void **state)
{
    (void)state;
    static const enum chancery_err lost[] = {CH_UNKNOWN, CH_DEADLINE, CH_NOMEM, CH_INTERNAL};
    for (size_t i = 0; i < sizeof lost / sizeof lost[0]; i++) {
        unsigned before = journal_lines();
        make_jobs(2);
        fake.intent_call = lost[i];
        run_jobs(2, 10000);
        assert_int_equal(journal_lines(), before);
        assert_int_equal(jobs[0].err, CH_UNAVAILABLE);
        assert_true(signer_job_intent_possible(&jobs[0]));
    }
}

static void replayed_item_alone_is_refused_and_logged(void **state)
{
    (void)state;
    unsigned before = journal_lines();
    make_jobs(3);
    fake.refuse[1] = CH_PRECONDITION;
    run_jobs(3, 10000);
    assert_int_equal(journal_lines(), before + 2);
    assert_int_equal(jobs[0].state, SIGNER_RELEASED);
    assert_int_equal(jobs[1].state, SIGNER_REFUSED);
    assert_int_equal(jobs[1].err, CH_PRECONDITION);
    assert_string_equal(jobs[1].diag.rule, "permit.used");
    assert_true(signer_job_intent_possible(&jobs[1]));
    assert_int_equal(jobs[2].state, SIGNER_RELEASED);
    assert_int_equal(fake.refusals, 1);
    assert_int_equal(fake.signed_results, 2);
}

static void busy_log_is_no_refusal(void **state)
{
    (void)state;
    make_jobs(1);
    fake.refuse[0] = CH_BUSY;
    run_jobs(1, 10000);
    assert_int_equal(jobs[0].state, SIGNER_ABORTED);
    assert_int_equal(fake.refusals, 0);
}

static void refused_jobs_are_logged_and_not_signed(void **state)
{
    (void)state;
    unsigned before = journal_lines();
    struct diag why;
    make_jobs(2);
    signer_job_refuse(&jobs[0], diag_set(&why, CH_REFUSED, "tbs", "tbs.digest", "other bytes"),
                      &why);
    signer_job_refuse(&jobs[1], CH_REFUSED, &why);
    run_jobs(2, 10000);
    assert_int_equal(journal_lines(), before);
    assert_int_equal(fake.refusals, 2);
    assert_int_equal(fake.intents, 0);
    assert_int_equal(jobs[0].err, CH_REFUSED);
    assert_false(signer_job_intent_possible(&jobs[0]));
}

static void lost_result_withholds_the_signature(void **state)
{
    (void)state;
    unsigned before = journal_lines();
    make_jobs(3);
    fake.result_call = CH_UNAVAILABLE;
    run_jobs(3, 10000);
    assert_int_equal(journal_lines(), before + 3);
    for (size_t i = 0; i < 3; i++) {
        static const uint8_t none[SIGNER_SIGNATURE_MAX];
        assert_int_equal(jobs[i].err, CH_UNKNOWN);
        assert_int_equal(jobs[i].signature_len, 0);
        assert_memory_equal(jobs[i].signature, none, sizeof none);
        assert_true(signer_job_intent_possible(&jobs[i]));
    }
}

static void failed_sign_has_a_result_that_says_so(void **state)
{
    (void)state;
    make_jobs(1);
    test_softhsm_control(&hsm, "error 30 1\n");
    run_jobs(1, 10000);
    test_softhsm_control(&hsm, "none\n");
    assert_int_equal(fake.failed_results, 1);
    assert_int_equal(fake.signed_results, 0);
    assert_int_equal(jobs[0].err, CH_HSM);
    make_jobs(1);
    run_jobs(1, 10000);
    assert_int_equal(jobs[0].state, SIGNER_RELEASED);
}

static void wrong_signature_never_leaves(void **state)
{
    (void)state;
    make_jobs(1);
    test_softhsm_control(&hsm, "wrong_signature 1\n");
    run_jobs(1, 10000);
    test_softhsm_control(&hsm, "none\n");
    assert_int_equal(jobs[0].err, CH_INTEGRITY);
    assert_int_equal(jobs[0].signature_len, 0);
    assert_int_equal(fake.failed_results, 1);
}

static void too_little_time_burns_no_item(void **state)
{
    (void)state;
    make_jobs(1);
    run_jobs(1, 10);
    assert_int_equal(jobs[0].err, CH_DEADLINE);
    assert_int_equal(fake.intents, 0);
    assert_false(signer_job_intent_possible(&jobs[0]));
}

/* ---- the pool ---- */

static _Atomic unsigned hits[256];

static void hit(void *ctx, size_t i)
{
    (void)ctx;
    (void)atomic_fetch_add(&hits[i], 1);
}

static void *pool_user(void *arg)
{
    for (int round = 0; round < 50; round++) {
        signer_pool_run(pool, hit, arg, 256);
    }
    return NULL;
}

static void pool_runs_each_index_once_per_batch(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, pool_user, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    signer_pool_run(pool, hit, NULL, 0);
    for (size_t i = 0; i < 256; i++) {
        assert_int_equal(atomic_load(&hits[i]), 200);
    }
}

#define TEST(f) cmocka_unit_test_setup(f, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(batch_is_intended_then_signed_then_logged_then_released),
        TEST(intent_that_was_never_sent_signs_nothing),
        TEST(lost_intent_acknowledgement_signs_nothing_and_says_intent_possible),
        TEST(replayed_item_alone_is_refused_and_logged),
        TEST(busy_log_is_no_refusal),
        TEST(refused_jobs_are_logged_and_not_signed),
        TEST(lost_result_withholds_the_signature),
        TEST(failed_sign_has_a_result_that_says_so),
        TEST(wrong_signature_never_leaves),
        TEST(too_little_time_burns_no_item),
        TEST(pool_runs_each_index_once_per_batch),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
