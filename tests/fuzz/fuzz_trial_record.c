/* trial: records of a history and the requests in them, from hostile octets. What is read is
 * written the same again. */
#include <stdlib.h>

#include "trial/record.h"
#include "trial/replay.h"
#include "trial/usage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void same_again(const struct trial_record *r, struct slice octets)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, TRIAL_BODY_MAX);
    if (trial_record_write(r, &b) == CH_OK && !slice_eq(buf_slice(&b), octets)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice rest = slice_of(data, size);
    struct trial_record r;
    struct arena arena = {.head = NULL};
    arena_init(&arena, (size_t)16 << 20);
    for (;;) {
        struct slice before = rest;
        struct trial_case c;
        if (trial_record_next(&rest, &r, NULL) != CH_OK) {
            break;
        }
        same_again(&r, slice_sub(before, 0, before.len - rest.len));
        if (trial_case_read(&r, &arena, &c, NULL) == CH_OK) {
            trial_case_clear(&c);
        }
        arena_reset(&arena);
    }
    if (size >= TRIAL_PIECE_HEADER) {
        enum trial_piece kind;
        size_t len = 0;
        if (trial_piece_header(data, &kind, &len, NULL) == CH_OK && len > TRIAL_PIECE_MAX) {
            abort();
        }
    }
    arena_clear(&arena);
    return 0;
}
