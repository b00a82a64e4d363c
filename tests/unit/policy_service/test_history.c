/* services/policy/history.c on a real PostgreSQL: what is added is read again in order, old rows
 * go, and a database that is away costs records but neither memory nor time. */
#include "cm.h"

#include <stdlib.h>

#include "history.h"
#include "test_postgres.h"

#define NOW 1764000000

static struct test_postgres pg;
static struct db_pool *pool;

static int set_up(void **state)
{
    (void)state;
    char conninfo[256];
    test_postgres_start(&pg);
    test_postgres_migrate(&pg);
    test_postgres_conninfo(&pg, "chancery_policy", conninfo, sizeof conninfo);
    const struct db_pool_opts opts = {.conninfo = conninfo, .size = 2};
    return db_pool_new(&opts, &pool, NULL) == CH_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    db_pool_free(pool);
    test_postgres_end(&pg);
    return 0;
}

static bool add(struct policy_history *h, const char *name, size_t padding, int64_t at_s)
{
    static uint8_t octets[TRIAL_RECORD_MAX];
    struct buf b CLEANUP(buf_clear);
    struct trial_record r = {.judged_at_s = at_s, .permitted = true, .failed = slice_str(name)};
    r.item = slice_of(octets, padding);
    buf_init(&b, TRIAL_BODY_MAX);
    assert_int_equal(trial_record_write(&r, &b), CH_OK);
    return policy_history_add(h, buf_slice(&b), 1, 1, at_s);
}

struct seen {
    size_t rows, records;
    char names[4096];
};

static enum chancery_err see(void *ctx, struct slice records)
{
    struct seen *s = ctx;
    struct trial_record r;
    enum chancery_err err;
    s->rows++;
    while ((err = trial_record_next(&records, &r, NULL)) == CH_OK) {
        size_t at = strlen(s->names);
        s->records++;
        if (at + r.failed.len < sizeof s->names) {
            memcpy(s->names + at, r.failed.ptr, r.failed.len);
        }
    }
    return err == CH_END ? CH_OK : err;
}

static void read_span(struct policy_history *h, int64_t from_s, int64_t to_s, struct seen *out)
{
    memset(out, 0, sizeof *out);
    struct diag d = {.text = ""};
    if (policy_history_read(h, from_s, to_s, see, out, &d) != CH_OK) {
        fail_msg("%s", d.text);
    }
}

static int empty(void **state)
{
    (void)state;
    test_postgres_admin(&pg, "DELETE FROM policy.history");
    return 0;
}

static void what_is_added_is_read_in_order(void **state)
{
    (void)state;
    struct seen s;
    struct policy_history *h = policy_history_new(pool, 30);
    for (int64_t i = 0; i < 12; i++) { /* more rows than one reading takes */
        char name[2] = {(char)('a' + i), 0};
        assert_false(add(h, name, 10, NOW + i));
        assert_int_equal(policy_history_write(h, NULL), CH_OK);
    }
    assert_int_equal(policy_history_write(h, NULL), CH_OK); /* nothing to do */
    read_span(h, NOW, NOW + 100, &s);
    assert_int_equal(s.rows, 12);
    assert_string_equal(s.names, "abcdefghijkl");
    read_span(h, NOW + 3, NOW + 5, &s);
    assert_string_equal(s.names, "def");
    read_span(h, NOW + 50, NOW + 100, &s);
    assert_int_equal(s.rows, 0);
    policy_history_free(h);
}

static void a_full_row_asks_to_be_written(void **state)
{
    (void)state;
    struct seen s;
    struct policy_history *h = policy_history_new(pool, 30);
    for (size_t i = 1; i <= POLICY_HISTORY_RUN; i++) {
        assert_int_equal(add(h, "x", 10, NOW), i == POLICY_HISTORY_RUN);
    }
    assert_false(add(h, "y", 10, NOW));
    assert_false(add(h, "z", TRIAL_RECORD_MAX - 65536, NOW));
    assert_true(add(h, "z", TRIAL_RECORD_MAX - 65536, NOW));
    assert_int_equal(policy_history_write(h, NULL), CH_OK);
    read_span(h, NOW, NOW, &s);
    assert_int_equal(s.rows, 2);
    assert_int_equal(s.records, POLICY_HISTORY_RUN + 3);
    policy_history_free(h);
}

static void old_rows_go(void **state)
{
    (void)state;
    struct seen s;
    struct policy_history *h = policy_history_new(pool, 2);
    for (int64_t i = 0; i < 450; i++) {
        assert_false(add(h, "o", 10, NOW - 10 * 86400 + i));
        assert_int_equal(policy_history_write(h, NULL), CH_OK);
    }
    assert_false(add(h, "k", 10, NOW - 2 * 86400));
    assert_int_equal(policy_history_write(h, NULL), CH_OK);
    assert_int_equal(policy_history_purge(h, NOW, NULL), CH_OK);
    read_span(h, 0, NOW, &s);
    assert_string_equal(s.names, "k");
    policy_history_free(h);
}

static void without_days_nothing_is_kept(void **state)
{
    (void)state;
    struct seen s;
    struct policy_history *h = policy_history_new(pool, 0);
    assert_false(add(h, "n", 10, NOW));
    assert_int_equal(policy_history_write(h, NULL), CH_OK);
    read_span(h, 0, NOW, &s);
    assert_int_equal(s.rows, 0);
    policy_history_free(h);
}

static void a_database_that_is_away_costs_records_alone(void **state)
{
    (void)state;
    struct seen s;
    struct policy_history *h = policy_history_new(pool, 30);
    test_postgres_halt(&pg);
    assert_false(add(h, "first", 10, NOW));
    assert_int_not_equal(policy_history_write(h, NULL), CH_OK);
    assert_int_equal(policy_history_dropped(h), 0);
    for (size_t i = 0; i < 40; i++) {
        (void)add(h, "", TRIAL_RECORD_MAX - 65536, NOW);
    }
    uint64_t dropped = policy_history_dropped(h);
    assert_true(dropped > 0 && dropped < 20);
    assert_int_not_equal(policy_history_write(h, NULL), CH_OK);
    test_postgres_resume(&pg);
    enum chancery_err err = CH_UNAVAILABLE;
    for (int i = 0; i < 100 && err != CH_OK; i++) {
        err = policy_history_write(h, NULL);
    }
    assert_int_equal(err, CH_OK);
    read_span(h, NOW, NOW, &s);
    assert_true(s.records >= 40 - dropped); /* a row of unknown outcome may be missing */
    assert_int_equal(policy_history_dropped(h), dropped);
    assert_false(add(h, "again", 10, NOW + 1));
    assert_int_equal(policy_history_write(h, NULL), CH_OK);
    policy_history_free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(what_is_added_is_read_in_order, empty),
        cmocka_unit_test_setup(a_full_row_asks_to_be_written, empty),
        cmocka_unit_test_setup(old_rows_go, empty),
        cmocka_unit_test_setup(without_days_nothing_is_kept, empty),
        cmocka_unit_test_setup(a_database_that_is_away_costs_records_alone, empty),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
