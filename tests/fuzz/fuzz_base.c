/* Hex and base64: what is taken is written back as the same text, so each value has one spelling
 * (hex: but for upper case). */
#include <stdlib.h>

#include "base/bytes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool ok)
{
    if (!ok) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t octets[256];
    char hex[2 * sizeof octets + 1];
    size_t n = 0;
    struct slice in = slice_of(data, size);
    if (hex_decode(in, octets, sizeof octets, &n) == CH_OK) {
        need(2 * n == size);
        hex_encode(slice_of(octets, n), hex);
        for (size_t i = 0; i < size; i++) {
            need((data[i] | 0x20) == (uint8_t)hex[i]);
        }
    }
    CLEANUP(buf_clear) struct buf value;
    CLEANUP(buf_clear) struct buf again;
    buf_init(&value, 1 << 16);
    buf_init(&again, 1 << 16);
    if (base64_decode(in, &value) == CH_OK) {
        need(base64_encode(buf_slice(&value), &again) == CH_OK);
        need(slice_eq(in, buf_slice(&again)));
    }
    return 0;
}
