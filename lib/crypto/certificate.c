/* The public key of a certificate, by OpenSSL: for anchors that were pinned, not for judging. */
#include <openssl/err.h>
#include <openssl/x509.h>

#include "crypto/public_int.h"

#define CERTIFICATE_MAX ((size_t)1 << 20) /* far above any certificate; keeps the cast to long */

static enum chancery_err bad(struct diag *diag, const char *text)
{
    ERR_clear_error();
    return diag_set(diag, CH_MALFORMED, "certificate", "certificate.form", "%s", text);
}

enum chancery_err crypto_public_from_certificate(struct slice der, struct crypto_public **out,
                                                 struct diag *diag)
{
    const unsigned char *p = der.ptr;
    unsigned char *spki = NULL;
    if (der.len == 0 || der.len > CERTIFICATE_MAX) {
        return bad(diag, "not a certificate: no octets, or too many");
    }
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    if (cert == NULL || p != der.ptr + der.len) {
        X509_free(cert);
        return bad(diag, "not the DER of one certificate");
    }
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &spki);
    X509_free(cert);
    if (len <= 0) {
        return bad(diag, "the certificate's key does not encode");
    }
    enum chancery_err err = crypto_public_from_spki(slice_of(spki, (size_t)len), out, diag);
    OPENSSL_free(spki);
    return err;
}
