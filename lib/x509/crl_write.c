/* TBSCertList (RFC 5280 5.1.2), always v2, in three parts so that entries can be streamed. */
#include "x509/x509_int.h"

enum chancery_err x509_crl_entry_write(const struct x509_crl_entry *e, struct buf *out)
{
    /* CRLReason 7 is unused (RFC 5280 5.3.1); 0 should be absent instead. */
    if (e->reason > 10 || e->reason == 7 || e->serial.len == 0 || e->serial.len > 20) {
        return CH_INVALID;
    }
    size_t entry, list;
    TRY(der_open(out, DER_SEQUENCE, &entry));
    TRY(der_put_unsigned(out, e->serial));
    TRY(der_put_time(out, e->revoked_at_s));
    if (e->reason != 0) {
        const uint8_t value[] = {DER_ENUMERATED, 1, (uint8_t)e->reason};
        const struct x509_extension ext = {X509_EXT_CRL_REASON, false,
                                           slice_of(value, sizeof value)};
        TRY(der_open(out, DER_SEQUENCE, &list));
        TRY(x509_extension_put(out, &ext));
        TRY(der_close(out, list));
    }
    return der_close(out, entry);
}

/* Everything between the outer header and the entries' own header. */
static enum chancery_err put_fields(const struct x509_crl_head *h, struct buf *out)
{
    TRY(der_put_uint(out, 1));
    TRY(buf_add(out, crypto_alg_der(h->alg)));
    TRY(buf_add(out, h->issuer));
    TRY(der_put_time(out, h->this_update_s));
    return der_put_time(out, h->next_update_s);
}

static enum chancery_err put_idp(const char *url, struct buf *out)
{
    /* IssuingDistributionPoint with only a fullName (RFC 5280 5.2.5). */
    size_t mark, name, full;
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &name));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &full));
    TRY(der_put(out, DER_CONTEXT(6), slice_str(url)));
    TRY(der_close(out, full));
    TRY(der_close(out, name));
    return der_close(out, mark);
}

static enum chancery_err put_value(struct slice oid, bool critical, struct buf *value,
                                   struct buf *out)
{
    const struct x509_extension ext = {oid, critical, buf_slice(value)};
    TRY(x509_extension_put(out, &ext));
    buf_reset(value);
    return CH_OK;
}

enum chancery_err x509_crl_tail_write(const struct x509_crl_head *h, struct buf *out)
{
    struct buf value CLEANUP(buf_clear);
    buf_init(&value, X509_TBS_MAX);
    size_t outer, list;
    TRY(der_open(out, DER_CONTEXT_CONS(0), &outer));
    TRY(der_open(out, DER_SEQUENCE, &list));
    TRY(x509_ext_aki(h->issuer_ski, &value));
    TRY(put_value(X509_EXT_AKI, false, &value, out));
    TRY(der_put_uint(&value, h->number));
    TRY(put_value(X509_EXT_CRL_NUMBER, false, &value, out));
    if (h->idp_url != NULL) {
        TRY(put_idp(h->idp_url, &value));
        TRY(put_value(X509_EXT_IDP, true, &value, out));
    }
    TRY(der_close(out, list));
    return der_close(out, outer);
}

enum chancery_err x509_crl_head_write(const struct x509_crl_head *h, size_t entries_len,
                                      struct buf *out, size_t *out_total)
{
    if (crypto_alg_der(h->alg).len == 0 || h->issuer.len == 0 || h->issuer_ski.len == 0 ||
        h->next_update_s <= h->this_update_s || entries_len > SIZE_MAX / 2) {
        return CH_INVALID;
    }
    struct buf fields CLEANUP(buf_clear), tail CLEANUP(buf_clear);
    buf_init(&fields, X509_TBS_MAX);
    buf_init(&tail, X509_TBS_MAX);
    TRY(put_fields(h, &fields));
    TRY(x509_crl_tail_write(h, &tail));
    size_t list = entries_len == 0 ? 0 : der_header_size(entries_len) + entries_len;
    size_t content = fields.len + list + tail.len;
    size_t start = out->len;
    TRY(buf_reserve(out, 2 * 10 + fields.len));
    TRY(der_put_header(out, DER_SEQUENCE, content));
    TRY(buf_add(out, buf_slice(&fields)));
    /* RFC 5280 5.1.2.6: without entries the list is absent. */
    if (entries_len > 0) {
        TRY(der_put_header(out, DER_SEQUENCE, entries_len));
    }
    if (out_total != NULL) {
        *out_total = out->len - start + entries_len + tail.len;
    }
    return CH_OK;
}
