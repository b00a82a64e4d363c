/* Reader of certificates for display, chains and OCSP. Strict about DER, lenient about content: it
 * judges nothing. Version 3 and version 1 (no extensions). */
#include "x509/x509_int.h"

#define CERT_MAX ((size_t)128 << 10)

static enum chancery_err not_der(struct diag *diag, enum chancery_err err, const char *field)
{
    return x509_refuse(diag, err, field, "certificate.der", "RFC 5280 4.1",
                       "the certificate is not DER");
}

static enum chancery_err read_validity(struct der_reader *r, struct x509_cert *c)
{
    struct der_reader in;
    TRY(der_enter(r, DER_SEQUENCE, &in));
    TRY(der_read_time(&in, &c->not_before_s));
    TRY(der_read_time(&in, &c->not_after_s));
    return der_finish(&in);
}

static enum chancery_err read_version(struct der_reader *r, uint64_t *version)
{
    struct der_reader in;
    *version = 0;
    if (der_peek_tag(r) != DER_CONTEXT_CONS(0)) {
        return CH_OK;
    }
    TRY(der_enter(r, DER_CONTEXT_CONS(0), &in));
    TRY(der_read_uint(&in, version));
    TRY(der_finish(&in));
    /* X.690 11.5: version 1 is the default and left out. */
    return *version == 1 || *version == 2 ? CH_OK : CH_MALFORMED;
}

static enum chancery_err read_fields(struct der_reader *in, struct x509_cert *c, struct slice *alg,
                                     uint64_t *version)
{
    struct der_value v;
    struct slice serial;
    TRY(read_version(in, version));
    TRY(der_read_integer(in, &serial));
    if ((serial.ptr[0] & 0x80) != 0) {
        return CH_MALFORMED;
    }
    c->serial = serial.ptr[0] == 0 ? slice_sub(serial, 1, serial.len) : serial;
    TRY(der_expect(in, DER_SEQUENCE, &v));
    *alg = v.whole;
    TRY(der_expect(in, DER_SEQUENCE, &v));
    c->issuer = v.whole;
    TRY(read_validity(in, c));
    TRY(der_expect(in, DER_SEQUENCE, &v));
    c->subject = v.whole;
    TRY(der_expect(in, DER_SEQUENCE, &v));
    c->spki = v.whole;
    return CH_OK;
}

static enum chancery_err read_basic(struct slice value, bool *is_ca, int *path_len)
{
    struct der_reader r = der_reader_of(value), in;
    TRY(der_enter(&r, DER_SEQUENCE, &in));
    TRY(der_finish(&r));
    if (der_peek_tag(&in) == DER_BOOLEAN) {
        TRY(der_read_bool(&in, is_ca));
    }
    if (der_peek_tag(&in) == DER_INTEGER) {
        uint64_t n = 0;
        TRY(der_read_uint(&in, &n));
        *path_len = n > INT16_MAX ? INT16_MAX : (int)n; /* no chain is that long */
    }
    return CH_OK;
}

static enum chancery_err read_aki(struct slice value, struct slice *id)
{
    struct der_reader r = der_reader_of(value), in;
    struct der_value v;
    TRY(der_enter(&r, DER_SEQUENCE, &in));
    TRY(der_finish(&r));
    if (der_peek_tag(&in) == DER_CONTEXT(0)) {
        TRY(der_next(&in, &v));
        *id = v.content;
    }
    return CH_OK;
}

static enum chancery_err read_ski(struct slice value, struct slice *id)
{
    struct der_reader r = der_reader_of(value);
    struct der_value v;
    TRY(der_expect(&r, DER_OCTET_STRING, &v));
    *id = v.content;
    return der_finish(&r);
}

static enum chancery_err read_extensions(struct der_reader *in, struct x509_cert *c,
                                         struct arena *arena, struct diag *diag)
{
    struct der_reader outer, list;
    if (der_enter(in, DER_CONTEXT_CONS(3), &outer) != CH_OK ||
        der_enter(&outer, DER_SEQUENCE, &list) != CH_OK || der_finish(&outer) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "certificate.extensions");
    }
    c->path_len = -1;
    TRY(x509_extensions_read(&list, arena, &c->extensions, &c->n_extensions, diag));
    for (size_t i = 0; i < c->n_extensions; i++) {
        const struct x509_extension *e = &c->extensions[i];
        enum chancery_err err = CH_OK;
        if (slice_eq(e->oid, X509_EXT_BASIC)) {
            err = read_basic(e->value, &c->is_ca, &c->path_len);
        } else if (slice_eq(e->oid, X509_EXT_SKI)) {
            err = read_ski(e->value, &c->ski);
        } else if (slice_eq(e->oid, X509_EXT_AKI)) {
            err = read_aki(e->value, &c->aki);
        } else if (slice_eq(e->oid, X509_EXT_SAN)) {
            err = x509_san_read(e->value, false, arena, &c->sans, &c->n_sans, NULL);
        }
        if (err != CH_OK) {
            return not_der(diag, err, "certificate.extensions");
        }
    }
    return CH_OK;
}

enum chancery_err x509_cert_read(struct slice der, struct arena *arena, struct x509_cert *out,
                                 struct diag *diag)
{
    if (der.len > CERT_MAX) {
        return x509_refuse(diag, CH_LIMIT, "certificate", "certificate.size", "",
                           "the certificate has %zu octets, at most %zu", der.len, CERT_MAX);
    }
    struct x509_cert c = {.der = der};
    struct der_reader r = der_reader_of(der), outer, in;
    struct der_value tbs, alg;
    struct slice inner_alg;
    uint64_t version;
    unsigned unused;
    if (der_enter(&r, DER_SEQUENCE, &outer) != CH_OK || der_finish(&r) != CH_OK ||
        der_expect(&outer, DER_SEQUENCE, &tbs) != CH_OK ||
        der_expect(&outer, DER_SEQUENCE, &alg) != CH_OK ||
        der_read_bits(&outer, &c.signature, &unused) != CH_OK || unused != 0 ||
        der_finish(&outer) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "certificate");
    }
    c.tbs = tbs.whole;
    c.alg = crypto_alg_from_der(alg.whole);
    in = der_reader_of(tbs.content);
    if (read_fields(&in, &c, &inner_alg, &version) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "certificate.tbs");
    }
    if (!slice_eq(inner_alg, alg.whole)) {
        return x509_refuse(diag, CH_INVALID, "certificate.signatureAlgorithm",
                           "certificate.algorithm", "RFC 5280 4.1.1.2",
                           "the two algorithm identifiers differ");
    }
    if (!der_at_end(&in) && version == 2) {
        TRY(read_extensions(&in, &c, arena, diag));
    }
    if (der_finish(&in) != CH_OK) {
        return not_der(diag, CH_MALFORMED, "certificate.tbs");
    }
    *out = c;
    return CH_OK;
}
