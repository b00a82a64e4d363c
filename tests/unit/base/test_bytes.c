/* lib/base/bytes: UTF-8, arenas, bounded buffers, hex and canonical base64. */
#include "cm.h"

#include "base/bytes.h"

static void slice_is_utf8_tells_well_formed_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"plain", true},
        {"gr\xc3\xbc\xc3\x9f", true},
        {"\xe2\x82\xac", true},
        {"\xf0\x9f\x94\x91", true},
        {"\xc0\x80", false},
        {"\xe0\x80\x80", false},
        {"\xed\xa0\x80", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf8\x88\x80\x80\x80", false},
        {"\x80", false},
        {"\xe2\x82", false},
        {"", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(slice_is_utf8(slice_str(cases[i].text)), cases[i].good);
    }
}

static void slice_sub_out_of_range_is_cut(void **state)
{
    (void)state;
    struct slice s = slice_str("abc");
    assert_int_equal(slice_sub(s, 5, 2).len, 0);
    assert_int_equal(slice_sub(s, 1, 99).len, 2);
    assert_true(slice_cmp(slice_str("ab"), slice_str("abc")) < 0);
    assert_true(slice_cmp(slice_str("b"), slice_str("abc")) > 0);
}

static void arena_alloc_past_the_limit_fails_and_reset_reuses(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1000);
    assert_non_null(arena_alloc(&a, 900));
    assert_null(arena_alloc(&a, 101));
    arena_reset(&a);
    uint8_t *p = arena_alloc(&a, 1000);
    assert_non_null(p);
    assert_int_equal((uintptr_t)p % 16, 0);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(p[i], 0);
    }
    arena_clear(&a);
}

static void arena_large_blocks_are_aligned_and_distinct(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 0);
    char *one = arena_alloc(&a, 100000);
    char *two = arena_printf(&a, "%d-%s", 7, "x");
    assert_non_null(one);
    assert_string_equal(two, "7-x");
    memset(one, 1, 100000);
    assert_string_equal(two, "7-x");
    arena_clear(&a);
}

static void buf_add_past_max_appends_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 5);
    assert_int_equal(buf_add_str(&b, "abcd"), CH_OK);
    assert_int_equal(buf_add_str(&b, "ef"), CH_LIMIT);
    assert_int_equal(b.len, 4);
    assert_int_equal(buf_reserve(&b, SIZE_MAX), CH_LIMIT);
    buf_clear(&b);
    buf_init(&b, 64);
    assert_int_equal(buf_add_u64be(&b, 0x0102030405060708u), CH_OK);
    assert_int_equal(b.ptr[0], 1);
    assert_int_equal(b.ptr[7], 8);
    assert_int_equal(buf_printf(&b, "%u", 42u), CH_OK);
    assert_int_equal(b.len, 10);
    buf_clear(&b);
}

static void hex_bad_digits_are_refused(void **state)
{
    (void)state;
    uint8_t out[4];
    size_t n = 0;
    assert_int_equal(hex_decode(slice_str("00fF"), out, sizeof out, &n), CH_OK);
    assert_int_equal(n, 2);
    assert_int_equal(out[1], 0xff);
    assert_int_equal(hex_decode(slice_str("0"), out, sizeof out, &n), CH_MALFORMED);
    assert_int_equal(hex_decode(slice_str("0g"), out, sizeof out, &n), CH_MALFORMED);
    assert_int_equal(hex_decode(slice_str("0011223344"), out, sizeof out, &n), CH_LIMIT);
    char text[9];
    hex_encode(slice_of("\x01\xab", 2), text);
    assert_string_equal(text, "01ab");
}

static void base64_rfc4648_vectors_round_trip(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct buf b;
        buf_init(&b, 64);
        assert_int_equal(base64_encode(slice_str(pairs[i][0]), &b), CH_OK);
        assert_true(slice_eq(buf_slice(&b), slice_str(pairs[i][1])));
        buf_reset(&b);
        assert_int_equal(base64_decode(slice_str(pairs[i][1]), &b), CH_OK);
        assert_true(slice_eq(buf_slice(&b), slice_str(pairs[i][0])));
        buf_clear(&b);
    }
}

static void base64_non_canonical_text_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "Zg=", "Zg", "Zh==", "Zm9=", "Z g=", "Zg==Zg==", "====", "Zm9v\n", "Zm-v"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b;
        buf_init(&b, 64);
        assert_int_equal(base64_decode(slice_str(bad[i]), &b), CH_MALFORMED);
        buf_clear(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slice_is_utf8_tells_well_formed_text),
        cmocka_unit_test(slice_sub_out_of_range_is_cut),
        cmocka_unit_test(arena_alloc_past_the_limit_fails_and_reset_reuses),
        cmocka_unit_test(arena_large_blocks_are_aligned_and_distinct),
        cmocka_unit_test(buf_add_past_max_appends_nothing),
        cmocka_unit_test(hex_bad_digits_are_refused),
        cmocka_unit_test(base64_rfc4648_vectors_round_trip),
        cmocka_unit_test(base64_non_canonical_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
