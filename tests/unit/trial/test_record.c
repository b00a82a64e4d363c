/* trial/record.c: what is written is read again, and nothing else is. */
#include "cm.h"

#include "trial/record.h"

static struct trial_record sample(void)
{
    struct trial_record r = {.judged_at_s = 1764000000,
                             .permitted = false,
                             .failed = slice_str("san.dns.allowed,validity.max"),
                             .usage = slice_str("u"),
                             .item = slice_str("item octets")};
    memset(r.bundle_sha256, 1, 32);
    memset(r.rules_sha256, 2, 32);
    memset(r.tbs_sha256, 3, 32);
    return r;
}

static void records_come_back_in_order(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    struct trial_record r = sample(), got;
    buf_init(&b, TRIAL_BODY_MAX);
    assert_int_equal(trial_record_write(&r, &b), CH_OK);
    r.permitted = true;
    r.failed = slice_of(NULL, 0);
    r.judged_at_s = -5;
    assert_int_equal(trial_record_write(&r, &b), CH_OK);
    struct slice body = buf_slice(&b);
    assert_int_equal(trial_record_next(&body, &got, NULL), CH_OK);
    assert_false(got.permitted);
    assert_int_equal(got.judged_at_s, 1764000000);
    assert_true(slice_eq(got.failed, slice_str("san.dns.allowed,validity.max")));
    assert_true(slice_eq(got.usage, slice_str("u")));
    assert_true(slice_eq(got.item, slice_str("item octets")));
    assert_int_equal(got.bundle_sha256[31], 1);
    assert_int_equal(got.rules_sha256[0], 2);
    assert_int_equal(got.tbs_sha256[0], 3);
    assert_int_equal(trial_record_next(&body, &got, NULL), CH_OK);
    assert_true(got.permitted && got.failed.len == 0);
    assert_int_equal(got.judged_at_s, -5);
    assert_int_equal(trial_record_next(&body, &got, NULL), CH_END);
}

static void other_octets_refused(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    struct trial_record r = sample(), got;
    struct diag d = {.rule = ""};
    buf_init(&b, TRIAL_BODY_MAX);
    assert_int_equal(trial_record_write(&r, &b), CH_OK);
    for (size_t cut = 1; cut < b.len; cut++) {
        struct slice body = slice_of(b.ptr, cut);
        assert_int_equal(trial_record_next(&body, &got, &d), CH_MALFORMED);
        assert_string_equal(d.rule, "history.record");
    }
    static const size_t places[] = {0, 4, 4 + 20 + 8 + 32}; /* length, format, verdict */
    for (size_t i = 0; i < 3; i++) {
        b.ptr[places[i]] ^= 0x40;
        struct slice body = buf_slice(&b);
        assert_int_equal(trial_record_next(&body, &got, NULL), CH_MALFORMED);
        b.ptr[places[i]] ^= 0x40;
    }
}

static void what_is_too_large_is_not_written(void **state)
{
    (void)state;
    static uint8_t big[TRIAL_RECORD_MAX];
    struct buf b CLEANUP(buf_clear);
    struct trial_record r = sample();
    buf_init(&b, 4 * TRIAL_RECORD_MAX);
    assert_int_equal(trial_record_write(&r, &b), CH_OK);
    size_t before = b.len;
    r.item = slice_of(big, sizeof big);
    assert_int_equal(trial_record_write(&r, &b), CH_LIMIT);
    r = sample();
    r.failed = slice_of(big, TRIAL_FAILED_MAX + 1);
    assert_int_equal(trial_record_write(&r, &b), CH_LIMIT);
    assert_int_equal(b.len, before);
}

static void pieces_of_a_file(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    enum trial_piece kind;
    size_t len = 0;
    buf_init(&b, 4096);
    assert_int_equal(trial_piece_write(TRIAL_PIECE_BUNDLE, slice_str("abc"), &b), CH_OK);
    assert_int_equal(b.len, TRIAL_PIECE_HEADER + 3);
    assert_int_equal(trial_piece_header(b.ptr, &kind, &len, NULL), CH_OK);
    assert_true(kind == TRIAL_PIECE_BUNDLE && len == 3);
    static const uint8_t wrong[][TRIAL_PIECE_HEADER] = {
        {0, 0, 0, 0, 1}, {4, 0, 0, 0, 1}, {1, 0xff, 0, 0, 0}};
    for (size_t i = 0; i < 3; i++) {
        struct diag d = {.rule = ""};
        assert_int_equal(trial_piece_header(wrong[i], &kind, &len, &d), CH_MALFORMED);
        assert_string_equal(d.rule, "history.file");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_back_in_order),
        cmocka_unit_test(other_octets_refused),
        cmocka_unit_test(what_is_too_large_is_not_written),
        cmocka_unit_test(pieces_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
