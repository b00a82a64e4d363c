/* OCSP requests: DER, and paths of GETs. What is accepted must be answerable and readable by
 * OpenSSL. */
#include <assert.h>
#include <openssl/err.h>
#include <openssl/ocsp.h>

#include "ocsp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_der(struct slice der)
{
    struct revocation_ocsp_request q;
    struct revocation_ocsp_single singles[REVOCATION_OCSP_SINGLES_MAX];
    struct buf out CLEANUP(buf_clear) = {0};
    if (revocation_ocsp_read(der, &q, NULL) != CH_OK) {
        return;
    }
    assert(q.n >= 1 && q.n <= REVOCATION_OCSP_SINGLES_MAX);
    for (size_t i = 0; i < q.n; i++) {
        assert(q.ids[i].serial.len <= 20);
        singles[i] = (struct revocation_ocsp_single){
            .cert_id = q.ids[i].der, .status = REVOCATION_STATUS_GOOD, .next_update_s = 1};
        const uint8_t *at = q.ids[i].der.ptr;
        OCSP_CERTID *id = d2i_OCSP_CERTID(NULL, &at, (long)q.ids[i].der.len);
        assert(id != NULL);
        OCSP_CERTID_free(id);
    }
    buf_init(&out, 65536);
    const struct revocation_ocsp_data d = {
        .responder_key_hash = slice_of("x", 1), .singles = singles, .n = q.n, .nonce = q.nonce};
    assert(revocation_ocsp_data_write(&d, &out) == CH_OK);
    ERR_clear_error();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf der CLEANUP(buf_clear) = {0};
    check_der(slice_of(data, size));
    buf_init(&der, REVOCATION_OCSP_REQUEST_MAX);
    if (revocation_ocsp_from_path(slice_of(data, size), &der) == CH_OK) {
        check_der(buf_slice(&der));
    }
    return 0;
}
