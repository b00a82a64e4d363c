/* Certificate reader: no octet sequence may hurt it; what it finds lies inside the input. */
#include <stdlib.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void inside(struct slice s, const uint8_t *data, size_t size)
{
    if (s.len > 0 && (s.ptr < data || s.ptr + s.len > data + size)) {
        abort();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct x509_cert c;
    arena_init(&arena, 0);
    if (x509_cert_read(slice_of(data, size), &arena, &c, NULL) == CH_OK) {
        struct buf text;
        buf_init(&text, (size_t)1 << 20);
        inside(c.tbs, data, size);
        inside(c.serial, data, size);
        inside(c.spki, data, size);
        inside(c.ski, data, size);
        inside(c.aki, data, size);
        for (size_t i = 0; i < c.n_extensions; i++) {
            inside(c.extensions[i].value, data, size);
        }
        for (size_t i = 0; i < c.n_sans; i++) {
            inside(c.sans[i].value, data, size);
            buf_reset(&text);
            (void)x509_san_text(&c.sans[i], &text);
        }
        buf_reset(&text);
        (void)x509_name_text(c.subject, &text);
        buf_clear(&text);
    }
    arena_clear(&arena);
    return 0;
}
