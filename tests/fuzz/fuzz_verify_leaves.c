/* chancery-verify's rules for entries over any lines: each is counted as an entry or reported as a
 * fault. */
#include <stdlib.h>

#include "leaves.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct verify_trust trust = {
        .trust_domain = {(const uint8_t *)"chancery.test", 13}};
    struct verify_report report = {0};
    struct verify_leaves leaves;
    if (verify_leaves_init(&leaves, &trust, &report) != CH_OK) {
        abort();
    }
    struct slice rest = slice_of(data, size);
    for (uint64_t index = 0; rest.len > 0; index++) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t len = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        uint64_t seen = report.entries + report.n_faults;
        enum chancery_err err =
            verify_leaves_add(&leaves, index, slice_of(rest.ptr, len), "tile/entries/000", 0);
        if (err == CH_OK && report.entries + report.n_faults == seen) {
            abort();
        }
        rest = slice_sub(rest, len + 1, SIZE_MAX);
    }
    verify_leaves_end(&leaves);
    if (report.results > report.intents + report.n_faults) {
        abort();
    }
    verify_leaves_clear(&leaves);
    verify_report_clear(&report);
    return 0;
}
