/* Migrations: order, once only, checksum, atomic files, concurrent runs. */
#include "cm.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "db/db.h"
#include "os/os.h"
#include "test_postgres.h"

static struct test_postgres pg;
static char conninfo[256], dir[64];

static int set_up(void **state)
{
    (void)state;
    test_postgres_start(&pg);
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_postgres_end(&pg);
    return 0;
}

static int fresh(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "DROP SCHEMA IF EXISTS m, chancery_meta CASCADE");
    (void)snprintf(dir, sizeof dir, "/tmp/chancery-migrate.XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static void put(const char *name, const char *sql)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_write_atomic(path, slice_str(sql), 0600, NULL), CH_OK);
}

static void take_away(const char *name)
{
    char path[128];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(unlink(path), 0);
}

static int drop_dir(void **state)
{
    (void)state;
    static const char *const names[] = {"0001_a.sql", "0002_b.sql", "0002_c.sql", "0003_c.sql",
                                        "2_x.sql",    "0001_A.sql", "README.md"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", dir, names[i]);
        (void)unlink(path);
    }
    return rmdir(dir);
}

static enum chancery_err migrate(unsigned *applied, struct diag *diag)
{
    struct db_conn *conn = NULL;
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    enum chancery_err err = db_migrate(conn, dir, applied, diag);
    if (err == CH_OK) {
        struct db_result *r = NULL;
        assert_int_equal(
            db_exec(conn, "SELECT current_setting('statement_timeout')", NULL, 0, &r, NULL), CH_OK);
        assert_true(slice_eq(db_bytes(r, 0, 0), slice_str("10s")));
        db_result_free(r);
    }
    db_disconnect(conn);
    return err;
}

static int64_t number(const char *sql)
{
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    assert_int_equal(db_exec(conn, sql, NULL, 0, &r, NULL), CH_OK);
    int64_t n = db_int(r, 0, 0);
    db_result_free(r);
    db_disconnect(conn);
    return n;
}

static void files_are_applied_in_order_and_once(void **state)
{
    (void)state;
    unsigned applied = 99;
    struct diag diag = {0};
    put("0002_b.sql", "INSERT INTO m.t VALUES (2); INSERT INTO m.t VALUES (3);");
    put("0001_a.sql", "CREATE SCHEMA m; CREATE TABLE m.t (x int);");
    put("README.md", "not a migration");
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    assert_int_equal(applied, 2);
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    assert_int_equal(applied, 0);
    put("0003_c.sql", "INSERT INTO m.t VALUES (4)");
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    assert_int_equal(applied, 1);
    assert_int_equal(number("SELECT count(*) FROM m.t"), 3);
}

static void changed_file_is_an_integrity_error(void **state)
{
    (void)state;
    unsigned applied = 0;
    struct diag diag = {0};
    put("0001_a.sql", "CREATE SCHEMA m;");
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    put("0001_a.sql", "CREATE SCHEMA m; ");
    put("0002_b.sql", "CREATE TABLE m.t (x int);");
    assert_int_equal(migrate(&applied, &diag), CH_INTEGRITY);
    assert_string_equal(diag.field, "0001_a.sql");
    assert_int_equal(number("SELECT count(*) FROM pg_tables WHERE schemaname = 'm'"), 0);
}

static void failing_file_leaves_nothing_of_itself(void **state)
{
    (void)state;
    unsigned applied = 0;
    struct diag diag = {0};
    put("0001_a.sql", "CREATE SCHEMA m; CREATE TABLE m.t (x int);");
    put("0002_b.sql", "INSERT INTO m.t VALUES (1); SELECT 1/0;");
    assert_int_equal(migrate(&applied, &diag), CH_INVALID);
    assert_string_equal(diag.field, "0002_b.sql");
    assert_int_equal(number("SELECT count(*) FROM m.t"), 0);
    put("0002_b.sql", "INSERT INTO m.t VALUES (1);");
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    assert_int_equal(applied, 1);
}

static void file_that_commits_by_itself_is_refused(void **state)
{
    (void)state;
    unsigned applied = 0;
    struct diag diag = {0};
    put("0001_a.sql", "CREATE SCHEMA m; COMMIT;");
    assert_int_equal(migrate(&applied, &diag), CH_INVALID);
    assert_string_equal(diag.rule, "migrate.transaction");
}

static void bad_names_and_orders_are_refused(void **state)
{
    (void)state;
    unsigned applied = 0;
    struct diag diag = {0};
    put("2_x.sql", "SELECT 1");
    assert_int_equal(migrate(&applied, &diag), CH_INVALID);
    take_away("2_x.sql");
    put("0001_A.sql", "SELECT 1");
    assert_int_equal(migrate(&applied, &diag), CH_INVALID);
    take_away("0001_A.sql");
    put("0002_b.sql", "SELECT 1");
    put("0002_c.sql", "SELECT 1");
    assert_int_equal(migrate(&applied, &diag), CH_INVALID);
    take_away("0002_c.sql");
    assert_int_equal(migrate(&applied, &diag), CH_OK);
    put("0001_a.sql", "SELECT 1"); /* comes too late */
    assert_int_equal(migrate(&applied, &diag), CH_PRECONDITION);
    assert_string_equal(diag.field, "0001_a.sql");
}

static void missing_folder_is_not_found(void **state)
{
    (void)state;
    struct db_conn *conn = NULL;
    unsigned applied = 7;
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    assert_int_equal(db_migrate(conn, "/nonexistent", &applied, NULL), CH_NOT_FOUND);
    assert_int_equal(applied, 7);
    db_disconnect(conn);
}

enum { RUNS = 4 };

struct run {
    enum chancery_err err;
    unsigned applied;
};

static void *run_migrate(void *arg)
{
    struct run *run = arg;
    struct db_conn *conn = NULL;
    run->err = db_connect(conninfo, &conn, NULL);
    if (run->err == CH_OK) {
        run->err = db_migrate(conn, dir, &run->applied, NULL);
    }
    db_disconnect(conn);
    return NULL;
}

static void concurrent_runs_apply_each_file_once(void **state)
{
    (void)state;
    pthread_t threads[RUNS];
    struct run runs[RUNS] = {{0}};
    put("0001_a.sql", "CREATE SCHEMA m; CREATE TABLE m.t (x int); SELECT pg_sleep(0.1)");
    put("0002_b.sql", "INSERT INTO m.t VALUES (1); SELECT pg_sleep(0.1)");
    unsigned applied = 0;
    for (int i = 0; i < RUNS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, run_migrate, &runs[i]), 0);
    }
    for (int i = 0; i < RUNS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(runs[i].err, CH_OK);
        applied += runs[i].applied;
    }
    assert_int_equal(applied, 2);
    assert_int_equal(number("SELECT count(*) FROM m.t"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_applied_in_order_and_once, fresh, drop_dir),
        cmocka_unit_test_setup_teardown(changed_file_is_an_integrity_error, fresh, drop_dir),
        cmocka_unit_test_setup_teardown(failing_file_leaves_nothing_of_itself, fresh, drop_dir),
        cmocka_unit_test_setup_teardown(file_that_commits_by_itself_is_refused, fresh, drop_dir),
        cmocka_unit_test_setup_teardown(bad_names_and_orders_are_refused, fresh, drop_dir),
        cmocka_unit_test(missing_folder_is_not_found),
        cmocka_unit_test_setup_teardown(concurrent_runs_apply_each_file_once, fresh, drop_dir),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
