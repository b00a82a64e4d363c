/* policy: the TBS reader over any bytes. What it accepts must lie inside the input. */
#include <stdlib.h>

#include "policy/tbs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct slice s, const uint8_t *data, size_t size)
{
    if (s.len > size || (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size))) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct policy_tbs t;
    if (policy_tbs_read(slice_of(data, size), &t) == NULL) {
        inside(t.serial, data, size);
        inside(t.algorithm, data, size);
        inside(t.issuer, data, size);
        inside(t.subject, data, size);
        inside(t.spki, data, size);
        for (size_t i = 0; i < t.n_extensions; i++) {
            inside(t.extensions[i].oid, data, size);
            inside(t.extensions[i].value, data, size);
            if (policy_tbs_find(&t, t.extensions[i].oid) == NULL) {
                abort();
            }
        }
    }
    return 0;
}
