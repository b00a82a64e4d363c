/* Showing and checking what a ceremony signs, by OpenSSL: not by the code that wrote it. */
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "ceremony.h"
#include "identity.h"
#include "text.h"
#include "x509/x509.h"

static X509 *verify_read_cert(struct slice der)
{
    const unsigned char *p = der.ptr;
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    if (cert != NULL && p != der.ptr + der.len) {
        X509_free(cert);
        return NULL;
    }
    return cert;
}

static X509_CRL *verify_read_crl(struct slice der)
{
    const unsigned char *p = der.ptr;
    X509_CRL *crl = d2i_X509_CRL(NULL, &p, (long)der.len);
    if (crl != NULL && p != der.ptr + der.len) {
        X509_CRL_free(crl);
        return NULL;
    }
    return crl;
}

/* ---- showing ---- */

static void show_cert(BIO *bio, X509 *cert)
{
    (void)BIO_puts(bio, "      subject     ");
    (void)X509_NAME_print_ex(bio, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253);
    (void)BIO_puts(bio, "\n      issuer      ");
    (void)X509_NAME_print_ex(bio, X509_get_issuer_name(cert), 0, XN_FLAG_RFC2253);
    (void)BIO_puts(bio, "\n      serial      ");
    (void)i2a_ASN1_INTEGER(bio, X509_get0_serialNumber(cert));
    (void)BIO_puts(bio, "\n      not before  ");
    (void)ASN1_TIME_print(bio, X509_get0_notBefore(cert));
    (void)BIO_puts(bio, "\n      not after   ");
    (void)ASN1_TIME_print(bio, X509_get0_notAfter(cert));
    (void)BIO_puts(bio, "\n");
    (void)X509V3_extensions_print(bio, "extensions", X509_get0_extensions(cert), 0, 6);
}

static void show_crl(BIO *bio, X509_CRL *crl)
{
    (void)BIO_puts(bio, "      issuer      ");
    (void)X509_NAME_print_ex(bio, X509_CRL_get_issuer(crl), 0, XN_FLAG_RFC2253);
    (void)BIO_puts(bio, "\n      this update ");
    (void)ASN1_TIME_print(bio, X509_CRL_get0_lastUpdate(crl));
    (void)BIO_puts(bio, "\n      next update ");
    (void)ASN1_TIME_print(bio, X509_CRL_get0_nextUpdate(crl));
    int entries = sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)); /* -1: list left out */
    (void)BIO_printf(bio, "\n      entries     %d\n", entries < 0 ? 0 : entries);
    (void)X509V3_extensions_print(bio, "extensions", X509_CRL_get0_extensions(crl), 0, 6);
}

/* Decodes through an assembled object with a signature of zeros: OpenSSL has no reader for a bare
 * TBS. */
static bool show_decode(BIO *bio, bool is_crl, struct slice der)
{
    X509 *cert = is_crl ? NULL : verify_read_cert(der);
    X509_CRL *crl = is_crl ? verify_read_crl(der) : NULL;
    if (cert != NULL) {
        show_cert(bio, cert);
    }
    if (crl != NULL) {
        show_crl(bio, crl);
    }
    bool ok = cert != NULL || crl != NULL;
    X509_free(cert);
    X509_CRL_free(crl);
    return ok;
}

enum chancery_err ceremony_show(struct ceremony *c, bool crl, struct slice tbs, enum crypto_alg alg,
                                const char *signer, struct diag *diag)
{
    static const uint8_t zeros[8];
    uint8_t sha[32];
    char hex[65];
    const char *text = NULL;
    struct buf der;
    BIO *bio = BIO_new(BIO_s_mem());
    buf_init(&der, CEREMONY_FILE_MAX);
    enum chancery_err err = x509_assemble(tbs, alg, slice_of(zeros, sizeof zeros), &der);
    if (err == CH_OK && (bio == NULL || !show_decode(bio, crl, buf_slice(&der)))) {
        err = identity_openssl(diag, "decoding what is to be signed");
    }
    if (err == CH_OK) {
        long len = BIO_get_mem_data(bio, &text);
        crypto_sha256(tbs, sha);
        hex_encode(slice_of(sha, 32), hex);
        out_note(c->out, "      to be signed by key %s with %s:\n%.*s      TBS SHA-256 %s", signer,
                 crypto_alg_name(alg), (int)len, text, hex);
    }
    buf_clear(&der);
    BIO_free(bio);
    return err;
}

/* ---- checking ---- */

static enum chancery_err verify_chain(const struct ceremony *c, X509 *cert, X509 *root, X509 *via,
                                      X509_CRL *crl, struct diag *diag)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    enum chancery_err err = CH_NOMEM;
    (void)c;
    if (store != NULL && ctx != NULL && untrusted != NULL &&
        X509_STORE_add_cert(store, root) == 1 &&
        (via == NULL || sk_X509_push(untrusted, via) > 0) &&
        (crl == NULL || X509_STORE_add_crl(store, crl) == 1) &&
        X509_STORE_CTX_init(ctx, store, cert, untrusted) == 1) {
        X509_STORE_CTX_set_flags(ctx, X509_V_FLAG_X509_STRICT | X509_V_FLAG_CHECK_SS_SIGNATURE |
                                          (crl == NULL ? 0 : X509_V_FLAG_CRL_CHECK));
        err = CH_OK;
        if (X509_verify_cert(ctx) != 1) {
            err = diag_set(diag, CH_INTEGRITY, "", "ceremony.verify.chain",
                           "OpenSSL refuses the new certificate: %s",
                           X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
        }
    }
    sk_X509_free(untrusted);
    X509_STORE_CTX_free(ctx);
    X509_STORE_free(store);
    ERR_clear_error();
    return err;
}

/* OpenSSL's own encoding of what it understood must be the bytes that were shown and signed. */
static bool verify_same_tbs(unsigned char *encoded, int len, struct slice tbs)
{
    bool same = len > 0 && slice_eq(slice_of(encoded, (size_t)len), tbs);
    OPENSSL_free(encoded);
    return same;
}

enum chancery_err ceremony_verify_cert(const struct ceremony *c, struct slice der, struct slice tbs,
                                       struct slice via, bool crl, struct diag *diag)
{
    unsigned char *encoded = NULL;
    X509 *cert = verify_read_cert(der);
    X509 *root = verify_read_cert(c->root.len > 0 ? buf_slice(&c->root) : der);
    X509 *middle = via.len > 0 ? verify_read_cert(via) : NULL;
    X509_CRL *list = crl ? verify_read_crl(buf_slice(&c->crl)) : NULL;
    enum chancery_err err = CH_OK;
    if (cert == NULL || root == NULL || (via.len > 0 && middle == NULL) || (crl && list == NULL)) {
        err = identity_openssl(diag, "reading back what was signed");
    }
    if (err == CH_OK) {
        int len = i2d_re_X509_tbs(cert, &encoded);
        if (!verify_same_tbs(encoded, len, tbs)) {
            err = diag_set(diag, CH_INTEGRITY, "", "ceremony.verify.tbs",
                           "the certificate does not re-encode to what was signed");
        }
    }
    err = err == CH_OK ? verify_chain(c, cert, root, middle, list, diag) : err;
    X509_free(cert);
    X509_free(root);
    X509_free(middle);
    X509_CRL_free(list);
    return err;
}

/* The first CRL of a root: number 1, complete (no IDP), nobody revoked. */
static bool verify_crl_content(X509_CRL *crl)
{
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    bool ok = number != NULL && ASN1_INTEGER_get(number) == 1 &&
              X509_CRL_get_ext_by_NID(crl, NID_issuing_distribution_point, -1) < 0 &&
              sk_X509_REVOKED_num(X509_CRL_get_REVOKED(crl)) <= 0;
    ASN1_INTEGER_free(number);
    return ok;
}

enum chancery_err ceremony_verify_crl(const struct ceremony *c, struct slice der, struct slice tbs,
                                      struct diag *diag)
{
    unsigned char *encoded = NULL;
    X509_CRL *crl = verify_read_crl(der);
    X509 *root = verify_read_cert(buf_slice(&c->root));
    enum chancery_err err = CH_OK;
    if (crl == NULL || root == NULL) {
        err = identity_openssl(diag, "reading back the CRL");
    } else if (X509_CRL_verify(crl, X509_get0_pubkey(root)) != 1 || !verify_crl_content(crl)) {
        err = identity_openssl(diag, "checking the CRL");
    }
    if (err == CH_OK) {
        int len = i2d_re_X509_CRL_tbs(crl, &encoded);
        if (!verify_same_tbs(encoded, len, tbs)) {
            err = diag_set(diag, CH_INTEGRITY, "", "ceremony.verify.tbs",
                           "the CRL does not re-encode to what was signed");
        }
    }
    X509_CRL_free(crl);
    X509_free(root);
    return err == CH_CRYPTO ? CH_INTEGRITY : err;
}
