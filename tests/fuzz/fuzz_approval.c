/* lib/approval: the reader over any bytes; what is read must be written back byte for byte. */
#include <stdlib.h>

#include "approval/approval.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct approval a;
    struct diag d = {.text = ""};
    if (approval_read(in, &a, &d) == CH_OK) {
        struct buf b;
        buf_init(&b, APPROVAL_MAX);
        if (approval_write(&a, &b, &d) != CH_OK || !slice_eq(in, buf_slice(&b))) {
            abort();
        }
        buf_clear(&b);
        (void)!approval_check_times(&a, a.issued_at_s, &d);
    }
    return 0;
}
