/* Parts that are away, answers that are lost, callers that leave, other instances, and the end. The
 * ca behind is a fake. */
#include "fixture.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>

#include "fake_ca.h"
#include "os/os.h"

#define THREADS 16
#define ROUNDS 12

static void expect(const struct answer *a, enum chancery_err err, const char *rule)
{
    if (a->err != err || (rule != NULL && strcmp(a->diag.rule, rule) != 0)) {
        fail_msg("wanted %s %s, got %s %s: %s", err_name(err), rule, err_name(a->err), a->diag.rule,
                 a->diag.text);
    }
}

static int64_t row(const char *column, const char *key)
{
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "SELECT %s::bigint FROM registration.request WHERE idempotency_key = '%s'",
                   column, key);
    return fixture_number(sql);
}

static void ca_away_then_the_key_drives_on(void **state)
{
    (void)state;
    static const enum chancery_err ways[] = {CH_UNAVAILABLE, CH_CRYPTO,   CH_PRECONDITION,
                                             CH_DENIED,      CH_INTERNAL, CH_BUSY};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        char key[32];
        struct answer a;
        (void)snprintf(key, sizeof key, "away-%zu", i);
        struct ask ask = {.profile = "issue", .key = key, .csr = 1};
        fake_ca_fail(ways[i]);
        enroll(&ask, &a);
        expect(&a, ways[i] == CH_BUSY ? CH_BUSY : CH_UNAVAILABLE, NULL);
        answer_clear(&a);
        assert_int_equal(row("state", key), REGISTRATION_OPEN);
        fake_ca_fail(CH_OK);
        enroll(&ask, &a);
        expect(&a, CH_OK, "");
        assert_int_equal(row("state", key), REGISTRATION_ISSUED);
        assert_int_equal(row("attempt", key), fake_ca_last_attempt());
        assert_true(fake_ca_last_attempt() >= 2); /* the first may have reached ca */
        answer_clear(&a);
    }
}

static void lost_answer_is_found_at_ca(void **state)
{
    (void)state;
    struct ask ask = {.profile = "lost", .key = "lost", .csr = 1};
    struct answer a;
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, NULL);
    answer_clear(&a);
    unsigned calls = fake_ca_calls();
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_true(a.response->replayed);
    assert_int_equal(fake_ca_calls(), calls);
    assert_int_equal(row("state", "lost"), REGISTRATION_ISSUED);
    answer_clear(&a);
}

static void anothers_certificate_is_never_handed_out(void **state)
{
    (void)state;
    struct answer a;
    enroll(&(struct ask){.profile = "mixed-up", .key = "mixed-up", .csr = 1}, &a);
    expect(&a, CH_INTEGRITY, "ca.answer");
    assert_int_equal(row("state", "mixed-up"), REGISTRATION_OPEN);
    answer_clear(&a);
}

static void refusal_waits_for_the_log_certificates_do_not(void **state)
{
    (void)state;
    struct answer a;
    fixture_log_away(true);
    enroll(&(struct ask){.profile = "refuse", .key = "unlogged", .csr = 1}, &a);
    expect(&a, CH_UNAVAILABLE, NULL);
    assert_int_equal(row("state", "unlogged"), REGISTRATION_OPEN);
    answer_clear(&a);
    enroll(&(struct ask){.profile = "issue", .key = "unlogged", .csr = 1},
           &a); /* EXISTS, but not logged */
    expect(&a, CH_UNAVAILABLE, NULL);
    answer_clear(&a);
    enroll(&(struct ask){.profile = "", .csr = 1}, &a);
    expect(&a, CH_UNAVAILABLE, NULL);
    answer_clear(&a);
    enroll(&(struct ask){.profile = "issue", .csr = 1}, &a);
    expect(&a, CH_OK, "");
    answer_clear(&a);
    fixture_log_away(false);
    enroll(&(struct ask){.profile = "refuse", .key = "unlogged", .csr = 1}, &a);
    expect(&a, CH_INVALID, "csr.signature");
    answer_clear(&a);
}

/* ---- deadlines ---- */

static bool one_is_queued(void)
{
    struct registration *r = fixture_registration();
    (void)pthread_mutex_lock(&r->lock);
    bool queued = r->queued == 1;
    (void)pthread_mutex_unlock(&r->lock);
    return queued;
}

/* The server notices a deadline a little after its client. */
static bool queued_is_late(void)
{
    struct registration *r = fixture_registration();
    (void)pthread_mutex_lock(&r->lock);
    bool late = r->head == NULL || rpc_time_left_ms(r->head->group->call) <= 0;
    (void)pthread_mutex_unlock(&r->lock);
    return late;
}

/* Keeps every driver busy with a held call. */
static void occupy(struct pending **out)
{
    fake_ca_hold(true);
    for (unsigned i = 0; i < REGISTRATION_DRIVERS; i++) {
        struct ask ask = {.profile = "hold", .csr = i};
        out[i] = enroll_start(&ask);
        AWAIT(fake_ca_inside() == i + 1);
    }
}

static void release(struct pending **p)
{
    struct answer a;
    fake_ca_hold(false);
    for (unsigned i = 0; i < REGISTRATION_DRIVERS; i++) {
        enroll_join(p[i], &a);
        expect(&a, CH_OK, "");
        answer_clear(&a);
    }
}

static void late_caller_finds_the_outcome_by_its_key(void **state)
{
    (void)state;
    struct ask ask = {.profile = "hold", .key = "late", .csr = 1, .timeout_ms = 2000};
    struct answer a;
    fake_ca_hold(true);
    struct pending *p = enroll_start(&ask);
    AWAIT(fake_ca_inside() == 1);
    enroll_join(p, &a);
    expect(&a, CH_DEADLINE, NULL);
    answer_clear(&a);
    fake_ca_hold(false);
    ask.timeout_ms = 0;
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_true(a.response->replayed);
    answer_clear(&a);
}

static void request_that_waited_too_long_is_not_begun(void **state)
{
    (void)state;
    struct pending *held[REGISTRATION_DRIVERS];
    struct ask ask = {.profile = "issue", .key = "too-late", .csr = 1, .timeout_ms = 300};
    struct answer a;
    occupy(held);
    enroll(&ask, &a);
    expect(&a, CH_DEADLINE, NULL);
    answer_clear(&a);
    AWAIT(queued_is_late());
    release(held);
    enroll(&(struct ask){.profile = "issue", .csr = 2}, &a); /* behind it in the queue */
    expect(&a, CH_OK, "");
    answer_clear(&a);
    assert_int_equal(row("1", "too-late"), -1);
}

static void waiter_outlives_the_call_it_joined(void **state)
{
    (void)state;
    struct pending *held[REGISTRATION_DRIVERS];
    struct ask impatient = {.profile = "issue", .key = "outlive", .csr = 1, .timeout_ms = 2000};
    struct ask patient = {.profile = "issue", .key = "outlive", .csr = 1};
    struct answer a;
    occupy(held);
    struct pending *first = enroll_start(&impatient);
    AWAIT(one_is_queued());
    struct pending *second = enroll_start(&patient), *third = enroll_start(&patient);
    AWAIT(fixture_joined("outlive") == 2);
    enroll_join(first, &a);
    expect(&a, CH_DEADLINE, NULL);
    answer_clear(&a);
    AWAIT(queued_is_late());
    release(held);
    struct answer b;
    enroll_join(second, &a);
    enroll_join(third, &b);
    expect(&a, CH_OK, "");
    expect(&b, CH_OK, "");
    assert_true(slice_eq(rpc_slice(a.response->certificate->serial),
                         rpc_slice(b.response->certificate->serial)));
    answer_clear(&a);
    answer_clear(&b);
}

/* ---- other instances ---- */

static void request_of_a_living_instance_is_left_to_it(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .key = "driven", .csr = 1};
    struct answer a;
    fake_ca_fail(CH_UNAVAILABLE);
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, NULL);
    answer_clear(&a);
    fake_ca_fail(CH_OK);
    test_postgres_admin(fixture_postgres(),
                        "UPDATE registration.request SET instance = 'registration-2',"
                        " driven_until_s = 9999999999 WHERE idempotency_key = 'driven'");
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, "idempotency.driven");
    answer_clear(&a);
    test_postgres_admin(
        fixture_postgres(),
        "UPDATE registration.request SET driven_until_s = 1 WHERE idempotency_key = 'driven'");
    enroll(&ask, &a);
    expect(&a, CH_OK, "");
    assert_int_equal(row("attempt", "driven"), 2);
    answer_clear(&a);
}

static void request_taken_over_meanwhile_is_let_go(void **state)
{
    (void)state;
    struct ask ask = {.profile = "void-3", .key = "taken", .csr = 1};
    struct answer a;
    unsigned items = fake_ca_items();
    /* The other instance takes it as soon as the first attempt is recorded. */
    test_postgres_admin(fixture_postgres(),
                        "CREATE FUNCTION take() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                        " NEW.instance := 'registration-2'; NEW.attempt := 2; RETURN NEW; END $$;"
                        "CREATE TRIGGER take BEFORE INSERT ON registration.request FOR EACH ROW"
                        " WHEN (NEW.idempotency_key = 'taken') EXECUTE FUNCTION take()");
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, "idempotency.driven");
    assert_int_equal(fake_ca_items(), items + 1);
    assert_int_equal(row("attempt", "taken"), 2);
    answer_clear(&a);
    test_postgres_admin(fixture_postgres(), "DROP TRIGGER take ON registration.request");
}

static void first_recorded_outcome_stands(void **state)
{
    (void)state;
    struct ask ask = {.profile = "hold", .key = "decided", .csr = 1};
    struct answer a;
    fake_ca_hold(true);
    struct pending *p = enroll_start(&ask);
    AWAIT(fake_ca_inside() == 1);
    test_postgres_admin(
        fixture_postgres(),
        "UPDATE registration.request SET state = 3, error_code = 'REFUSED', error_field = '',"
        " error_rule = 'test.other', error_message = '', error_reference = ''"
        " WHERE idempotency_key = 'decided'");
    fake_ca_hold(false);
    enroll_join(p, &a);
    expect(&a, CH_UNAVAILABLE, "idempotency.driven");
    answer_clear(&a);
    enroll(&ask, &a);
    expect(&a, CH_REFUSED, "test.other");
    answer_clear(&a);
}

static void database_away_is_unavailable_and_heals(void **state)
{
    (void)state;
    struct ask ask = {.profile = "issue", .key = "database", .csr = 1, .timeout_ms = 15000};
    struct answer a;
    struct test_postgres *pg = (struct test_postgres *)(uintptr_t)fixture_postgres();
    test_postgres_halt(pg);
    enroll(&ask, &a);
    expect(&a, CH_UNAVAILABLE, NULL);
    answer_clear(&a);
    test_postgres_resume(pg);
    int64_t until = os_mono_ms() + 30000;
    enroll(&ask, &a);
    while (a.err != CH_OK) {
        expect(&a, CH_UNAVAILABLE, NULL);
        assert_true(os_mono_ms() < until);
        answer_clear(&a);
        enroll(&ask, &a);
    }
    answer_clear(&a);
}

/* ---- many at once ---- */

static void *crowd_main(void *arg)
{
    static const char *const profiles[] = {"issue", "refuse", "void-2", "issue", "refuse-logged"};
    unsigned me = (unsigned)(uintptr_t)arg;
    for (unsigned i = 0; i < ROUNDS; i++) {
        char key[32];
        struct answer a;
        /* Pairs of threads share keys and content. */
        (void)snprintf(key, sizeof key, "crowd-%u-%u", me / 2, i);
        unsigned what = (me / 2 + i) % 5;
        enroll(&(struct ask){.profile = profiles[what], .key = key, .csr = what}, &a);
        enum chancery_err want = what == 1 ? CH_INVALID : what == 4 ? CH_REFUSED : CH_OK;
        if (a.err != want) {
            print_error("%s: wanted %s, got %s %s\n", key, err_name(want), err_name(a.err),
                        a.diag.text);
            answer_clear(&a);
            return (void *)1;
        }
        answer_clear(&a);
    }
    return NULL;
}

static void crowd_gets_each_outcome_once(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    unsigned refusals = fixture_refusals("csr.signature");
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, crowd_main, (void *)i), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    unsigned refused = 0;
    for (unsigned pair = 0; pair < THREADS / 2; pair++) {
        for (unsigned i = 0; i < ROUNDS; i++) {
            refused += (pair + i) % 5 == 1;
        }
    }
    assert_int_equal(fixture_refusals("csr.signature"), refusals + refused);
    assert_int_equal(
        fixture_number(
            "SELECT count(*)::bigint FROM registration.request WHERE idempotency_key LIKE"
            " 'crowd-%' AND state > 1"),
        THREADS / 2 * ROUNDS);
}

/* ---- the end ---- */

static void stop_answers_everyone(void **state)
{
    (void)state;
    struct pending *held[REGISTRATION_DRIVERS], *waiting;
    struct answer a;
    occupy(held);
    waiting = enroll_start(&(struct ask){.profile = "issue", .key = "stop", .csr = 4});
    AWAIT(one_is_queued());
    struct daemon *d = fixture_registration()->daemon;
    daemon_stop(d, CH_OK);
    AWAIT(daemon_stopping(d));
    release(held);
    enroll_join(waiting, &a);
    assert_true(a.err == CH_OK || a.err == CH_UNAVAILABLE);
    answer_clear(&a);
    fixture_stop();
    assert_int_equal(fake_ca_wrong(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ca_away_then_the_key_drives_on),
        cmocka_unit_test(lost_answer_is_found_at_ca),
        cmocka_unit_test(anothers_certificate_is_never_handed_out),
        cmocka_unit_test(refusal_waits_for_the_log_certificates_do_not),
        cmocka_unit_test(late_caller_finds_the_outcome_by_its_key),
        cmocka_unit_test(request_that_waited_too_long_is_not_begun),
        cmocka_unit_test(waiter_outlives_the_call_it_joined),
        cmocka_unit_test(request_of_a_living_instance_is_left_to_it),
        cmocka_unit_test(request_taken_over_meanwhile_is_let_go),
        cmocka_unit_test(first_recorded_outcome_stands),
        cmocka_unit_test(database_away_is_unavailable_and_heals),
        cmocka_unit_test(crowd_gets_each_outcome_once),
        cmocka_unit_test(stop_answers_everyone),
    };
    return cmocka_run_group_tests(tests, fixture_setup, fixture_teardown);
}
