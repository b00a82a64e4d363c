/* lib/permit: the three readers over any bytes; what is read must be written back byte for byte. */
#include <stdlib.h>

#include "permit/permit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(struct slice a, const struct buf *b)
{
    if (!slice_eq(a, buf_slice(b))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    struct buf b;
    struct diag d = {0};
    struct permit_statement s;
    struct permit_item i;
    struct permit p;
    buf_init(&b, 1 << 16);
    if (permit_statement_read(in, &s, &d) == CH_OK) {
        if (permit_statement_write(&s, &b) != CH_OK) {
            abort();
        }
        must_equal(in, &b);
    } else if (permit_item_read(in, &i, &d) == CH_OK) {
        if (permit_item_write(&i, &b) != CH_OK) {
            abort();
        }
        must_equal(in, &b);
    } else if (permit_read(in, &p, &d) == CH_OK) {
        if (permit_write(&p, &b) != CH_OK) {
            abort();
        }
        must_equal(in, &b);
    }
    buf_clear(&b);
    return 0;
}
