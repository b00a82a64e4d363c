/* Canonical leaves: the exact bytes, and every other spelling refused. */
#include "cm.h"

#include <stdio.h>

#include "leaf.h"

#define T(n, v)                                                                                    \
    {                                                                                              \
        .name = slice_str(n), .type = AUDIT_TEXT, .value = slice_str(v)                            \
    }
#define N(n, v)                                                                                    \
    {                                                                                              \
        .name = slice_str(n), .type = AUDIT_NUMBER, .num = (v)                                     \
    }

static const char line[] =
    "{\"action\":\"intent\",\"boot\":\"000102030405060708090a0b0c0d0e0f\","
    "\"f\":{\"key\":\"abcd\",\"n\":-7,\"text\":\"a\\\"\\\\\\n\\u0001\xC3\xA9\"},"
    "\"producer\":\"spiffe://chancery.test/chancery/signer\",\"pseq\":7,"
    "\"ts\":1763690000000000000,\"v\":1}";

static void leaf_write_gives_the_documented_line(void **state)
{
    (void)state;
    static const uint8_t key[] = {0xab, 0xcd};
    struct audit_field fields[] = {
        T("text", "a\"\\\n\x01\xC3\xA9"),
        {.name = slice_str("key"), .type = AUDIT_DIGEST, .value = slice_of(key, 2)},
        N("n", -7),
    };
    struct buf f;
    struct buf out;
    buf_init(&f, 1 << 20);
    buf_init(&out, 1 << 20);
    assert_int_equal(audit_fields_write(fields, 3, &f, NULL), CH_OK);
    struct audit_leaf leaf = {.action = slice_str("intent"),
                              .f = buf_slice(&f),
                              .producer = slice_str("spiffe://chancery.test/chancery/signer"),
                              .sequence = 7,
                              .ts_ns = 1763690000000000000};
    for (uint8_t i = 0; i < AUDIT_BOOT; i++) {
        leaf.boot[i] = i;
    }
    assert_int_equal(audit_leaf_write(&leaf, &out), CH_OK);
    assert_int_equal(out.len, sizeof line - 1);
    assert_memory_equal(out.ptr, line, out.len);
    buf_clear(&f);
    buf_clear(&out);
}

static void leaf_read_gives_what_was_written(void **state)
{
    (void)state;
    struct audit_leaf leaf;
    assert_int_equal(audit_leaf_read(slice_str(line), &leaf, NULL), CH_OK);
    assert_true(slice_eq(leaf.action, slice_str("intent")));
    assert_int_equal(leaf.sequence, 7);
    assert_int_equal(leaf.ts_ns, 1763690000000000000);
    assert_int_equal(leaf.boot[15], 15);
    int64_t n = 0;
    uint8_t key[2];
    assert_int_equal(audit_fields_number(leaf.f, "n", &n), CH_OK);
    assert_int_equal(n, -7);
    assert_int_equal(audit_fields_digest(leaf.f, "key", key, 2), CH_OK);
    assert_int_equal(key[1], 0xcd);
    assert_int_equal(audit_fields_digest(leaf.f, "key", key, 1), CH_MALFORMED);
    assert_int_equal(audit_fields_number(leaf.f, "key", &n), CH_MALFORMED);
    assert_int_equal(audit_fields_number(leaf.f, "none", &n), CH_NOT_FOUND);
    assert_true(audit_fields_match(leaf.f, slice_str("n"), slice_str("-7")));
    assert_true(audit_fields_match(leaf.f, slice_str("key"), slice_str("abcd")));
    assert_true(audit_fields_match(leaf.f, slice_str("text"), slice_str("a\"\\\n\x01\xC3\xA9")));
    assert_false(audit_fields_match(leaf.f, slice_str("text"), slice_str("a")));
    assert_false(audit_fields_match(leaf.f, slice_str("none"), slice_str("")));
}

static void leaf_any_changed_byte_is_refused_or_another_leaf(void **state)
{
    (void)state;
    char copy[sizeof line];
    for (size_t i = 0; i < sizeof line - 1; i++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(copy, line, sizeof line);
            copy[i] = (char)(copy[i] ^ (1 << bit));
            struct audit_leaf leaf;
            if (audit_leaf_read(slice_of(copy, sizeof line - 1), &leaf, NULL) != CH_OK) {
                continue;
            }
            struct buf again;
            buf_init(&again, 1 << 20);
            assert_int_equal(audit_leaf_write(&leaf, &again), CH_OK);
            assert_true(slice_eq(buf_slice(&again), slice_of(copy, sizeof line - 1)));
            buf_clear(&again);
        }
        struct audit_leaf leaf;
        assert_int_equal(audit_leaf_read(slice_of(line, i), &leaf, NULL), CH_MALFORMED);
    }
}

#define HEAD "{\"action\":\"a\",\"boot\":\"00000000000000000000000000000000\",\"f\":"
#define TAIL ",\"producer\":\"p\",\"pseq\":1,\"ts\":0,\"v\":1}"

static void leaf_other_spellings_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        HEAD "{}" TAIL " ",
        HEAD "{}" TAIL "\n",
        " " HEAD "{}" TAIL,
        HEAD "{ }" TAIL,
        HEAD "{\"b\":1,\"a\":1}" TAIL,
        HEAD "{\"a\":1,\"a\":1}" TAIL,
        HEAD "{\"a\":1,}" TAIL,
        HEAD "{,\"a\":1}" TAIL,
        HEAD "{\"A\":1}" TAIL,
        HEAD "{\"\":1}" TAIL,
        HEAD "{\"a\":01}" TAIL,
        HEAD "{\"a\":-0}" TAIL,
        HEAD "{\"a\":1.0}" TAIL,
        HEAD "{\"a\":1e3}" TAIL,
        HEAD "{\"a\":+1}" TAIL,
        HEAD "{\"a\":9223372036854775808}" TAIL,
        HEAD "{\"a\":-9223372036854775809}" TAIL,
        HEAD "{\"a\":null}" TAIL,
        HEAD "{\"a\":true}" TAIL,
        HEAD "{\"a\":[]}" TAIL,
        HEAD "{\"a\":{}}" TAIL,
        HEAD "{\"a\":\"\\u0041\"}" TAIL,
        HEAD "{\"a\":\"\\u000a\"}" TAIL,
        HEAD "{\"a\":\"\\u001F\"}" TAIL,
        HEAD "{\"a\":\"\\/\"}" TAIL,
        HEAD "{\"a\":\"\t\"}" TAIL,
        HEAD "{\"a\":\"\xC3\"}" TAIL,
        HEAD "{\"a\":\"\xED\xA0\x80\"}" TAIL,
        HEAD "{\"a\":\"x}" TAIL,
        "{\"action\":\"A\",\"boot\":\"00000000000000000000000000000000\",\"f\":{}" TAIL,
        "{\"action\":\"\",\"boot\":\"00000000000000000000000000000000\",\"f\":{}" TAIL,
        "{\"action\":\"a\",\"boot\":\"0000000000000000000000000000000A\",\"f\":{}" TAIL,
        "{\"action\":\"a\",\"boot\":\"00\",\"f\":{}" TAIL,
        HEAD "{},\"producer\":\"a b\",\"pseq\":1,\"ts\":0,\"v\":1}",
        HEAD "{},\"producer\":\"\",\"pseq\":1,\"ts\":0,\"v\":1}",
        HEAD "{},\"producer\":\"p\",\"pseq\":0,\"ts\":0,\"v\":1}",
        HEAD "{},\"producer\":\"p\",\"pseq\":-1,\"ts\":0,\"v\":1}",
        HEAD "{},\"producer\":\"p\",\"pseq\":1,\"ts\":-1,\"v\":1}",
        HEAD "{},\"producer\":\"p\",\"pseq\":1,\"ts\":0,\"v\":2}",
        HEAD "{},\"producer\":\"p\",\"pseq\":1,\"ts\":0}",
        HEAD "{},\"producer\":\"p\",\"ts\":0,\"pseq\":1,\"v\":1}",
        "",
        "{}",
    };
    struct audit_leaf leaf;
    struct diag diag;
    assert_int_equal(audit_leaf_read(slice_str(HEAD "{}" TAIL), &leaf, NULL), CH_OK);
    assert_int_equal(audit_leaf_read(slice_str(HEAD "{\"a\":\"\\u001f\\b\"}" TAIL), &leaf, NULL),
                     CH_OK);
    assert_int_equal(
        audit_leaf_read(
            slice_str(HEAD "{\"a\":-9223372036854775808,\"b\":9223372036854775807}" TAIL), &leaf,
            NULL),
        CH_OK);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        diag_clear(&diag);
        if (audit_leaf_read(slice_str(bad[i]), &leaf, &diag) != CH_MALFORMED) {
            fail_msg("accepted: %s", bad[i]);
        }
        assert_string_equal(diag.rule, "audit.leaf");
    }
}

static void fields_refused(struct audit_field *fields, size_t n, enum chancery_err want,
                           const char *rule)
{
    struct buf f;
    struct diag diag = {0};
    buf_init(&f, 8 << 20);
    assert_int_equal(audit_fields_write(fields, n, &f, &diag), want);
    assert_string_equal(diag.rule, rule);
    buf_clear(&f);
}

static void fields_against_the_rules_are_refused(void **state)
{
    (void)state;
    static char big[40000];
    memset(big, 'x', sizeof big - 1);
    struct audit_field twice[] = {T("a", "1"), N("b", 2), T("a", "3")};
    fields_refused(twice, 3, CH_INVALID, "audit.field.twice");
    static const char *const names[] = {
        "",    "A",        "a-b",
        "a.b", "\xC3\xA9", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct audit_field f = T(names[i], "x");
        fields_refused(&f, 1, CH_INVALID, "audit.field.name");
    }
    struct audit_field utf8 = T("a", "\xC3\x28");
    fields_refused(&utf8, 1, CH_INVALID, "audit.field.text");
    struct audit_field nul = {
        .name = slice_str("a"), .type = AUDIT_TEXT, .value = slice_of("a\0b", 3)};
    fields_refused(&nul, 1, CH_INVALID, "audit.field.text");
    struct audit_field text = {
        .name = slice_str("a"), .type = AUDIT_TEXT, .value = slice_of(big, AUDIT_TEXT_MAX + 1)};
    fields_refused(&text, 1, CH_LIMIT, "audit.field.text");
    struct audit_field digest = {
        .name = slice_str("a"), .type = AUDIT_DIGEST, .value = slice_of(big, 257)};
    fields_refused(&digest, 1, CH_LIMIT, "audit.field.digest");
    struct audit_field unset = {.name = slice_str("a")};
    fields_refused(&unset, 1, CH_INVALID, "audit.field.value");
    struct audit_field three[] = {T("a", ""), T("b", ""), T("c", "")};
    for (size_t i = 0; i < 3; i++) {
        three[i].value = slice_of(big, 12000);
    }
    fields_refused(three, 3, CH_LIMIT, "audit.entry.size");
    struct audit_field many[AUDIT_FIELDS_MAX + 1];
    static char many_names[AUDIT_FIELDS_MAX + 1][8];
    for (size_t i = 0; i <= AUDIT_FIELDS_MAX; i++) {
        (void)snprintf(many_names[i], 8, "n%zu", i);
        many[i] = (struct audit_field)N(many_names[i], 1);
    }
    fields_refused(many, AUDIT_FIELDS_MAX + 1, CH_LIMIT, "audit.field.count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leaf_write_gives_the_documented_line),
        cmocka_unit_test(leaf_read_gives_what_was_written),
        cmocka_unit_test(leaf_any_changed_byte_is_refused_or_another_leaf),
        cmocka_unit_test(leaf_other_spellings_are_refused),
        cmocka_unit_test(fields_against_the_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
