/* The entry validator and encoder: entries cut out of any bytes are refused with a rule, or become
 * a leaf that reads back. */
#include <assert.h>

#include "entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Takes a length octet (times `scale`) and so many bytes. */
static struct slice take(struct slice *in, size_t scale)
{
    size_t len = in->len == 0 ? 0 : in->ptr[0] * scale;
    struct slice rest = slice_sub(*in, 1, in->len);
    struct slice out = slice_sub(rest, 0, len);
    *in = slice_sub(rest, out.len, rest.len);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct audit_field fields[AUDIT_FIELDS_MAX + 1];
    struct audit_entry e = {.fields = fields};
    struct audit_role role = {.signer = size % 2 == 0, .self = size % 3 == 0};
    e.action = take(&in, 1);
    e.permit_item = take(&in, 1);
    e.permit_expires_s = e.permit_item.len == 0 ? 0 : 1763690000;
    while (in.len > 0 && e.n_fields < AUDIT_FIELDS_MAX + 1) {
        struct audit_field *f = &fields[e.n_fields++];
        *f = (struct audit_field){.type = in.ptr[0] % 4, .num = (int64_t)(in.len * 7919) - 500000};
        in = slice_sub(in, 1, in.len);
        f->name = take(&in, 1);
        f->value = take(&in, 64);
    }
    struct arena arena = {0};
    struct audit_item item;
    bool priority = false;
    struct diag diag = {0};
    enum chancery_err err = audit_entries_prepare(&e, 1, role, &arena, &item, &priority, &diag);
    if (err != CH_OK) {
        assert(diag.rule[0] != '\0' && diag.field[0] != '\0');
        arena_clear(&arena);
        return 0;
    }
    struct audit_leaf leaf = {
        .action = item.action, .f = item.f, .producer = slice_str("p"), .sequence = 1, .ts_ns = 1};
    struct audit_leaf back;
    struct buf line;
    buf_init(&line, AUDIT_LEAF_MAX);
    assert(audit_leaf_write(&leaf, &line) == CH_OK);
    assert(audit_leaf_read(buf_slice(&line), &back, NULL) == CH_OK);
    assert(slice_eq(back.f, item.f) && slice_eq(back.action, item.action));
    buf_clear(&line);
    arena_clear(&arena);
    return 0;
}
