/* Names: text is valid UTF-8 without control characters whatever comes in; what can be read as
 * values can be written or is refused by a rule, and what was written reads back the same. */
#include <stdlib.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(struct slice text)
{
    if (!slice_is_utf8(text)) {
        abort();
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] < 0x20 || text.ptr[i] == 0x7f) {
            abort();
        }
    }
}

static void write_again(const struct x509_rdn *rdns, size_t n, struct arena *arena)
{
    struct buf name;
    struct diag diag = {0};
    buf_init(&name, (size_t)1 << 20);
    if (x509_name_write(rdns, n, &name, &diag) == CH_OK) {
        struct x509_rdn *again;
        size_t again_n;
        if (x509_name_read(buf_slice(&name), arena, &again, &again_n) != CH_OK || again_n != n) {
            abort();
        }
        for (size_t i = 0; i < n; i++) {
            if (!slice_eq(again[i].oid, rdns[i].oid) || !slice_eq(again[i].value, rdns[i].value)) {
                abort();
            }
        }
    } else if (diag.rule[0] == '\0') {
        abort();
    }
    buf_clear(&name);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct buf text;
    struct x509_rdn *rdns;
    size_t n;
    arena_init(&arena, 0);
    buf_init(&text, (size_t)1 << 20);
    if (x509_name_text(slice_of(data, size), &text) == CH_OK) {
        check_text(buf_slice(&text));
    }
    if (x509_name_read(slice_of(data, size), &arena, &rdns, &n) == CH_OK) {
        write_again(rdns, n, &arena);
    }
    buf_clear(&text);
    arena_clear(&arena);
    return 0;
}
