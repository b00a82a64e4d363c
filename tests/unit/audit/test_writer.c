/* The writer on a real PostgreSQL: group commit, stand-by, fencing, lost databases, repetitions. */
#include "tests_audit.h"

#include "store.h"

static struct test_postgres pg;

static int setup(void **state)
{
    (void)state;
    test_postgres_start(&pg);
    test_postgres_migrate(&pg);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    test_postgres_end(&pg);
    return 0;
}

#define SEQUENCES_MAX 200000 /* more than a producer appends in the 90 s that a test may take */

/* Every entry of the log, checked to be without gap: counts them and their appearances of `n`. */
struct seen {
    uint64_t next;
    unsigned count[SEQUENCES_MAX];
    uint8_t boot;
};

static enum chancery_err see(void *ctx, uint64_t index, struct slice line)
{
    struct seen *s = ctx;
    struct audit_leaf leaf;
    int64_t n = 0;
    assert_int_equal(index, s->next);
    assert_int_equal(audit_leaf_read(line, &leaf, NULL), CH_OK);
    if (leaf.boot[0] == s->boot && audit_fields_number(leaf.f, "n", &n) == CH_OK) {
        s->count[n]++;
    }
    s->next++;
    return CH_OK;
}

static void read_log(struct seen *out, uint8_t boot)
{
    char conninfo[512];
    struct db_conn *conn = NULL;
    uint64_t size = 0;
    memset(out, 0, sizeof *out);
    out->boot = boot;
    test_postgres_conninfo(&pg, "chancery_audit", conninfo, sizeof conninfo);
    assert_int_equal(db_connect(conninfo, &conn, NULL), CH_OK);
    assert_int_equal(audit_store_size(conn, &size, NULL), CH_OK);
    while (out->next < size) {
        assert_int_equal(audit_store_read(conn, out->next, size, see, out, NULL), CH_OK);
    }
    db_disconnect(conn);
}

static void append_many_at_once_gets_distinct_durable_indices(void **state)
{
    (void)state;
    enum { N = 1000 };
    struct audit_writer *w = writer_on(&pg, "a");
    wait_active(w, true);
    struct audit_position at;
    audit_writer_position(w, &at);
    struct call *calls = calloc(N, sizeof *calls);
    bool *taken = calloc(N, sizeof *taken);
    assert_non_null(calls);
    assert_non_null(taken);
    for (uint64_t i = 0; i < N; i++) {
        call_init(&calls[i], 1, i + 1);
        calls[i].append.priority = i % 2 == 0;
        enum chancery_err err = audit_writer_submit(w, &calls[i].append, NULL);
        while (err == CH_BUSY) { /* back-pressure of non-priority entries */
            (void)call_wait(&calls[i / 2]);
            err = audit_writer_submit(w, &calls[i].append, NULL);
        }
        assert_int_equal(err, CH_OK);
    }
    for (uint64_t i = 0; i < N; i++) {
        assert_int_equal(call_wait(&calls[i]), CH_OK);
        assert_int_equal(calls[i].ack.err, CH_OK);
        assert_in_range(calls[i].ack.index, at.size, at.size + N - 1);
        assert_false(taken[calls[i].ack.index - at.size]);
        taken[calls[i].ack.index - at.size] = true;
    }
    audit_writer_stop(w);
    struct seen s;
    read_log(&s, 1);
    for (unsigned i = 1; i <= N; i++) {
        assert_int_equal(s.count[i], 1);
    }
    free(calls);
    free(taken);
}

static void writer_restarted_repeats_the_first_acknowledgement(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    wait_active(w, true);
    struct audit_ack first;
    struct audit_ack again;
    call_until_ok(w, 2, 1, &first);
    audit_writer_stop(w);
    w = writer_on(&pg, "a");
    wait_active(w, true);
    struct audit_position before;
    struct audit_position after;
    audit_writer_position(w, &before);
    call_until_ok(w, 2, 1, &again);
    audit_writer_position(w, &after);
    assert_int_equal(first.index, again.index);
    assert_memory_equal(first.leaf_hash.b, again.leaf_hash.b, TLOG_HASH);
    assert_int_equal(before.size, after.size);
    audit_writer_stop(w);
}

static void standby_takes_over_when_the_writer_goes(void **state)
{
    (void)state;
    struct audit_writer *a = writer_on(&pg, "a");
    wait_active(a, true);
    struct audit_writer *b = writer_on(&pg, "b");
    struct audit_ack ack;
    struct diag diag = {0};
    call_until_ok(a, 3, 1, &ack);
    int64_t until = os_mono_ms() + 20000;
    while (strcmp(diag.rule, "audit.standby") != 0) {
        assert_true(os_mono_ms() < until);
        assert_int_equal(audit_writer_check(b, &diag), CH_UNAVAILABLE);
    }
    assert_int_equal(call_run(b, 3, 2, NULL), CH_UNAVAILABLE);
    struct audit_position first;
    struct audit_position second;
    audit_writer_position(a, &first);
    audit_writer_stop(a);
    wait_active(b, true);
    audit_writer_position(b, &second);
    assert_true(second.epoch > first.epoch);
    struct audit_ack again;
    call_until_ok(b, 3, 1, &again); /* a producer that lost its answer asks the new writer */
    assert_int_equal(ack.index, again.index);
    call_until_ok(b, 3, 2, &again);
    audit_writer_stop(b);
}

/* A writer that does not know it was replaced: its epoch is over, nothing of it enters the log. */
static void writer_with_an_old_epoch_is_fenced(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    wait_active(w, true);
    call_until_ok(w, 4, 1, NULL);
    struct audit_position before;
    audit_writer_position(w, &before);
    test_postgres_admin(&pg, "UPDATE audit.writer SET epoch = epoch + 1, instance = 'other'");
    enum chancery_err err = call_run(w, 4, 2, NULL);
    assert_int_equal(err, CH_UNAVAILABLE);
    call_until_ok(w, 4, 2, NULL); /* it takes the lock and a new epoch again */
    struct audit_position after;
    audit_writer_position(w, &after);
    assert_true(after.epoch > before.epoch + 1);
    assert_int_equal(after.size, before.size + 1);
    audit_writer_stop(w);
}

struct producer {
    struct audit_writer *w;
    uint8_t boot;
    uint64_t done;
    bool stop;
    pthread_mutex_t mutex;
};

static void *produce(void *arg)
{
    struct producer *p = arg;
    for (uint64_t s = 1; s < SEQUENCES_MAX; s++) {
        call_until_ok(p->w, p->boot, s, NULL);
        (void)pthread_mutex_lock(&p->mutex);
        p->done = s;
        bool stop = p->stop;
        (void)pthread_mutex_unlock(&p->mutex);
        if (stop) {
            break;
        }
    }
    return NULL;
}

static void wait_done(struct producer *p, uint64_t more)
{
    (void)pthread_mutex_lock(&p->mutex);
    uint64_t want = p->done + more;
    (void)pthread_mutex_unlock(&p->mutex);
    int64_t until = os_mono_ms() + 30000;
    for (uint64_t done = 0; done < want;) {
        assert_true(os_mono_ms() < until);
        (void)nanosleep(&(struct timespec){0, 1000000}, NULL); /* polling a condition */
        (void)pthread_mutex_lock(&p->mutex);
        done = p->done;
        (void)pthread_mutex_unlock(&p->mutex);
    }
}

/* Power cuts of the database and killed sessions under load: each entry is in the log exactly once.
 */
static void database_lost_under_load_loses_and_doubles_nothing(void **state)
{
    (void)state;
    struct audit_writer *w = writer_on(&pg, "a");
    wait_active(w, true);
    struct producer p[3];
    pthread_t threads[3];
    for (uint8_t i = 0; i < 3; i++) {
        p[i] = (struct producer){.w = w, .boot = (uint8_t)(10 + i)};
        (void)pthread_mutex_init(&p[i].mutex, NULL);
        assert_int_equal(pthread_create(&threads[i], NULL, produce, &p[i]), 0);
    }
    for (int round = 0; round < 8; round++) {
        wait_done(&p[0], 20);
        test_postgres_admin(&pg, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                                 "WHERE usename = 'chancery_audit'");
    }
    for (int round = 0; round < 3; round++) {
        wait_done(&p[1], 20);
        test_postgres_halt(&pg);
        test_postgres_resume(&pg);
    }
    wait_done(&p[2], 20);
    for (size_t i = 0; i < 3; i++) {
        (void)pthread_mutex_lock(&p[i].mutex);
        p[i].stop = true;
        (void)pthread_mutex_unlock(&p[i].mutex);
        (void)pthread_join(threads[i], NULL);
    }
    audit_writer_stop(w);
    for (size_t i = 0; i < 3; i++) {
        static struct seen s;
        read_log(&s, p[i].boot);
        for (uint64_t n = 1; n <= p[i].done; n++) {
            assert_int_equal(s.count[n], 1);
        }
    }
}

static enum chancery_err admit_none(void *ctx, uint64_t size, struct diag *diag)
{
    (void)ctx;
    (void)size;
    return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.shrunk", "test");
}

static void log_shorter_than_a_checkpoint_is_not_continued(void **state)
{
    (void)state;
    char conninfo[512];
    test_postgres_conninfo(&pg, "chancery_audit", conninfo, sizeof conninfo);
    struct audit_writer_opts o = {
        .conninfo = conninfo, .instance = "a", .self = "x", .admit = admit_none};
    struct audit_writer *w = NULL;
    assert_int_equal(audit_writer_start(&o, &w, NULL), CH_OK);
    int64_t until = os_mono_ms() + 20000;
    while (audit_writer_check(w, NULL) != CH_INTEGRITY) {
        assert_true(os_mono_ms() < until);
    }
    assert_int_equal(call_run(w, 5, 1, NULL), CH_INTEGRITY);
    audit_writer_stop(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_many_at_once_gets_distinct_durable_indices),
        cmocka_unit_test(writer_restarted_repeats_the_first_acknowledgement),
        cmocka_unit_test(standby_takes_over_when_the_writer_goes),
        cmocka_unit_test(writer_with_an_old_epoch_is_fenced),
        cmocka_unit_test(database_lost_under_load_loses_and_doubles_nothing),
        cmocka_unit_test(log_shorter_than_a_checkpoint_is_not_continued),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
