/* PEM reader: what it gives can be written and gives the same again. */
#include <stdlib.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum chancery_err again(void *ctx, struct slice der)
{
    const struct slice *want = ctx;
    if (!slice_eq(*want, der)) {
        abort();
    }
    return CH_OK;
}

static enum chancery_err take(void *ctx, struct slice der)
{
    struct buf text;
    (void)ctx;
    buf_init(&text, (size_t)4 << 20);
    if (x509_pem_write("CERTIFICATE", der, &text) != CH_OK ||
        x509_pem_each("CERTIFICATE", buf_slice(&text), again, &der, NULL) != CH_OK) {
        abort();
    }
    buf_clear(&text);
    return CH_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    (void)!x509_pem_each("CERTIFICATE", slice_of(data, size), take, NULL, NULL);
    struct buf out;
    buf_init(&out, (size_t)1 << 20);
    (void)!x509_csr_from_pem_or_der(slice_of(data, size), &out, NULL);
    buf_clear(&out);
    return 0;
}
