/* tlog_bundle_each over any bytes: what walks to the end is exactly what tlog_bundle_add writes. */
#include <assert.h>

#include "tlog/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chancery_err add(void *ctx, size_t i, struct slice entry)
{
    assert(i < TLOG_TILE_WIDTH);
    return tlog_bundle_add(ctx, entry);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf again;
    buf_init(&again, size + 1);
    if (tlog_bundle_each(slice_of(data, size), add, &again) == CH_OK) {
        assert(slice_eq(slice_of(data, size), buf_slice(&again)));
    }
    buf_clear(&again);
    return 0;
}
