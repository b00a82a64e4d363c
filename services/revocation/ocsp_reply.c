/* OCSPResponse writer (RFC 6960 4.2). */
#include <stdio.h>
#include <time.h>

#include "der/der.h"
#include "ocsp.h"

#define REASON_CERTIFICATE_HOLD 6

static const uint8_t oid_basic[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x01};
static const uint8_t oid_nonce[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};
static const uint8_t oid_extended[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x09};

/* OCSP knows GeneralizedTime only, in every year; always Zulu with seconds. */
static enum chancery_err put_time(struct buf *out, int64_t t_s)
{
    struct tm tm;
    time_t t = (time_t)t_s;
    char text[32];
    if (gmtime_r(&t, &tm) == NULL || tm.tm_year < -1900 || tm.tm_year > 8099) {
        return CH_INVALID;
    }
    int n = snprintf(text, sizeof(text), "%04d%02d%02d%02d%02d%02dZ", tm.tm_year + 1900,
                     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
    return n != 15 ? CH_INVALID : der_put(out, DER_GENERALIZED_TIME, slice_of(text, 15));
}

static enum chancery_err put_revoked(struct buf *out, int64_t at_s, unsigned reason)
{
    size_t info, tagged;
    TRY(der_open(out, DER_CONTEXT_CONS(1), &info));
    TRY(put_time(out, at_s));
    if (reason != 0) {
        uint8_t value = (uint8_t)reason;
        TRY(der_open(out, DER_CONTEXT_CONS(0), &tagged));
        TRY(der_put(out, DER_ENUMERATED, slice_of(&value, 1)));
        TRY(der_close(out, tagged));
    }
    return der_close(out, info);
}

static enum chancery_err put_status(struct buf *out, const struct revocation_ocsp_single *s,
                                    bool extended)
{
    switch (s->status) {
    case REVOCATION_STATUS_GOOD:
        return der_put(out, DER_CONTEXT(0), slice_of(NULL, 0));
    case REVOCATION_STATUS_REVOKED:
        return s->reason > 10 ? CH_INVALID : put_revoked(out, s->revoked_at_s, s->reason);
    case REVOCATION_STATUS_UNKNOWN: /* RFC 6960 2.2: hold since the epoch stands for "never issued"
                                     */
        return extended ? put_revoked(out, 0, REASON_CERTIFICATE_HOLD)
                        : der_put(out, DER_CONTEXT(2), slice_of(NULL, 0));
    case REVOCATION_STATUS_NONE:
        break;
    }
    return CH_INVALID;
}

static enum chancery_err put_single(struct buf *out, const struct revocation_ocsp_single *s,
                                    bool extended)
{
    size_t single, tagged;
    TRY(der_open(out, DER_SEQUENCE, &single));
    TRY(buf_add(out, s->cert_id));
    TRY(put_status(out, s, extended));
    TRY(put_time(out, s->this_update_s));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &tagged));
    TRY(put_time(out, s->next_update_s));
    TRY(der_close(out, tagged));
    return der_close(out, single);
}

static enum chancery_err put_extension(struct buf *out, struct slice oid, struct slice value)
{
    size_t ext;
    TRY(der_open(out, DER_SEQUENCE, &ext));
    TRY(der_put(out, DER_OID, oid));
    TRY(der_put(out, DER_OCTET_STRING, value));
    return der_close(out, ext);
}

static enum chancery_err put_extensions(struct buf *out, const struct revocation_ocsp_data *d)
{
    static const uint8_t null[] = {DER_NULL, 0};
    size_t tagged, list;
    if (d->nonce.len == 0 && !d->extended_revoke) {
        return CH_OK;
    }
    TRY(der_open(out, DER_CONTEXT_CONS(1), &tagged));
    TRY(der_open(out, DER_SEQUENCE, &list));
    if (d->nonce.len != 0) {
        TRY(put_extension(out, slice_of(oid_nonce, sizeof(oid_nonce)), d->nonce));
    }
    if (d->extended_revoke) {
        TRY(put_extension(out, slice_of(oid_extended, sizeof(oid_extended)), slice_of(null, 2)));
    }
    TRY(der_close(out, list));
    return der_close(out, tagged);
}

enum chancery_err revocation_ocsp_data_write(const struct revocation_ocsp_data *d, struct buf *out)
{
    size_t data, tagged, list;
    TRY(der_open(out, DER_SEQUENCE, &data)); /* version v1: default, not encoded */
    TRY(der_open(out, DER_CONTEXT_CONS(2), &tagged));
    TRY(der_put(out, DER_OCTET_STRING, d->responder_key_hash));
    TRY(der_close(out, tagged));
    TRY(put_time(out, d->produced_at_s));
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < d->n; i++) {
        TRY(put_single(out, &d->singles[i], d->extended_revoke));
    }
    TRY(der_close(out, list));
    TRY(put_extensions(out, d));
    return der_close(out, data);
}

static enum chancery_err put_basic(struct slice data, enum crypto_alg alg, struct slice signature,
                                   struct slice certificate, struct buf *out)
{
    size_t basic, tagged, list;
    TRY(der_open(out, DER_SEQUENCE, &basic));
    TRY(buf_add(out, data));
    TRY(buf_add(out, crypto_alg_der(alg)));
    TRY(der_put_bits(out, signature, 0));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &tagged));
    TRY(der_open(out, DER_SEQUENCE, &list));
    TRY(buf_add(out, certificate));
    TRY(der_close(out, list));
    TRY(der_close(out, tagged));
    return der_close(out, basic);
}

enum chancery_err revocation_ocsp_assemble(struct slice data, enum crypto_alg alg,
                                           struct slice signature, struct slice certificate,
                                           struct buf *out)
{
    static const uint8_t successful = 0;
    size_t response, tagged, bytes, octets;
    TRY(der_open(out, DER_SEQUENCE, &response));
    TRY(der_put(out, DER_ENUMERATED, slice_of(&successful, 1)));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &tagged));
    TRY(der_open(out, DER_SEQUENCE, &bytes));
    TRY(der_put(out, DER_OID, slice_of(oid_basic, sizeof(oid_basic))));
    TRY(der_open(out, DER_OCTET_STRING, &octets));
    TRY(put_basic(data, alg, signature, certificate, out));
    TRY(der_close(out, octets));
    TRY(der_close(out, bytes));
    TRY(der_close(out, tagged));
    return der_close(out, response);
}

struct slice revocation_ocsp_error_der(enum revocation_ocsp_error e)
{
    static const uint8_t malformed[] = {0x30, 3, 0x0a, 1, 1}, internal[] = {0x30, 3, 0x0a, 1, 2};
    static const uint8_t later[] = {0x30, 3, 0x0a, 1, 3}, unauthorized[] = {0x30, 3, 0x0a, 1, 6};
    switch (e) {
    case REVOCATION_OCSP_MALFORMED:
        return slice_of(malformed, 5);
    case REVOCATION_OCSP_TRY_LATER:
        return slice_of(later, 5);
    case REVOCATION_OCSP_UNAUTHORIZED:
        return slice_of(unauthorized, 5);
    case REVOCATION_OCSP_INTERNAL:
        break;
    }
    return slice_of(internal, 5);
}
