/* PKCS#10 reader: what it accepts, OpenSSL reads as the same, and its names can be written again.
 */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "x509/x509.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool ok)
{
    if (!ok) {
        abort();
    }
}

/* What both read must be the same. OpenSSL also looks into attributes that we skip, and may refuse
 * them. */
static void compare(struct slice der, const struct x509_csr *csr)
{
    struct crypto_public *key;
    if (x509_csr_verify(csr, &key, NULL) == CH_OK) {
        crypto_public_free(key);
    }
    const uint8_t *p = der.ptr;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)der.len);
    if (req != NULL) {
        uint8_t *name = NULL;
        int len = i2d_X509_NAME(X509_REQ_get_subject_name(req), &name);
        expect(p == der.ptr + der.len && len >= 0);
        expect(slice_eq(slice_of(name, (size_t)len), csr->subject));
        OPENSSL_free(name);
    }
    X509_REQ_free(req);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct x509_csr csr;
    struct diag diag = {0};
    arena_init(&arena, 0);
    if (x509_csr_read(slice_of(data, size), &arena, &csr, &diag) == CH_OK) {
        struct buf text;
        buf_init(&text, (size_t)1 << 20);
        expect(x509_name_text(csr.subject, &text) == CH_OK);
        for (size_t i = 0; i < csr.n_sans; i++) {
            buf_reset(&text);
            expect(x509_san_text(&csr.sans[i], &text) == CH_OK);
        }
        if (csr.n_sans > 0) {
            buf_reset(&text);
            expect(x509_ext_san(csr.sans, csr.n_sans, &text) == CH_OK);
        }
        buf_clear(&text);
        compare(slice_of(data, size), &csr);
    } else {
        expect(diag.rule[0] != '\0');
    }
    arena_clear(&arena);
    return 0;
}
