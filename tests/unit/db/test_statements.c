/* Statements, parameters, rows, pipelines and cursors against a real server. */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "db/db.h"
#include "test_postgres.h"

static struct test_postgres pg;
static struct db_pool *pool;

static int set_up(void **state)
{
    (void)state;
    char conninfo[256];
    struct diag diag = {0};
    test_postgres_start(&pg);
    test_postgres_admin(&pg, "CREATE SCHEMA t AUTHORIZATION chancery_owner;"
                             "CREATE TABLE t.item (id int8 PRIMARY KEY, v text NOT NULL,"
                             " n int4 CONSTRAINT item_n_positive CHECK (n > 0));"
                             "ALTER TABLE t.item OWNER TO chancery_owner");
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    struct db_pool_opts opts = {.conninfo = conninfo,
                                .size = 3,
                                .acquire_ms = 1000,
                                .statement_ms = 3000,
                                .application = "test"};
    return db_pool_new(&opts, &pool, &diag) == CH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    db_pool_free(pool);
    test_postgres_end(&pg);
    return 0;
}

static struct db_conn *take(void)
{
    struct db_conn *conn = NULL;
    struct diag diag = {0};
    if (db_acquire(pool, &conn, &diag) != CH_OK) {
        fail_msg("acquire: %s", diag.text);
    }
    return conn;
}

/* Runs SQL that must succeed. */
static void run(const char *sql)
{
    struct db_conn *conn = take();
    struct diag diag = {0};
    if (db_script(conn, sql, &diag) != CH_OK) {
        fail_msg("%s: %s", sql, diag.text);
    }
    db_release(conn);
}

static int64_t count(const char *sql)
{
    struct db_conn *conn = take();
    struct db_result *r = NULL;
    assert_int_equal(db_exec(conn, sql, NULL, 0, &r, NULL), CH_OK);
    int64_t n = db_int(r, 0, 0);
    db_result_free(r);
    db_release(conn);
    return n;
}

static int clean(void **state)
{
    (void)state;
    run("TRUNCATE t.item");
    return 0;
}

static void exec_scalars_come_back_unchanged(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct db_result *r = NULL;
    static const uint8_t raw[] = {0, 1, 255, 0};
    const struct db_param p[] = {
        DB_P_BYTES(slice_of(raw, sizeof raw)),
        DB_P_STR("gr\xc3\xbc\xc3\x9f"),
        DB_P_INT4(INT32_MIN),
        DB_P_INT8(INT64_MIN),
        DB_P_BOOL(true),
        DB_P_NULL(),
        DB_P_BYTES(slice_of(NULL, 0)),
        DB_P_STR(""),
    };
    assert_int_equal(db_exec(conn,
                             "SELECT $1::bytea, $2::text, $3::int4, $4::int8, $5::bool, $6::text,"
                             " $7::bytea, $8::text, 7::int2",
                             p, 8, &r, NULL),
                     CH_OK);
    assert_int_equal(db_rows(r), 1);
    assert_true(slice_eq(db_bytes(r, 0, 0), slice_of(raw, sizeof raw)));
    assert_true(slice_eq(db_bytes(r, 0, 1), slice_str("gr\xc3\xbc\xc3\x9f")));
    assert_true(db_int(r, 0, 2) == INT32_MIN);
    assert_true(db_int(r, 0, 3) == INT64_MIN);
    assert_true(db_int(r, 0, 4) == 1);
    assert_true(db_is_null(r, 0, 5));
    assert_null(db_bytes(r, 0, 5).ptr);
    assert_false(db_is_null(r, 0, 6));
    assert_non_null(db_bytes(r, 0, 6).ptr);
    assert_int_equal(db_bytes(r, 0, 6).len, 0);
    assert_false(db_is_null(r, 0, 7));
    assert_int_equal(db_int(r, 0, 8), 7);
    db_result_free(r);
    db_release(conn);
}

static void exec_arrays_keep_order_and_nulls(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct db_result *r = NULL;
    const struct slice bytes[] = {slice_of("\0a", 2), {NULL, 0}, slice_of("", 0)};
    const struct slice texts[] = {slice_str("x"), slice_str("y,\"{}"), {NULL, 0}};
    const int64_t i4[] = {1, -1, INT32_MAX}, i8[] = {INT64_MAX, 0, -5}, flags[] = {1, 0, 1};
    const struct db_param p[] = {DB_P_BYTES_ARRAY(bytes, 3), DB_P_TEXT_ARRAY(texts, 3),
                                 DB_P_INT4_ARRAY(i4, 3), DB_P_INT8_ARRAY(i8, 3),
                                 DB_P_BOOL_ARRAY(flags, 3)};
    assert_int_equal(
        db_exec(conn, "SELECT * FROM unnest($1, $2, $3, $4, $5) WITH ORDINALITY", p, 5, &r, NULL),
        CH_OK);
    assert_int_equal(db_rows(r), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(slice_eq(db_bytes(r, i, 0), bytes[i]));
        assert_int_equal(db_is_null(r, i, 0), bytes[i].ptr == NULL);
        assert_true(slice_eq(db_bytes(r, i, 1), texts[i]));
        assert_int_equal(db_is_null(r, i, 1), texts[i].ptr == NULL);
        assert_true(db_int(r, i, 2) == i4[i]);
        assert_true(db_int(r, i, 3) == i8[i]);
        assert_true(db_int(r, i, 4) == flags[i]);
    }
    db_result_free(r);
    const struct db_param none[] = {DB_P_INT8_ARRAY(NULL, 0)};
    assert_int_equal(db_exec(conn, "SELECT cardinality($1)", none, 1, &r, NULL), CH_OK);
    assert_int_equal(db_int(r, 0, 0), 0);
    db_result_free(r);
    db_release(conn);
}

static void array_columns_are_read_back(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct db_result *r = NULL;
    struct slice out[4];
    size_t n = 9;
    const struct slice texts[] = {slice_str("DNS:a"), {NULL, 0}, slice_str("")};
    const struct db_param p[] = {DB_P_TEXT_ARRAY(texts, 3)};
    assert_int_equal(db_exec(conn, "SELECT $1, '{}'::text[], NULL::text[], '{{a,b},{c,d}}'::text[]",
                             p, 1, &r, NULL),
                     CH_OK);
    assert_int_equal(db_array(r, 0, 0, out, 4, &n), CH_OK);
    assert_int_equal(n, 3);
    assert_true(slice_eq(out[0], texts[0]));
    assert_null(out[1].ptr);
    assert_non_null(out[2].ptr);
    assert_int_equal(db_array(r, 0, 0, out, 2, &n), CH_LIMIT);
    assert_int_equal(db_array(r, 0, 1, out, 4, &n), CH_OK);
    assert_int_equal(n, 0);
    assert_int_equal(db_array(r, 0, 2, out, 4, &n), CH_OK);
    assert_int_equal(n, 0);
    assert_int_equal(db_array(r, 0, 3, out, 4, &n), CH_INVALID);
    db_result_free(r);
    db_release(conn);
}

static void exec_large_array_goes_through(void **state)
{
    (void)state;
    enum { N = 100000 };
    int64_t *nums = calloc(N, sizeof *nums);
    assert_non_null(nums);
    for (int i = 0; i < N; i++) {
        nums[i] = i;
    }
    struct db_conn *conn = take();
    struct db_result *r = NULL;
    const struct db_param p[] = {DB_P_INT8_ARRAY(nums, N)};
    assert_int_equal(db_exec(conn, "SELECT x FROM unnest($1) AS x ORDER BY x DESC", p, 1, &r, NULL),
                     CH_OK);
    assert_int_equal(db_rows(r), N);
    assert_int_equal(db_int(r, 0, 0), N - 1);
    db_result_free(r);
    db_release(conn);
    free(nums);
}

static void exec_bad_parameters_are_refused_before_sending(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct diag diag = {0};
    const struct db_param nul[] = {DB_P_TEXT(slice_of("a\0b", 3))};
    assert_int_equal(db_exec(conn, "SELECT $1", nul, 1, NULL, &diag), CH_INVALID);
    assert_string_equal(diag.rule, "db.text.nul");
    const struct db_param wide[] = {DB_P_INT4(INT64_C(1) << 31)};
    assert_int_equal(db_exec(conn, "SELECT $1", wide, 1, NULL, &diag), CH_INVALID);
    const struct db_param utf8[] = {DB_P_STR("\xff")};
    assert_int_equal(db_exec(conn, "SELECT $1", utf8, 1, NULL, &diag), CH_INVALID);
    struct db_param many[65] = {{0}};
    assert_int_equal(db_exec(conn, "SELECT 1", many, 65, NULL, &diag), CH_LIMIT);
    assert_int_equal(db_exec(conn, "SELECT 1", NULL, 0, NULL, &diag), CH_OK);
    db_release(conn);
}

static void exec_null_in_place_of_value_is_another_statement(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    static const char sql[] = "INSERT INTO t.item VALUES ($1, 'x', $2)";
    const struct db_param a[] = {DB_P_INT8(1), DB_P_NULL()}, b[] = {DB_P_INT8(2), DB_P_INT8(5)},
                          c[] = {DB_P_INT8(3), DB_P_INT4(6)};
    assert_int_equal(db_exec(conn, sql, a, 2, NULL, NULL), CH_OK);
    assert_int_equal(db_exec(conn, sql, b, 2, NULL, NULL), CH_OK);
    assert_int_equal(db_exec(conn, sql, c, 2, NULL, NULL), CH_OK);
    db_release(conn);
    assert_int_equal(count("SELECT sum(n)::int8 FROM t.item"), 11);
}

static void exec_same_buffer_with_other_text_is_not_confused(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    char sql[16];
    for (int i = 0; i < 10; i++) {
        struct db_result *r = NULL;
        (void)snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(db_exec(conn, sql, NULL, 0, &r, NULL), CH_OK);
        assert_int_equal(db_int(r, 0, 0), i);
        db_result_free(r);
    }
    db_release(conn);
}

static void exec_endless_new_texts_end_at_a_limit(void **state)
{
    (void)state;
    char conninfo[256], sql[32];
    struct db_conn *conn = NULL;
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    enum chancery_err err = CH_OK;
    int n = 0;
    while (err == CH_OK && n < 1000) {
        (void)snprintf(sql, sizeof sql, "SELECT %d", n++);
        err = db_exec(conn, sql, NULL, 0, NULL, NULL);
    }
    assert_int_equal(err, CH_LIMIT);
    assert_int_equal(n, 256);
    assert_int_equal(db_exec(conn, "SELECT 7", NULL, 0, NULL, NULL), CH_OK);
    db_disconnect(conn);
}

static void exec_statement_is_prepared_once(void **state)
{
    (void)state;
    char conninfo[256];
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    test_postgres_conninfo(&pg, "chancery_owner", conninfo, sizeof conninfo);
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    const struct db_param p[] = {DB_P_INT8(1)};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(db_exec(conn, "SELECT $1 + 1", p, 1, NULL, NULL), CH_OK);
    }
    assert_int_equal(db_exec(conn,
                             "SELECT count(*) FROM pg_prepared_statements"
                             " WHERE statement = 'SELECT $1 + 1'",
                             NULL, 0, &r, NULL),
                     CH_OK);
    assert_int_equal(db_int(r, 0, 0), 1);
    db_result_free(r);
    db_disconnect(conn);
}

static void errors_are_typed_and_name_the_constraint(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct diag diag = {0};
    static const char insert[] = "INSERT INTO t.item VALUES ($1, $2, $3)";
    const struct db_param ok[] = {DB_P_INT8(1), DB_P_STR("secret-value"), DB_P_INT4(1)};
    assert_int_equal(db_exec(conn, insert, ok, 3, NULL, &diag), CH_OK);
    assert_int_equal(db_exec(conn, insert, ok, 3, NULL, &diag), CH_EXISTS);
    assert_string_equal(diag.field, "item_pkey");
    assert_string_equal(diag.rule, "db.23505");
    const struct db_param check[] = {DB_P_INT8(2), DB_P_STR("secret-value"), DB_P_INT4(0)};
    assert_int_equal(db_exec(conn, insert, check, 3, NULL, &diag), CH_PRECONDITION);
    assert_string_equal(diag.field, "item_n_positive");
    assert_null(strstr(diag.text, "secret-value"));
    const struct db_param null[] = {DB_P_INT8(2), DB_P_NULL(), DB_P_INT4(1)};
    assert_int_equal(db_exec(conn, insert, null, 3, NULL, &diag), CH_PRECONDITION);
    assert_string_equal(diag.field, "v");
    assert_int_equal(db_exec(conn, "SELECT 1 FROM t.absent", NULL, 0, NULL, &diag), CH_DB);
    assert_int_equal(db_exec(conn, "SELECT 1 FROM pg_authid", NULL, 0, NULL, &diag), CH_DENIED);
    assert_int_equal(db_exec(conn, "COPY t.item TO STDOUT", NULL, 0, NULL, &diag), CH_DB);
    assert_int_equal(db_exec(conn, "SELECT 1", NULL, 0, NULL, &diag), CH_UNAVAILABLE);
    db_release(conn);
    conn = take(); /* the pool replaced what COPY left out of step */
    assert_int_equal(db_exec(conn, "SELECT 1", NULL, 0, NULL, &diag), CH_OK);
    db_release(conn);
}

static void search_path_finds_nothing_unqualified(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    assert_int_equal(db_exec(conn, "SELECT 1 FROM item", NULL, 0, NULL, NULL), CH_DB);
    db_release(conn);
}

static void session_with_asynchronous_commit_is_made_synchronous(void **state)
{
    (void)state;
    test_postgres_admin(&pg,
                        "CREATE ROLE hasty LOGIN; ALTER ROLE hasty SET synchronous_commit = off");
    char conninfo[256];
    struct db_conn *conn = NULL;
    struct db_result *r = NULL;
    test_postgres_conninfo(&pg, "hasty", conninfo, sizeof conninfo);
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    assert_int_equal(
        db_exec(conn, "SELECT current_setting('synchronous_commit')", NULL, 0, &r, NULL), CH_OK);
    assert_true(slice_eq(db_bytes(r, 0, 0), slice_str("on")));
    db_result_free(r);
    db_disconnect(conn);
}

static void pool_refuses_passwords_and_nonsense(void **state)
{
    (void)state;
    struct db_pool *p = NULL;
    struct diag diag = {0};
    struct db_pool_opts opts = {.conninfo = "host=/x password=hunter2"};
    assert_int_equal(db_pool_new(&opts, &p, &diag), CH_INVALID);
    assert_string_equal(diag.rule, "db.conninfo.password");
    opts.conninfo = "not a connection string";
    assert_int_equal(db_pool_new(&opts, &p, &diag), CH_INVALID);
    opts.conninfo = NULL;
    assert_int_equal(db_pool_new(&opts, &p, &diag), CH_INVALID);
    assert_null(p);
}

static void pool_exhausted_answers_busy(void **state)
{
    (void)state;
    struct db_conn *c[3], *more = NULL;
    for (int i = 0; i < 3; i++) {
        c[i] = take();
    }
    struct diag diag = {0};
    assert_int_equal(db_acquire(pool, &more, &diag), CH_BUSY);
    assert_null(more);
    for (int i = 0; i < 3; i++) {
        db_release(c[i]);
    }
    more = take();
    db_release(more);
}

static void release_in_open_transaction_rolls_back(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    assert_int_equal(db_script(conn, "BEGIN; INSERT INTO t.item VALUES (1, 'left open', 1)", NULL),
                     CH_OK);
    db_release(conn);
    assert_int_equal(count("SELECT count(*) FROM t.item"), 0);
}

#define INSERT "INSERT INTO t.item SELECT *, 'x', 1 FROM unnest($1)"

static void pipeline_all_or_nothing(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct diag diag = {0};
    const int64_t one[] = {1, 2}, two[] = {3, 1};
    const struct db_param a[] = {DB_P_INT8_ARRAY(one, 2)}, b[] = {DB_P_INT8_ARRAY(two, 2)};
    const struct db_stmt good[] = {{INSERT, a, 1, -1}, {"SELECT 1", NULL, 0, -1}};
    const struct db_stmt bad[] = {{"UPDATE t.item SET n = n + 1", NULL, 0, -1},
                                  {INSERT, b, 1, -1},
                                  {"SELECT 1", NULL, 0, -1}};
    assert_int_equal(db_pipeline(conn, good, 2, &diag), CH_OK);
    assert_int_equal(db_pipeline(conn, bad, 3, &diag), CH_EXISTS);
    assert_string_equal(diag.field, "item_pkey");
    assert_int_equal(db_pipeline(conn, NULL, 0, &diag), CH_LIMIT);
    assert_int_equal(db_exec(conn, "SELECT 1", NULL, 0, NULL, NULL), CH_OK);
    db_release(conn);
    assert_int_equal(count("SELECT count(*) FROM t.item WHERE n = 1"), 2);
}

static void pipeline_wrong_count_rolls_back(void **state)
{
    (void)state;
    struct db_conn *conn = take();
    struct diag diag = {0};
    const int64_t ids[] = {1, 2};
    const struct db_param a[] = {DB_P_INT8_ARRAY(ids, 2)};
    const struct db_stmt right[] = {{INSERT, a, 1, 2}, {"UPDATE t.item SET n = 2", NULL, 0, 2}};
    const struct db_stmt wrong[] = {{"UPDATE t.item SET n = 3", NULL, 0, 2},
                                    {"UPDATE t.item SET n = 4 WHERE id = 1", NULL, 0, 2}};
    assert_int_equal(db_pipeline(conn, right, 2, &diag), CH_OK);
    assert_int_equal(db_pipeline(conn, wrong, 2, &diag), CH_PRECONDITION);
    assert_string_equal(diag.rule, "db.affected");
    db_release(conn);
    assert_int_equal(count("SELECT count(*) FROM t.item WHERE n = 2"), 2);
}

static void pipeline_large_batch_does_not_block_both_sides(void **state)
{
    (void)state;
    /* Answers of 8 MiB and parameters of 8 MiB: both socket buffers fill. */
    enum { N = 128, SIZE = 65536 };
    uint8_t *blob = calloc(1, SIZE);
    assert_non_null(blob);
    const struct db_param p[] = {DB_P_BYTES(slice_of(blob, SIZE))};
    struct db_stmt stmts[N];
    for (int i = 0; i < N; i++) {
        stmts[i] = (struct db_stmt){"SELECT $1::bytea", p, 1, -1};
    }
    struct db_conn *conn = take();
    assert_int_equal(db_pipeline(conn, stmts, N, NULL), CH_OK);
    db_release(conn);
    free(blob);
}

static enum chancery_err swallow_failed_pipeline(struct db_conn *conn, void *ctx, struct diag *diag)
{
    (void)ctx;
    const struct db_stmt stmts[] = {{"INSERT INTO t.item VALUES (1, 'x', 1)", NULL, 0, 1},
                                    {"UPDATE t.item SET n = 9 WHERE id = 77", NULL, 0, 1}};
    assert_int_equal(db_pipeline(conn, stmts, 2, diag), CH_PRECONDITION);
    return CH_OK;
}

static void transaction_with_swallowed_failure_does_not_commit(void **state)
{
    (void)state;
    struct diag diag = {0};
    assert_int_equal(db_tx(pool, NULL, swallow_failed_pipeline, NULL, &diag), CH_INTERNAL);
    assert_int_equal(count("SELECT count(*) FROM t.item"), 0);
}

struct sum {
    struct db_conn *conn;
    int64_t total, stop_at;
};

static enum chancery_err add_row(void *ctx, const struct db_result *r, size_t row)
{
    struct sum *s = ctx;
    s->total += db_int(r, row, 0);
    if (s->total == s->stop_at) {
        return CH_END;
    }
    return s->stop_at < 0 ? db_exec(s->conn, "SELECT 1", NULL, 0, NULL, NULL) : CH_OK;
}

static enum chancery_err sum_rows(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct sum *s = ctx;
    s->conn = conn;
    const struct db_param p[] = {DB_P_INT8(1000)};
    enum chancery_err err =
        db_each(conn, "SELECT x::int8 FROM generate_series(1, $1::int8) AS x ORDER BY x", p, 1,
                add_row, s, diag);
    if (err == CH_END) {
        struct sum again = {.conn = conn};
        TRY(db_each(conn, "SELECT 5::int8", NULL, 0, add_row, &again, diag));
        assert_int_equal(again.total, 5);
    }
    return err;
}

static void each_reads_all_rows_and_stops_on_error(void **state)
{
    (void)state;
    struct diag diag = {0};
    struct db_tx_opts read = {.read_only = true};
    struct sum s = {0};
    assert_int_equal(db_tx(pool, &read, sum_rows, &s, &diag), CH_OK);
    assert_int_equal(s.total, 500500);
    struct sum nested = {.stop_at = -1};
    assert_int_equal(db_tx(pool, &read, sum_rows, &nested, &diag), CH_OK);
    assert_int_equal(nested.total, 500500);
    struct sum stopped = {.stop_at = 6};
    assert_int_equal(db_tx(pool, &read, sum_rows, &stopped, &diag), CH_END);
    assert_int_equal(stopped.total, 6);
    struct db_conn *conn = take();
    assert_int_equal(db_each(conn, "SELECT 1::int8", NULL, 0, add_row, &s, &diag), CH_PRECONDITION);
    db_release(conn);
}

static void now_is_the_servers_clock(void **state)
{
    (void)state;
    int64_t now = 0;
    assert_int_equal(db_now_s(pool, &now, NULL), CH_OK);
    assert_true(now > 1600000000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exec_scalars_come_back_unchanged),
        cmocka_unit_test(exec_arrays_keep_order_and_nulls),
        cmocka_unit_test(array_columns_are_read_back),
        cmocka_unit_test(exec_large_array_goes_through),
        cmocka_unit_test(exec_bad_parameters_are_refused_before_sending),
        cmocka_unit_test_setup(exec_null_in_place_of_value_is_another_statement, clean),
        cmocka_unit_test(exec_same_buffer_with_other_text_is_not_confused),
        cmocka_unit_test(exec_endless_new_texts_end_at_a_limit),
        cmocka_unit_test(exec_statement_is_prepared_once),
        cmocka_unit_test_setup(errors_are_typed_and_name_the_constraint, clean),
        cmocka_unit_test(search_path_finds_nothing_unqualified),
        cmocka_unit_test(session_with_asynchronous_commit_is_made_synchronous),
        cmocka_unit_test(pool_refuses_passwords_and_nonsense),
        cmocka_unit_test(pool_exhausted_answers_busy),
        cmocka_unit_test_setup(release_in_open_transaction_rolls_back, clean),
        cmocka_unit_test_setup(pipeline_all_or_nothing, clean),
        cmocka_unit_test_setup(pipeline_wrong_count_rolls_back, clean),
        cmocka_unit_test(pipeline_large_batch_does_not_block_both_sides),
        cmocka_unit_test_setup(transaction_with_swallowed_failure_does_not_commit, clean),
        cmocka_unit_test(each_reads_all_rows_and_stops_on_error),
        cmocka_unit_test(now_is_the_servers_clock),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
