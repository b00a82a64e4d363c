/* services/ca/store_*.c against PostgreSQL, as role chancery_ca. */
#include "store_rows.h"

#include <stdio.h>

static struct rows_batch b;

static int64_t lease(void)
{
    int64_t epoch = 0;
    assert_int_equal(ca_store_lease_new(rows_db, "ca-1", 60, &epoch, NULL), CH_OK);
    return epoch;
}

static void fence(int64_t epoch)
{
    char sql[200];
    (void)snprintf(sql, sizeof sql, "UPDATE ca.instance SET fenced_at_s = 1 WHERE epoch = %lld",
                   (long long)epoch);
    test_postgres_admin(&rows_pg, sql);
}

static enum ca_state state_of(size_t i)
{
    enum ca_state s;
    assert_int_equal(ca_store_state(rows_db, "issuing-1", b.rows[i].serial, &s, NULL), CH_OK);
    return s;
}

static void batch_reserved_and_stored(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    struct diag d = {0};
    rows_make(&b, 1, 64, lease());
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    assert_int_equal(state_of(63), CA_RESERVED);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    for (size_t i = 0; i < 64; i++) {
        assert_true(stored[i]);
        assert_int_equal(state_of(i), CA_STORED);
    }
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d),
                     CH_OK); /* once only */
    assert_false(stored[0]);
    enum ca_state s;
    assert_int_equal(ca_store_attempt(rows_db, b.rows[5].request_id, 1, &s, &d), CH_OK);
    assert_int_equal(s, CA_STORED);
    assert_int_equal(ca_store_attempt(rows_db, b.rows[5].request_id, 2, &s, &d), CH_OK);
    assert_int_equal(s, CA_NONE);
}

static void attempt_or_serial_used_twice_refused_whole(void **state)
{
    (void)state;
    struct diag d = {0};
    int64_t epoch = lease();
    rows_make(&b, 2, 3, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    struct rows_batch *again = &b;
    uint8_t fresh[3][16] = {{1, 1}, {1, 2}, {1, 3}};
    for (size_t i = 0; i < 3; i++) { /* new serials, same (request id, attempt) */
        again->rows[i].serial = slice_of(fresh[i], 16);
    }
    again->rows[0].attempt = 2;
    again->rows[1].attempt = 2;
    assert_int_equal(rows_reserve(again, &d), CH_EXISTS);
    assert_string_equal(d.field, "issuance_request_attempt");
    enum ca_state s;
    assert_int_equal(ca_store_attempt(rows_db, b.rows[0].request_id, 2, &s, &d), CH_OK);
    assert_int_equal(s, CA_NONE); /* nothing of the batch stands */
    rows_make(&b, 2, 3, epoch);
    for (size_t i = 0; i < 3; i++) {
        b.rows[i].attempt = 3; /* new attempts, same serials */
    }
    assert_int_equal(rows_reserve(&b, &d), CH_EXISTS);
    assert_string_equal(d.field, "issuance_pkey");
}

static void fenced_lease_reserves_and_stores_nothing(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    struct diag d = {0};
    int64_t epoch = lease();
    rows_make(&b, 3, 2, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    fence(epoch);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    assert_false(stored[0] || stored[1]);
    assert_int_equal(state_of(0), CA_RESERVED);
    rows_make(&b, 4, 2, epoch);
    assert_int_equal(rows_reserve(&b, &d), CH_PRECONDITION);
    assert_int_equal(state_of(0), CA_NONE);
    assert_int_equal(
        rows_int("SELECT count(*) FROM ca.permit WHERE received_at_s = 1500 AND NOT EXISTS "
                 "(SELECT 1 FROM ca.issuance)"),
        0);
    assert_int_equal(ca_store_lease_extend(rows_db, epoch, 60, &d), CH_PRECONDITION);
    rows_make(&b, 5, 2, 999999); /* an epoch that never was */
    assert_int_equal(rows_reserve(&b, &d), CH_PRECONDITION);
}

static void only_reserved_rows_of_the_batch_are_stored(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    struct diag d = {0};
    rows_make(&b, 6, 3, lease());
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    const struct ca_change change = {"issuing-1", b.rows[1].serial, CA_VOIDED};
    assert_int_equal(ca_store_change(rows_db, &change, 1, &d), CH_OK);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    assert_true(stored[0] && !stored[1] && stored[2]);
    assert_int_equal(state_of(1), CA_VOIDED);
    const struct ca_change late[] = {{"issuing-1", b.rows[1].serial, CA_DISCARDED},
                                     {"issuing-1", b.rows[0].serial, CA_VOIDED}};
    assert_int_equal(ca_store_change(rows_db, late, 2, &d), CH_OK);
    assert_int_equal(state_of(1), CA_DISCARDED);
    assert_int_equal(state_of(0), CA_STORED); /* a stored row never moves */
}

static void second_attempt_of_issued_request_stored_never(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    static struct rows_batch first;
    struct diag d = {0};
    int64_t epoch = lease();
    rows_make(&first, 7, 1, epoch);
    assert_int_equal(rows_reserve(&first, &d), CH_OK);
    rows_make(&b, 8, 3, epoch);
    b.rows[1].request_id = first.rows[0].request_id;
    b.rows[1].attempt = 2;
    assert_int_equal(rows_reserve(&b, &d), CH_OK);
    assert_int_equal(ca_store_certificates(rows_db, &first.store, stored, twice, &d), CH_OK);
    assert_true(stored[0] && !twice[0]);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, &d), CH_OK);
    assert_true(stored[0] && !stored[1] && stored[2]);
    assert_true(!twice[0] && twice[1] && !twice[2]);
    assert_int_equal(state_of(1), CA_RESERVED); /* to be discarded */
    assert_int_equal(rows_int("SELECT max(n) FROM (SELECT count(*) n FROM ca.certificate "
                              "GROUP BY request_id) x"),
                     1);
}

static void issuer_never_changes(void **state)
{
    (void)state;
    static const uint8_t key[32] = {7}, other[32] = {8};
    struct diag d = {0};
    struct ca_issuer_row row = {"issuing-1", slice_str("certificate"), slice_of(key, 32),
                                ROWS_SHARDS};
    assert_int_equal(ca_store_issuer(rows_db, &row, 5, &d), CH_OK);
    row.shards = 8;
    assert_int_equal(ca_store_issuer(rows_db, &row, 5, &d), CH_INTEGRITY);
    row =
        (struct ca_issuer_row){"issuing-1", slice_str("another"), slice_of(other, 32), ROWS_SHARDS};
    assert_int_equal(ca_store_issuer(rows_db, &row, 5, &d), CH_INTEGRITY);
    row = (struct ca_issuer_row){"issuing-2", slice_str("another"), slice_of(key, 32), ROWS_SHARDS};
    assert_int_equal(ca_store_issuer(rows_db, &row, 5, &d), CH_INTEGRITY); /* one key, one issuer */
}

/* ---- finding ---- */

static size_t count(const struct ca_filter *f, int64_t *out_last)
{
    struct db_result *r = NULL;
    struct diag d = {0};
    assert_int_equal(ca_store_find(rows_db, f, &r, &d), CH_OK);
    size_t n = db_rows(r);
    if (n > 0 && out_last != NULL) {
        *out_last = db_int(r, n - 1, CA_COL_ID);
    }
    for (size_t i = 1; i < n; i++) {
        assert_true(db_int(r, i - 1, CA_COL_ID) > db_int(r, i, CA_COL_ID));
    }
    db_result_free(r);
    return n;
}

static void certificates_found_by_each_filter(void **state)
{
    (void)state;
    bool stored[PERMIT_BATCH_MAX], twice[PERMIT_BATCH_MAX];
    const struct slice issuers[] = {slice_str("issuing-1")};
    rows_make(&b, 10, 40, lease());
    for (size_t i = 0; i < 40; i++) {
        b.certificates[i].requester = slice_str("spiffe://t/user/find");
    }
    assert_int_equal(rows_reserve(&b, NULL), CH_OK);
    assert_int_equal(ca_store_certificates(rows_db, &b.store, stored, twice, NULL), CH_OK);
    const struct ca_filter mine = {.requester = slice_str("spiffe://t/user/find"),
                                   .limit = 100,
                                   .issuers = issuers,
                                   .n_issuers = 1};
    struct ca_filter f = mine;
    assert_int_equal(count(&f, NULL), 40);
    f.profile = slice_str("web");
    assert_int_equal(count(&f, NULL), 20);
    f.not_after_before_s = 2010;
    assert_int_equal(count(&f, NULL), 5);
    f.not_after_after_s = 2003;
    assert_int_equal(count(&f, NULL), 3);
    const struct ca_filter any = {.limit = 100, .issuers = issuers, .n_issuers = 1};
    f = any;
    f.serial = b.rows[7].serial;
    assert_int_equal(count(&f, NULL), 1);
    f.requester = slice_str("spiffe://t/user/other");
    assert_int_equal(count(&f, NULL), 0);
    f = any;
    f.request_id = b.rows[7].request_id;
    assert_int_equal(count(&f, NULL), 1);
    f = any;
    f.name = slice_str("h10-7.example");
    assert_int_equal(count(&f, NULL), 1);
    f = any;
    f.spki_sha256 = b.certificates[7].spki_sha256;
    assert_int_equal(count(&f, NULL), 1);
    f = any;
    f.issuer_id = slice_str("issuing-9");
    assert_int_equal(count(&f, NULL), 0);
    f = mine;
    f.limit = 15;
    size_t total = 0, n;
    do {
        n = count(&f, &f.before_id);
        total += n;
    } while (n == 15);
    assert_int_equal(total, 40);
    struct db_result *r = NULL;
    f = any;
    f.serial = b.rows[7].serial;
    assert_int_equal(ca_store_find(rows_db, &f, &r, NULL), CH_OK);
    assert_true(slice_eq(db_bytes(r, 0, CA_COL_NAMES), slice_str("DNS:H10-7.example")));
    assert_int_equal(db_int(r, 0, CA_COL_RESULT), 27);
    assert_int_equal(db_int(r, 0, CA_COL_NOT_AFTER), 2007);
    assert_int_equal(db_int(r, 0, CA_COL_SHARD), 3);
    db_result_free(r);
}

/* ---- CRLs ---- */

static uint8_t tbs[200000];

static enum chancery_err read_tbs(void *ctx, uint64_t at, uint8_t *out, size_t cap, size_t *out_len)
{
    const uint64_t len = *(const uint64_t *)ctx;
    *out_len = len - at < cap ? (size_t)(len - at) : cap;
    memcpy(out, tbs + at, *out_len);
    return CH_OK;
}

static struct ca_crl crl_of(uint64_t number, uint64_t previous, int64_t this_update, uint64_t *len)
{
    static const uint8_t digest[32] = {3};
    return (struct ca_crl){.step = {"issuing-1", 2, number, previous, this_update},
                           .next_update_s = this_update + 100,
                           .now_s = 1,
                           .tbs_sha256 = slice_of(digest, 32),
                           .signature = slice_str("signature"),
                           .tbs_length = *len,
                           .permit = {slice_of(digest, 32), slice_str("p"), slice_str("s")},
                           .read = read_tbs,
                           .read_ctx = len};
}

static void expect_chunks(uint64_t number, uint64_t len)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    enum chancery_err err = CH_OK;
    for (uint32_t seq = 0; err == CH_OK; seq++) {
        err = ca_store_crl_chunk(rows_db, "issuing-1", 2, number, seq, &out, NULL);
    }
    assert_int_equal(err, CH_END);
    assert_true(slice_eq(buf_slice(&out), slice_of(tbs, (size_t)len)));
    buf_clear(&out);
}

static void crl_series_compares_and_swaps(void **state)
{
    (void)state;
    struct diag d = {0};
    uint64_t len = sizeof tbs, empty = 0;
    for (size_t i = 0; i < sizeof tbs; i++) {
        tbs[i] = (uint8_t)(i * 7);
    }
    struct ca_crl one = crl_of(1, 0, 100, &len);
    assert_int_equal(ca_store_crl_reserve(rows_db, &one.step, &d), CH_OK);
    assert_int_equal(ca_store_crl_reserve(rows_db, &one.step, &d),
                     CH_OK); /* again after a failure */
    bool stored = true;
    assert_int_equal(ca_store_crl_signed(rows_db, &one, &stored, &d), CH_OK);
    assert_false(stored);
    assert_int_equal(ca_store_crl(rows_db, &one, &d), CH_OK);
    assert_int_equal(ca_store_crl_signed(rows_db, &one, &stored, &d), CH_OK);
    assert_true(stored);
    expect_chunks(1, len);
    assert_int_equal(ca_store_crl(rows_db, &one, &d), CH_CONFLICT);
    assert_int_equal(ca_store_crl_reserve(rows_db, &one.step, &d), CH_CONFLICT);
    assert_string_equal(d.rule, "crl.previous");
    struct ca_crl two = crl_of(2, 1, 99, &len);
    assert_int_equal(ca_store_crl_reserve(rows_db, &two.step, &d), CH_PRECONDITION);
    assert_string_equal(d.rule, "crl.this_update");
    len = 1000;
    two = crl_of(2, 1, 100, &len);
    struct ca_crl three = crl_of(3, 1, 100, &len);
    assert_int_equal(ca_store_crl_reserve(rows_db, &two.step, &d), CH_OK);
    assert_int_equal(ca_store_crl_reserve(rows_db, &three.step, &d), CH_OK);
    assert_int_equal(ca_store_crl(rows_db, &two, &d),
                     CH_PRECONDITION); /* 3 was reserved meanwhile */
    assert_int_equal(ca_store_crl_reserve(rows_db, &two.step, &d), CH_PRECONDITION);
    assert_string_equal(d.rule, "crl.number");
    assert_int_equal(ca_store_crl(rows_db, &three, &d), CH_OK);
    expect_chunks(3, len);
    expect_chunks(1, empty); /* superseded pieces are gone */
    assert_int_equal(rows_int("SELECT signed_number FROM ca.crl_head WHERE shard = 2"), 3);
}

static void expiry_facts_of_known_serials_only(void **state)
{
    (void)state;
    rows_make(&b, 20, 3, lease());
    assert_int_equal(rows_reserve(&b, NULL), CH_OK);
    const struct slice serials[] = {b.rows[0].serial, b.rows[1].serial, slice_str("unknown")};
    bool all;
    assert_int_equal(ca_store_all_expired(rows_db, "issuing-1", serials, 2, 2002, &all, NULL),
                     CH_OK);
    assert_true(all);
    assert_int_equal(ca_store_all_expired(rows_db, "issuing-1", serials, 2, 2001, &all, NULL),
                     CH_OK);
    assert_false(all);
    assert_int_equal(ca_store_all_expired(rows_db, "issuing-1", serials, 3, 9999, &all, NULL),
                     CH_OK);
    assert_false(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batch_reserved_and_stored),
        cmocka_unit_test(attempt_or_serial_used_twice_refused_whole),
        cmocka_unit_test(fenced_lease_reserves_and_stores_nothing),
        cmocka_unit_test(only_reserved_rows_of_the_batch_are_stored),
        cmocka_unit_test(second_attempt_of_issued_request_stored_never),
        cmocka_unit_test(issuer_never_changes),
        cmocka_unit_test(certificates_found_by_each_filter),
        cmocka_unit_test(crl_series_compares_and_swaps),
        cmocka_unit_test(expiry_facts_of_known_serials_only),
    };
    return cmocka_run_group_tests(tests, rows_open, rows_close);
}
