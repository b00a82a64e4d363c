/* services/ca/lease.c against PostgreSQL: leases, fencing, settlement, in every order of crash. */
#include "store_rows.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "lease.h"

/* The log: counts entries, or is away. */
static struct {
    bool away;
    size_t entries;
    pthread_mutex_t lock;
} log_state = {.lock = PTHREAD_MUTEX_INITIALIZER};

static enum chancery_err append(void *ctx, const struct daemon_entry *entries, size_t n,
                                unsigned timeout_ms, struct daemon_ack *acks, struct diag *diag)
{
    (void)ctx;
    (void)timeout_ms;
    (void)diag;
    pthread_mutex_lock(&log_state.lock);
    bool away = log_state.away;
    log_state.entries += away ? 0 : n;
    pthread_mutex_unlock(&log_state.lock);
    for (size_t i = 0; !away && i < n; i++) {
        assert_string_equal(entries[i].action, "settlement");
        acks[i] = (struct daemon_ack){.err = CH_OK};
    }
    return away ? CH_UNAVAILABLE : CH_OK;
}

static struct ca_lease *make(const char *instance)
{
    static const uint8_t key[32] = {7};
    static const struct ca_issuer_row issuer = {
        "issuing-1", {(const uint8_t *)"certificate", 11}, {key, 32}, ROWS_SHARDS};
    const struct ca_lease_opts opts = {.db = rows_db,
                                       .instance = instance,
                                       .lease_s = 60,
                                       .append = append,
                                       .issuers = &issuer,
                                       .n_issuers = 1};
    struct ca_lease *l;
    struct diag d = {0};
    assert_int_equal(ca_lease_new(&opts, &l), CH_OK);
    assert_int_equal(ca_lease_epoch(l), 0);
    assert_int_equal(ca_lease_keep(l, 1, &d), CH_OK);
    assert_true(ca_lease_epoch(l) > 0);
    return l;
}

static void expire(int64_t epoch)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql, "UPDATE ca.instance SET lease_until_s = 1 WHERE epoch = %lld",
                   (long long)epoch);
    test_postgres_admin(&rows_pg, sql);
}

static struct rows_batch b;

static int64_t count_state(int64_t epoch, int state)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM ca.issuance WHERE epoch = %lld AND state = %d",
                   (long long)epoch, state);
    return rows_int(sql);
}

static void lease_is_kept_and_survives_a_late_renewal(void **state)
{
    (void)state;
    struct diag d = {0};
    struct ca_lease *l = make("ca-keep");
    int64_t epoch = ca_lease_epoch(l);
    assert_int_equal(ca_lease_keep(l, 1, &d), CH_OK);
    assert_int_equal(ca_lease_epoch(l), epoch);
    expire(epoch); /* late, but nobody has fenced it */
    assert_int_equal(ca_lease_keep(l, 1, &d), CH_OK);
    assert_int_equal(ca_lease_epoch(l), epoch);
    ca_lease_give_up(l);
    assert_int_equal(ca_lease_epoch(l), 0);
    ca_lease_free(l);
    ca_lease_free(NULL);
}

static void expired_lease_is_settled_by_another_instance(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    struct diag d = {0};
    struct ca_lease *dead = make("ca-dead"), *live = make("ca-live");
    int64_t epoch = ca_lease_epoch(dead);
    rows_make(&b, 100, 10, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    b.store.n = 4;
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    assert_int_equal(ca_lease_settle(live, &d), CH_OK); /* the lease still runs */
    assert_int_equal(count_state(epoch, CA_RESERVED), 6);
    expire(epoch);
    log_state.entries = 0;
    assert_int_equal(ca_lease_settle(live, &d), CH_OK);
    assert_int_equal(count_state(epoch, CA_RESERVED), 0);
    assert_int_equal(count_state(epoch, CA_VOIDED), 6);
    assert_int_equal(count_state(epoch, CA_STORED), 4);
    assert_int_equal(log_state.entries, 6);
    assert_int_equal(ca_lease_settle(live, &d), CH_OK); /* once */
    assert_int_equal(log_state.entries, 6);
    /* The instance was not dead, only slow: it stores nothing, and goes on under a new epoch. */
    rows_make(&b, 100, 10, epoch);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    assert_false(stored[9]);
    assert_int_equal(ca_lease_keep(dead, 1, &d), CH_OK);
    assert_true(ca_lease_epoch(dead) > epoch);
    ca_lease_give_up(dead);
    ca_lease_give_up(live);
    ca_lease_free(dead);
    ca_lease_free(live);
}

static void settlement_waits_for_the_log_and_repeats(void **state)
{
    (void)state;
    struct diag d = {0};
    struct ca_lease *dead = make("ca-dead"), *live = make("ca-live");
    int64_t epoch = ca_lease_epoch(dead);
    rows_make(&b, 101, 3, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    expire(epoch);
    log_state.away = true;
    assert_int_equal(ca_lease_settle(live, &d), CH_UNAVAILABLE);
    assert_int_equal(count_state(epoch, CA_RESERVED), 3); /* fenced, not yet voided */
    assert_int_equal(ca_store_lease_extend(rows_db, epoch, 60, &d), CH_PRECONDITION);
    log_state.away = false;
    log_state.entries = 0;
    assert_int_equal(ca_lease_settle(live, &d), CH_OK);
    assert_int_equal(count_state(epoch, CA_VOIDED), 3);
    assert_int_equal(log_state.entries, 3);
    ca_lease_give_up(live);
    ca_lease_free(dead);
    ca_lease_free(live);
}

static void handed_over_reservations_are_settled(void **state)
{
    (void)state;
    struct diag d = {0};
    struct ca_lease *l = make("ca-own");
    int64_t epoch = ca_lease_epoch(l);
    rows_make(&b, 102, 5, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    for (size_t i = 0; i < 5; i++) {
        struct ca_orphan o = {.issuer_id = "issuing-1", .serial_len = 16};
        memcpy(o.serial, b.serials[i], 16);
        memcpy(o.tbs_sha256, b.tbs[i], 32);
        assert_int_equal(ca_lease_hand_over(l, &o, i < 2 ? CA_VOIDED : CA_UNSIGNED), CH_OK);
    }
    assert_int_equal(ca_lease_backlog(l), 5);
    log_state.away = true;
    assert_int_equal(ca_lease_settle(l, &d), CH_UNAVAILABLE);
    assert_int_equal(ca_lease_backlog(l), 5);
    log_state.away = false;
    log_state.entries = 0;
    assert_int_equal(ca_lease_settle(l, &d), CH_OK);
    assert_int_equal(ca_lease_backlog(l), 0);
    assert_int_equal(log_state.entries, 2); /* nothing to say of those that were never signed */
    assert_int_equal(count_state(epoch, CA_VOIDED), 2);
    assert_int_equal(count_state(epoch, CA_UNSIGNED), 3);
    ca_lease_give_up(l);
    ca_lease_free(l);
}

/* ---- storing against fencing ---- */

struct race {
    int64_t epoch;
    uint32_t seed;
    size_t stored, refused;
};

static void *issue_until_fenced(void *arg)
{
    struct race *r = arg;
    struct rows_batch *batch = calloc(1, sizeof *batch);
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    for (uint32_t i = 0; batch != NULL && i < 1000; i++) {
        rows_make(batch, r->seed + i, 2, r->epoch);
        enum chancery_err err = rows_reserve(batch, NULL);
        if (err != CH_OK ||
            ca_store_certificates(rows_db, &batch->store, stored, twice, NULL) != CH_OK) {
            break;
        }
        r->stored += (size_t)stored[0] + (size_t)stored[1];
        r->refused += 2 - (size_t)stored[0] - (size_t)stored[1];
    }
    free(batch);
    return NULL;
}

static void store_and_settlement_exclude_each_other(void **state)
{
    (void)state;
    struct diag d = {0};
    struct ca_lease *slow = make("ca-slow"), *live = make("ca-live");
    struct race r[2] = {{.epoch = ca_lease_epoch(slow), .seed = 100000},
                        {.epoch = ca_lease_epoch(slow), .seed = 200000}};
    pthread_t threads[2];
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, issue_until_fenced, &r[i]), 0);
    }
    while (count_state(r[0].epoch, CA_STORED) < 20) {
    }
    expire(r[0].epoch);
    do {
        assert_int_equal(ca_lease_settle(live, &d), CH_OK);
    } while (
        rows_int(
            "SELECT count(*) FROM ca.instance WHERE settled_at_s IS NULL AND lease_until_s < 100") >
        0);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(count_state(r[0].epoch, CA_RESERVED), 0);
    assert_int_equal(count_state(r[0].epoch, CA_STORED), (int64_t)(r[0].stored + r[1].stored));
    assert_int_equal(rows_int("SELECT count(*) FROM ca.certificate c JOIN ca.issuance i USING "
                              "(issuer_id, serial) WHERE i.state <> 2"),
                     0);
    assert_int_equal(rows_int("SELECT count(*) FROM ca.issuance i WHERE i.state = 2 AND NOT EXISTS "
                              "(SELECT 1 FROM ca.certificate c WHERE "
                              "c.issuer_id = i.issuer_id AND c.serial = i.serial)"),
                     0);
    ca_lease_give_up(live);
    ca_lease_free(slow);
    ca_lease_free(live);
}

static void issuer_recorded_differently_stops(void **state)
{
    (void)state;
    static const uint8_t key[32] = {9};
    const struct ca_issuer_row issuer = {"issuing-1", slice_str("certificate"), slice_of(key, 32),
                                         ROWS_SHARDS};
    const struct ca_lease_opts opts = {.db = rows_db,
                                       .instance = "ca-x",
                                       .lease_s = 60,
                                       .append = append,
                                       .issuers = &issuer,
                                       .n_issuers = 1};
    struct ca_lease *l;
    struct diag d = {0};
    assert_int_equal(ca_lease_new(&opts, &l), CH_OK);
    assert_int_equal(ca_lease_keep(l, 1, &d), CH_INTEGRITY);
    assert_int_equal(ca_lease_epoch(l), 0);
    ca_lease_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lease_is_kept_and_survives_a_late_renewal),
        cmocka_unit_test(expired_lease_is_settled_by_another_instance),
        cmocka_unit_test(settlement_waits_for_the_log_and_repeats),
        cmocka_unit_test(handed_over_reservations_are_settled),
        cmocka_unit_test(store_and_settlement_exclude_each_other),
        cmocka_unit_test(issuer_recorded_differently_stops),
    };
    return cmocka_run_group_tests(tests, rows_open, rows_close);
}
