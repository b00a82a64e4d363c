/* TBSCertificate (RFC 5280 4.1.2), always v3, and the outer SEQUENCE of certificates and CRLs. */
#include "x509/x509_int.h"

static enum chancery_err put_validity(const struct x509_tbs *t, struct buf *out)
{
    size_t mark;
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(der_put_time(out, t->not_before_s));
    TRY(der_put_time(out, t->not_after_s));
    return der_close(out, mark);
}

static enum chancery_err put_extensions(const struct x509_tbs *t, struct buf *out)
{
    size_t outer, list;
    if (t->n_extensions == 0) {
        return CH_OK;
    }
    TRY(der_open(out, DER_CONTEXT_CONS(3), &outer));
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < t->n_extensions; i++) {
        TRY(x509_extension_put(out, &t->extensions[i]));
    }
    TRY(der_close(out, list));
    return der_close(out, outer);
}

static enum chancery_err put_tbs(const struct x509_tbs *t, struct buf *out)
{
    static const uint8_t version_3[] = {0xa0, 0x03, DER_INTEGER, 0x01, 0x02};
    size_t mark;
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(buf_add(out, slice_of(version_3, sizeof version_3)));
    TRY(der_put_unsigned(out, t->serial));
    TRY(buf_add(out, crypto_alg_der(t->alg)));
    TRY(buf_add(out, t->issuer));
    TRY(put_validity(t, out));
    TRY(buf_add(out, t->subject));
    TRY(buf_add(out, t->spki));
    TRY(put_extensions(t, out));
    return der_close(out, mark);
}

enum chancery_err x509_tbs_write(const struct x509_tbs *t, struct buf *out)
{
    /* RFC 5280 4.1.2.2: positive, at most 20 octets with the sign; 4.1.2.5: in order. */
    if (crypto_alg_der(t->alg).len == 0 || t->issuer.len == 0 || t->subject.len == 0 ||
        t->spki.len == 0 || t->serial.len == 0 || t->serial.len > 20 || t->serial.ptr[0] == 0 ||
        (t->serial.len == 20 && (t->serial.ptr[0] & 0x80) != 0) ||
        t->not_after_s < t->not_before_s) {
        return CH_INVALID;
    }
    size_t start = out->len;
    enum chancery_err err = put_tbs(t, out);
    if (err == CH_OK && out->len - start > X509_TBS_MAX) {
        err = CH_LIMIT;
    }
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}

enum chancery_err x509_assemble(struct slice tbs, enum crypto_alg alg, struct slice signature,
                                struct buf *out)
{
    struct slice alg_der = crypto_alg_der(alg);
    if (alg_der.len == 0 || signature.len == 0) {
        return CH_INVALID;
    }
    size_t start = out->len;
    size_t bits = der_header_size(signature.len + 1) + signature.len + 1;
    enum chancery_err err = der_put_header(out, DER_SEQUENCE, tbs.len + alg_der.len + bits);
    if (err == CH_OK) {
        err = buf_add(out, tbs);
    }
    if (err == CH_OK) {
        err = buf_add(out, alg_der);
    }
    if (err == CH_OK) {
        err = der_put_bits(out, signature, 0);
    }
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}

uint32_t x509_shard(struct slice serial, uint32_t shards)
{
    uint32_t v = 0;
    for (size_t i = 0; i < 4 && i < serial.len; i++) {
        v = v << 8 | serial.ptr[i];
    }
    return shards == 0 ? 0 : (v & 0x7fffffff) % shards;
}
