/* Rules for entries: who may write what, and how a permit enters the leaf. */
#include "cm.h"

#include "entry.h"

static const uint8_t item[AUDIT_PERMIT_ITEM] = {1, 2, 3};

static enum chancery_err prepare(const struct audit_entry *e, size_t n, struct audit_role role,
                                 struct audit_item *out, bool *priority, struct diag *diag)
{
    static struct arena arena;
    arena_reset(&arena);
    return audit_entries_prepare(e, n, role, &arena, out, priority, diag);
}

static void refused(struct audit_entry e, struct audit_role role, enum chancery_err want,
                    const char *rule, const char *field)
{
    struct audit_entry two[2] = {{.action = slice_str("note")}, e};
    struct audit_item out[2];
    bool priority = false;
    struct diag diag = {0};
    assert_int_equal(prepare(two, 2, role, out, &priority, &diag), want);
    assert_string_equal(diag.rule, rule);
    assert_string_equal(diag.field, field);
}

static void intent_carries_permit_in_its_fields(void **state)
{
    (void)state;
    struct audit_field tbs = {.name = slice_str("tbs"), .type = AUDIT_NUMBER, .num = 5};
    struct audit_entry e = {.action = slice_str("intent"),
                            .fields = &tbs,
                            .n_fields = 1,
                            .permit_item = slice_of(item, sizeof item),
                            .permit_expires_s = 1000};
    struct audit_item out;
    bool priority = false;
    assert_int_equal(prepare(&e, 1, (struct audit_role){.signer = true}, &out, &priority, NULL),
                     CH_OK);
    static const char want[] =
        "{\"permit_expires_s\":1000,\"permit_item\":"
        "\"0102030000000000000000000000000000000000000000000000000000000000\",\"tbs\":5}";
    assert_true(slice_eq(out.f, slice_str(want)));
    assert_true(out.intent && priority);
    assert_memory_equal(out.permit_item, item, sizeof item);

    /* The producer may send the same field; it stands in the leaf once. */
    struct audit_field same[2] = {{.name = slice_str("permit_item"),
                                   .type = AUDIT_DIGEST,
                                   .value = slice_of(item, sizeof item)},
                                  tbs};
    e.fields = same;
    e.n_fields = 2;
    assert_int_equal(prepare(&e, 1, (struct audit_role){.signer = true}, &out, &priority, NULL),
                     CH_OK);
    assert_true(slice_eq(out.f, slice_str(want)));
    same[0].value = slice_of(item + 1, sizeof item - 1);
    struct diag diag = {0};
    assert_int_equal(prepare(&e, 1, (struct audit_role){.signer = true}, &out, &priority, &diag),
                     CH_INVALID);
    assert_string_equal(diag.rule, "audit.entry.permit");
}

static void entries_of_the_wrong_process_are_denied(void **state)
{
    (void)state;
    struct audit_role signer = {.signer = true};
    struct audit_role other = {0};
    struct audit_entry intent = {.action = slice_str("intent"),
                                 .permit_item = slice_of(item, sizeof item),
                                 .permit_expires_s = 1000};
    refused(intent, other, CH_DENIED, "audit.entry.signer", "entries[1].action");
    refused((struct audit_entry){.action = slice_str("result")}, other, CH_DENIED,
            "audit.entry.signer", "entries[1].action");
    refused((struct audit_entry){.action = slice_str("intent_refused")}, signer, CH_DENIED,
            "audit.entry.reserved", "entries[1].action");
}

static void entries_against_the_rules_are_refused(void **state)
{
    (void)state;
    struct audit_role signer = {.signer = true};
    refused((struct audit_entry){.action = slice_str("Intent")}, signer, CH_INVALID,
            "audit.entry.action", "entries[1].action");
    refused((struct audit_entry){.action = slice_str("")}, signer, CH_INVALID, "audit.entry.action",
            "entries[1].action");
    refused((struct audit_entry){.action = slice_str("intent")}, signer, CH_INVALID,
            "audit.entry.permit", "entries[1].permit_item");
    refused((struct audit_entry){.action = slice_str("intent"),
                                 .permit_item = slice_of(item, 31),
                                 .permit_expires_s = 1},
            signer, CH_INVALID, "audit.entry.permit", "entries[1].permit_item");
    refused((struct audit_entry){.action = slice_str("intent"), .permit_item = slice_of(item, 32)},
            signer, CH_INVALID, "audit.entry.permit", "entries[1].permit_item");
    refused((struct audit_entry){.action = slice_str("result"), .permit_item = slice_of(item, 32)},
            signer, CH_INVALID, "audit.entry.permit", "entries[1].permit_item");
    struct audit_field bad = {
        .name = slice_str("x"), .type = AUDIT_TEXT, .value = slice_str("\xFF")};
    refused((struct audit_entry){.action = slice_str("note"), .fields = &bad, .n_fields = 1},
            signer, CH_INVALID, "audit.field.text", "entries[1].x");
    struct audit_item out;
    bool priority = false;
    struct diag diag = {0};
    assert_int_equal(prepare(NULL, 0, signer, &out, &priority, &diag), CH_INVALID);
    assert_int_equal(prepare(NULL, AUDIT_ENTRIES_MAX + 1, signer, &out, &priority, &diag),
                     CH_INVALID);
    assert_string_equal(diag.rule, "audit.entries.count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intent_carries_permit_in_its_fields),
        cmocka_unit_test(entries_of_the_wrong_process_are_denied),
        cmocka_unit_test(entries_against_the_rules_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
