/* audit_leaf_read over any bytes: what it takes is exactly what audit_leaf_write writes; then the
 * state takes or refuses it without harm. */
#include <assert.h>

#include "leaf.h"
#include "state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct audit_leaf leaf;
    struct slice line = slice_of(data, size);
    if (audit_leaf_read(line, &leaf, NULL) != CH_OK) {
        return 0;
    }
    struct buf again;
    buf_init(&again, AUDIT_LEAF_MAX);
    assert(audit_leaf_write(&leaf, &again) == CH_OK);
    assert(slice_eq(line, buf_slice(&again)));
    buf_clear(&again);
    struct audit_state state;
    struct diag diag = {0};
    assert(audit_state_init(&state) == CH_OK);
    enum chancery_err err = audit_state_replay(&state, 0, line, &diag);
    assert(err == CH_OK || diag.rule[0] != '\0');
    audit_state_clear(&state);
    (void)audit_fields_match(leaf.f, slice_str("permit_item"), line);
    return 0;
}
