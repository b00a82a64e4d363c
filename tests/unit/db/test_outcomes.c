/* What callers are told when things go wrong: killed backends, hung servers, restarts, conflicts.
 */
#include "cm.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "os/os.h"
#include "test_postgres.h"

static struct test_postgres pg;
static struct db_pool *pool;  /* patient: a killer must strike before the statement timeout */
static struct db_pool *hasty; /* with a short statement timeout */
static char admin_conninfo[256];

enum { PATIENT_MS = 20000, HASTY_MS = 300, LATE_MS = 15000, POOL = 3 };

static int set_up(void **state)
{
    (void)state;
    char conninfo[256];
    test_postgres_start(&pg);
    test_postgres_admin(
        &pg, "CREATE SCHEMA t AUTHORIZATION chancery_owner; SET ROLE chancery_owner;"
             "CREATE TABLE t.counter (id int8 PRIMARY KEY, n int8 NOT NULL);"
             "CREATE TABLE t.slow (id int8 PRIMARY KEY);"
             "CREATE FUNCTION t.pause() RETURNS trigger LANGUAGE plpgsql AS"
             " $$ BEGIN PERFORM pg_sleep(60); RETURN NULL; END $$;"
             "CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON t.slow DEFERRABLE INITIALLY DEFERRED"
             " FOR EACH ROW EXECUTE FUNCTION t.pause();");
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    test_postgres_conninfo(&pg, "admin", admin_conninfo, sizeof admin_conninfo);
    struct db_pool_opts opts = {.conninfo = conninfo,
                                .size = POOL,
                                .acquire_ms = 1000,
                                .statement_ms = PATIENT_MS,
                                .application = "outcomes"};
    struct db_pool_opts hasty_opts = opts;
    hasty_opts.statement_ms = HASTY_MS;
    return db_pool_new(&opts, &pool, NULL) == CH_OK &&
                   db_pool_new(&hasty_opts, &hasty, NULL) == CH_OK
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    (void)state;
    db_pool_free(pool);
    db_pool_free(hasty);
    test_postgres_end(&pg);
    return 0;
}

static int clean(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "TRUNCATE t.counter, t.slow");
    return 0;
}

static int64_t admin_int(const char *sql)
{
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    assert_int_equal(db_connect(admin_conninfo, &conn, NULL), CH_OK);
    assert_int_equal(db_exec(conn, sql, NULL, 0, &r, NULL), CH_OK);
    int64_t n = db_rows(r) == 0 ? 0 : db_int(r, 0, 0);
    db_result_free(r);
    db_disconnect(conn);
    return n;
}

/* CASE keeps the order: the planner is free to call a function before it looks at the name. */
#define STRIKE(function, when)                                                                     \
    "SELECT 1 FROM pg_stat_activity WHERE CASE WHEN application_name = 'outcomes' AND " when       \
    " THEN " function "(pid) END"

/* A thread that repeats `sql` until it has struck a row. */
static void *strike(void *sql)
{
    struct db_conn *conn = NULL;
    bool hit = db_connect(admin_conninfo, &conn, NULL) != CH_OK;
    while (!hit) {
        struct db_result *r = NULL;
        struct diag diag = {0};
        if (db_exec(conn, sql, NULL, 0, &r, &diag) != CH_OK) {
            print_error("strike: %s %s\n", diag.rule, diag.text);
            break;
        }
        hit = db_rows(r) > 0;
        db_result_free(r);
    }
    db_disconnect(conn);
    return NULL;
}

static int64_t backend_pid(struct db_conn *conn)
{
    struct db_result *r = NULL;
    assert_int_equal(db_exec(conn, "SELECT pg_backend_pid()", NULL, 0, &r, NULL), CH_OK);
    int64_t pid = db_int(r, 0, 0);
    db_result_free(r);
    return pid;
}

static void kill_backend(struct db_conn *conn)
{
    struct db_conn *admin = NULL;
    const struct db_param p[] = {DB_P_INT4(backend_pid(conn)), DB_P_INT8(5000)};
    assert_int_equal(db_connect(admin_conninfo, &admin, NULL), CH_OK);
    assert_int_equal(db_exec(admin, "SELECT pg_terminate_backend($1, $2)", p, 2, NULL, NULL),
                     CH_OK);
    db_disconnect(admin);
}

static void expect_usable(void)
{
    int64_t now = 0;
    struct diag diag = {0};
    if (db_now_s(pool, &now, &diag) != CH_OK) {
        fail_msg("not usable again: %s", diag.text);
    }
}

static enum chancery_err insert_and_die(struct db_conn *conn, void *ctx, struct diag *diag)
{
    (void)ctx;
    TRY(db_exec(conn, "INSERT INTO t.counter VALUES (1, 1)", NULL, 0, NULL, diag));
    kill_backend(conn);
    enum chancery_err err =
        db_exec(conn, "INSERT INTO t.counter VALUES (2, 1)", NULL, 0, NULL, diag);
    assert_int_equal(err, CH_UNAVAILABLE);
    assert_int_equal(db_exec(conn, "SELECT 1", NULL, 0, NULL, diag), CH_UNAVAILABLE);
    return err;
}

static void backend_killed_in_transaction_means_nothing_happened(void **state)
{
    (void)state;
    assert_int_equal(db_tx(pool, NULL, insert_and_die, NULL, NULL), CH_UNAVAILABLE);
    expect_usable();
    assert_int_equal(admin_int("SELECT count(*) FROM t.counter"), 0);
}

static void idle_backend_killed_is_replaced_unnoticed(void **state)
{
    (void)state;
    struct db_conn *conn[POOL];
    for (int i = 0; i < POOL; i++) {
        assert_int_equal(db_acquire(pool, &conn[i], NULL), CH_OK);
    }
    for (int i = 0; i < POOL; i++) {
        kill_backend(conn[i]);
    }
    for (int i = 0; i < POOL; i++) {
        db_release(conn[i]);
    }
    for (int i = 0; i < 2 * POOL; i++) {
        expect_usable();
    }
}

static void backend_killed_outside_transaction_means_unknown(void **state)
{
    (void)state;
    pthread_t thread;
    static char sql[] = STRIKE("pg_terminate_backend", "wait_event = 'PgSleep'");
    assert_int_equal(pthread_create(&thread, NULL, strike, sql), 0);
    struct db_conn *conn = NULL;
    struct diag diag = {0};
    assert_int_equal(db_acquire(pool, &conn, NULL), CH_OK);
    assert_int_equal(
        db_exec(conn, "INSERT INTO t.counter SELECT 1, 1 FROM pg_sleep(60)", NULL, 0, NULL, &diag),
        CH_UNKNOWN);
    db_release(conn);
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_usable();
}

static enum chancery_err insert_slow(struct db_conn *conn, void *ctx, struct diag *diag)
{
    (void)ctx;
    return db_exec(conn, "INSERT INTO t.slow VALUES (1)", NULL, 0, NULL, diag);
}

static void backend_killed_in_commit_means_unknown(void **state)
{
    (void)state;
    pthread_t thread;
    static char sql[] =
        STRIKE("pg_terminate_backend", "wait_event = 'PgSleep' AND query = 'COMMIT'");
    assert_int_equal(pthread_create(&thread, NULL, strike, sql), 0);
    struct diag diag = {0};
    assert_int_equal(db_tx(pool, NULL, insert_slow, NULL, &diag), CH_UNKNOWN);
    assert_string_equal(diag.rule, "db.unknown");
    assert_int_equal(pthread_join(thread, NULL), 0);
    expect_usable();
}

static void pipeline_killed_before_commit_was_sent_means_nothing_happened(void **state)
{
    (void)state;
    pthread_t thread;
    static char sql[] = STRIKE("pg_terminate_backend", "wait_event = 'PgSleep'");
    const struct db_stmt checked[] = {{"INSERT INTO t.counter VALUES (1, 1)", NULL, 0, 1},
                                      {"SELECT pg_sleep(60)", NULL, 0, -1}};
    const struct db_stmt plain[] = {{"INSERT INTO t.counter VALUES (1, 1)", NULL, 0, -1},
                                    {"SELECT pg_sleep(60)", NULL, 0, -1}};
    for (int i = 0; i < 2; i++) {
        struct db_conn *conn = NULL;
        assert_int_equal(pthread_create(&thread, NULL, strike, sql), 0);
        assert_int_equal(db_acquire(pool, &conn, NULL), CH_OK);
        assert_int_equal(db_pipeline(conn, i == 0 ? checked : plain, 2, NULL),
                         i == 0 ? CH_UNAVAILABLE : CH_UNKNOWN);
        db_release(conn);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
    expect_usable();
    assert_int_equal(admin_int("SELECT count(*) FROM t.counter"), 0);
}

static void statement_timeout_leaves_the_connection_usable(void **state)
{
    (void)state;
    struct db_conn *conn = NULL;
    assert_int_equal(db_acquire(hasty, &conn, NULL), CH_OK);
    int64_t pid = backend_pid(conn);
    assert_int_equal(db_exec(conn, "SELECT pg_sleep(30)", NULL, 0, NULL, NULL), CH_DEADLINE);
    assert_int_equal(backend_pid(conn), pid);
    db_release(conn);
}

static void frozen_backend_is_given_up_in_time(void **state)
{
    (void)state;
    struct db_conn *conn = NULL;
    assert_int_equal(db_acquire(hasty, &conn, NULL), CH_OK);
    pid_t pid = (pid_t)backend_pid(conn);
    assert_int_equal(kill(pid, SIGSTOP), 0);
    int64_t begun_ms = os_mono_ms();
    enum chancery_err err =
        db_exec(conn, "SELECT pg_backend_pid()", NULL, 0, NULL, NULL); /* prepared: goes at once */
    int64_t took_ms = os_mono_ms() - begun_ms;
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(err, CH_UNKNOWN);
    assert_in_range(took_ms, HASTY_MS, LATE_MS);
    db_release(conn);
    expect_usable();
}

static void frozen_server_does_not_block_connecting(void **state)
{
    (void)state;
    struct db_conn *conn[POOL];
    for (int i = 0; i < POOL; i++) { /* make the next one connect anew */
        assert_int_equal(db_acquire(pool, &conn[i], NULL), CH_OK);
        kill_backend(conn[i]);
    }
    for (int i = 0; i < POOL; i++) {
        db_release(conn[i]);
    }
    assert_int_equal(kill(pg.pid, SIGSTOP), 0);
    int64_t begun_ms = os_mono_ms();
    struct db_conn *none = NULL;
    enum chancery_err err = db_acquire(pool, &none, NULL);
    int64_t took_ms = os_mono_ms() - begun_ms;
    assert_int_equal(kill(pg.pid, SIGCONT), 0);
    assert_int_equal(err, CH_UNAVAILABLE);
    assert_in_range(took_ms, 900, LATE_MS);
    expect_usable();
}

static void server_stopped_and_restarted_is_used_again(void **state)
{
    (void)state;
    struct db_conn *conn = NULL;
    struct diag diag = {0};
    expect_usable();
    test_postgres_halt(&pg);
    assert_int_equal(db_acquire(pool, &conn, &diag), CH_UNAVAILABLE);
    assert_null(conn);
    test_postgres_resume(&pg);
    expect_usable();
}

/* ---- conflicts ---- */

struct bump {
    int calls, foreign; /* how often another session changes the row in between */
    bool again;
};

static enum chancery_err bump_row(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct bump *b = ctx;
    b->calls++;
    TRY(db_exec(conn, "SELECT n FROM t.counter WHERE id = 1", NULL, 0, NULL, diag));
    if (b->foreign-- > 0) {
        test_postgres_admin(&pg, "UPDATE t.counter SET n = n + 100 WHERE id = 1");
    }
    return db_exec(conn, "UPDATE t.counter SET n = n + 1 WHERE id = 1", NULL, 0, NULL, diag);
}

static void serialization_failure_is_retried(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "INSERT INTO t.counter VALUES (1, 0)");
    struct bump b = {.foreign = 2};
    struct db_tx_opts opts = {.serializable = true};
    assert_int_equal(db_tx(pool, &opts, bump_row, &b, NULL), CH_OK);
    assert_int_equal(b.calls, 3);
    assert_int_equal(admin_int("SELECT n FROM t.counter"), 201);
}

static void endless_conflict_ends_after_the_retries(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "INSERT INTO t.counter VALUES (1, 0)");
    struct bump b = {.foreign = 1000};
    struct db_tx_opts opts = {.serializable = true, .retries = 2};
    assert_int_equal(db_tx(pool, &opts, bump_row, &b, NULL), CH_CONFLICT);
    assert_int_equal(b.calls, 3);
}

enum { THREADS = 6, ROUNDS = 20 };

static void *bump_many(void *arg)
{
    struct db_tx_opts opts = {.serializable = true, .retries = 1000};
    int *done = arg;
    for (int tries = 0; *done < ROUNDS && tries < 10 * ROUNDS; tries++) {
        struct bump b = {0};
        enum chancery_err err = db_tx(pool, &opts, bump_row, &b, NULL);
        if (err != CH_OK && err != CH_BUSY) {
            break;
        }
        *done += err == CH_OK ? 1 : 0;
    }
    return NULL;
}

static void threads_share_the_pool(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int done[THREADS] = {0};
    test_postgres_admin(&pg, "INSERT INTO t.counter VALUES (1, 0)");
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, bump_many, &done[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(done[i], ROUNDS);
    }
    assert_int_equal(admin_int("SELECT n FROM t.counter"), THREADS * ROUNDS);
}

static enum chancery_err insert_one(struct db_conn *conn, void *ctx, struct diag *diag)
{
    (void)ctx;
    return db_exec(conn, "INSERT INTO t.counter VALUES (1, 1)", NULL, 0, NULL, diag);
}

static void commit_that_missed_its_standby_is_unknown(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "ALTER SYSTEM SET synchronous_standby_names = 'absent'");
    (void)admin_int("SELECT pg_reload_conf()::int");
    while (admin_int("SELECT (current_setting('synchronous_standby_names') = 'absent')::int") ==
           0) {
    }
    expect_usable();
    pthread_t thread;
    static char sql[] = STRIKE("pg_cancel_backend", "wait_event = 'SyncRep'");
    assert_int_equal(pthread_create(&thread, NULL, strike, sql), 0);
    struct diag diag = {0};
    enum chancery_err err = db_tx(pool, NULL, insert_one, NULL, &diag);
    assert_int_equal(pthread_join(thread, NULL), 0);
    test_postgres_admin(&pg, "ALTER SYSTEM RESET synchronous_standby_names");
    (void)admin_int("SELECT pg_reload_conf()::int");
    assert_int_equal(err, CH_UNKNOWN);
    assert_string_equal(diag.rule, "db.unreplicated");
    assert_int_equal(admin_int("SELECT count(*) FROM t.counter"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(backend_killed_in_transaction_means_nothing_happened, clean),
        cmocka_unit_test_setup(idle_backend_killed_is_replaced_unnoticed, clean),
        cmocka_unit_test_setup(backend_killed_outside_transaction_means_unknown, clean),
        cmocka_unit_test_setup(backend_killed_in_commit_means_unknown, clean),
        cmocka_unit_test_setup(pipeline_killed_before_commit_was_sent_means_nothing_happened,
                               clean),
        cmocka_unit_test(statement_timeout_leaves_the_connection_usable),
        cmocka_unit_test(frozen_backend_is_given_up_in_time),
        cmocka_unit_test(frozen_server_does_not_block_connecting),
        cmocka_unit_test(server_stopped_and_restarted_is_used_again),
        cmocka_unit_test_setup(serialization_failure_is_retried, clean),
        cmocka_unit_test_setup(endless_conflict_ends_after_the_retries, clean),
        cmocka_unit_test_setup(threads_share_the_pool, clean),
        cmocka_unit_test_setup(commit_that_missed_its_standby_is_unknown, clean),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
