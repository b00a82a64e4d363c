/* No bytes are both a certificate and a CRL, and a cut-off start is not read past its end. */
#include <assert.h>
#include <stdlib.h>

#include "tbs_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct signer_tbs_head certificate, crl;
    struct diag diag;
    struct slice all = slice_of(data, size);
    bool is_certificate =
        signer_tbs_head_read(all, size, PERMIT_CERTIFICATE, &certificate, &diag) == CH_OK;
    bool is_crl = signer_tbs_head_read(all, size, PERMIT_CRL, &crl, &diag) == CH_OK;
    assert(!(is_certificate && is_crl));
    if (is_certificate) {
        assert(certificate.alg != CRYPTO_ALG_NONE && certificate.kind == PERMIT_CERTIFICATE);
    }
    /* A promise of more bytes than came must not be read past its end either. */
    enum chancery_err ignored = signer_tbs_head_read(all, size + 70000, PERMIT_CRL, &crl, &diag);
    (void)ignored;
    return 0;
}
