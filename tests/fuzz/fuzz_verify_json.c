/* The verifier's JSON reader over any bytes: what is read and written canonically reads back to the
 * same. */
#include <assert.h>

#include "json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct verify_json *v = NULL;
    size_t at = 0;
    if (verify_json_read(slice_of(data, size), &arena, &v, &at) != CH_OK) {
        assert(at <= size);
        arena_clear(&arena);
        return 0;
    }
    struct buf once;
    struct buf twice;
    buf_init(&once, 8 * size + 64);
    buf_init(&twice, 8 * size + 64);
    assert(verify_json_write(v, &once) == CH_OK);
    assert(verify_json_read(buf_slice(&once), &arena, &v, &at) == CH_OK);
    assert(verify_json_write(v, &twice) == CH_OK);
    assert(slice_eq(buf_slice(&once), buf_slice(&twice)));
    buf_clear(&once);
    buf_clear(&twice);
    arena_clear(&arena);
    return 0;
}
