/* Push reader of a TBSCertList (RFC 5280 5.1.2) in constant memory: elements are collected until
 * complete, judged, and dropped. Takes exactly what crl_write.c can write; nothing more is needed,
 * since only our own CRLs are read. */
#include <stdlib.h>

#include "x509/x509_int.h"

#define PIECE ((size_t)16 << 10) /* octets of a chunk handled at a time */
#define ELEMENT_MAX                                                                                \
    ((size_t)16 << 10) /* a name or the extensions; an entry has under 64 octets                   \
                        */
#define URL_MAX 2048

enum state {
    STATE_OUTER = 1,
    STATE_VERSION,
    STATE_ALG,
    STATE_ISSUER,
    STATE_THIS,
    STATE_NEXT,
    STATE_LIST,
    STATE_ENTRY,
    STATE_EXTENSIONS,
    STATE_END,
    STATE_FAILED,
};

struct x509_crl_reader {
    struct x509_crl_events events;
    void *ctx;
    enum state state;
    struct x509_crl_head head;
    struct buf issuer, pending;
    size_t left;      /* octets of the TBS not yet consumed */
    size_t list_left; /* octets of the entries not yet consumed */
    uint8_t ski[64];
    char url[URL_MAX + 1];
};

struct x509_crl_reader *x509_crl_reader_new(const struct x509_crl_events *events, void *ctx)
{
    struct x509_crl_reader *r = calloc(1, sizeof *r);
    if (r != NULL) {
        r->events = *events;
        r->ctx = ctx;
        r->state = STATE_OUTER;
        buf_init(&r->issuer, ELEMENT_MAX);
        buf_init(&r->pending, ELEMENT_MAX + PIECE + 16);
    }
    return r;
}

void x509_crl_reader_free(struct x509_crl_reader *r)
{
    if (r != NULL) {
        buf_clear(&r->issuer);
        buf_clear(&r->pending);
        free(r);
    }
}

static enum chancery_err bad(struct diag *diag, const char *field, const char *rule,
                             const char *reference, const char *text)
{
    return x509_refuse(diag, CH_MALFORMED, field, rule, reference, "%s", text);
}

/* ---- fields ---- */

static enum chancery_err read_entry(struct slice whole, struct x509_crl_entry *e)
{
    struct der_reader r = der_reader_of(whole), in, list;
    struct slice serial;
    TRY(der_enter(&r, DER_SEQUENCE, &in));
    TRY(der_read_integer(&in, &serial));
    if ((serial.ptr[0] & 0x80) != 0 || serial.len > 20) {
        return CH_MALFORMED;
    }
    e->serial = serial.ptr[0] == 0 ? slice_sub(serial, 1, serial.len) : serial;
    if (e->serial.len == 0) {
        return CH_MALFORMED; /* serial 0 */
    }
    TRY(der_read_time(&in, &e->revoked_at_s));
    e->reason = 0;
    if (der_at_end(&in)) {
        return CH_OK;
    }
    struct x509_extension ext;
    TRY(der_enter(&in, DER_SEQUENCE, &list));
    TRY(der_finish(&in));
    TRY(x509_extension_next(&list, &ext));
    TRY(der_finish(&list));
    /* CRLReason: ENUMERATED, never 0 (left out instead), 7 (unused) or above 10. */
    const struct slice v = ext.value;
    if (!slice_eq(ext.oid, X509_EXT_CRL_REASON) || ext.critical || v.len != 3 ||
        v.ptr[0] != DER_ENUMERATED || v.ptr[1] != 1 || v.ptr[2] == 0 || v.ptr[2] > 10 ||
        v.ptr[2] == 7) {
        return CH_MALFORMED;
    }
    e->reason = v.ptr[2];
    return CH_OK;
}

static enum chancery_err read_aki(struct x509_crl_reader *r, struct slice value)
{
    struct der_reader in = der_reader_of(value), seq;
    struct der_value id;
    TRY(der_enter(&in, DER_SEQUENCE, &seq));
    TRY(der_finish(&in));
    TRY(der_expect(&seq, DER_CONTEXT(0), &id));
    TRY(der_finish(&seq));
    if (id.content.len == 0 || id.content.len > sizeof r->ski) {
        return CH_MALFORMED;
    }
    memcpy(r->ski, id.content.ptr, id.content.len);
    r->head.issuer_ski = slice_of(r->ski, id.content.len);
    return CH_OK;
}

static enum chancery_err read_number(struct x509_crl_reader *r, struct slice value)
{
    struct der_reader in = der_reader_of(value);
    TRY(der_read_uint(&in, &r->head.number));
    return der_finish(&in);
}

static enum chancery_err read_idp(struct x509_crl_reader *r, struct slice value)
{
    struct der_reader in = der_reader_of(value), seq, name, full;
    struct der_value url;
    TRY(der_enter(&in, DER_SEQUENCE, &seq));
    TRY(der_finish(&in));
    TRY(der_enter(&seq, DER_CONTEXT_CONS(0), &name));
    TRY(der_finish(&seq));
    TRY(der_enter(&name, DER_CONTEXT_CONS(0), &full));
    TRY(der_finish(&name));
    TRY(der_expect(&full, DER_CONTEXT(6), &url));
    TRY(der_finish(&full));
    if (url.content.len == 0 || url.content.len > URL_MAX || !x509_ascii(url.content)) {
        return CH_MALFORMED;
    }
    memcpy(r->url, url.content.ptr, url.content.len);
    r->url[url.content.len] = '\0';
    r->head.idp_url = r->url;
    return CH_OK;
}

static enum chancery_err read_extensions(struct x509_crl_reader *r, struct slice whole)
{
    struct der_reader in = der_reader_of(whole), outer, list;
    bool aki = false, number = false, idp = false;
    TRY(der_enter(&in, DER_CONTEXT_CONS(0), &outer));
    TRY(der_enter(&outer, DER_SEQUENCE, &list));
    TRY(der_finish(&outer));
    while (!der_at_end(&list)) {
        struct x509_extension ext;
        TRY(x509_extension_next(&list, &ext));
        if (slice_eq(ext.oid, X509_EXT_AKI) && !aki && !ext.critical) {
            aki = true;
            TRY(read_aki(r, ext.value));
        } else if (slice_eq(ext.oid, X509_EXT_CRL_NUMBER) && !number && !ext.critical) {
            number = true;
            TRY(read_number(r, ext.value));
        } else if (slice_eq(ext.oid, X509_EXT_IDP) && !idp && ext.critical) {
            idp = true;
            TRY(read_idp(r, ext.value));
        } else {
            return CH_MALFORMED; /* unknown, twice, or with the wrong criticality */
        }
    }
    /* RFC 5280 5.2.1 and 5.2.3: both are required. */
    return aki && number ? CH_OK : CH_MALFORMED;
}

static enum chancery_err read_time(struct slice whole, int64_t *out_s)
{
    struct der_reader in = der_reader_of(whole);
    TRY(der_read_time(&in, out_s));
    return der_finish(&in);
}

/* ---- states ---- */

/* Octets of the next thing to consume: a whole element, or only its header where content is
 * streamed. */
static bool header_only(enum state s, uint8_t tag)
{
    return s == STATE_OUTER || (s == STATE_LIST && tag == DER_SEQUENCE);
}

static enum chancery_err begin_list(struct x509_crl_reader *r, uint8_t tag, size_t content,
                                    struct diag *diag)
{
    if (r->events.head != NULL) {
        TRY(r->events.head(r->ctx, &r->head, diag));
    }
    if (tag == DER_SEQUENCE) {
        if (content == 0) {
            return bad(diag, "crl.revokedCertificates", "crl.entries.empty", "RFC 5280 5.1.2.6",
                       "an empty list must be left out");
        }
        r->list_left = content;
        r->state = STATE_ENTRY;
    } else {
        r->state = STATE_EXTENSIONS;
    }
    return CH_OK;
}

static enum chancery_err take_entry(struct x509_crl_reader *r, struct slice whole,
                                    struct diag *diag)
{
    struct x509_crl_entry e;
    if (whole.len > r->list_left || read_entry(whole, &e) != CH_OK) {
        return bad(diag, "crl.revokedCertificates", "crl.entry", "RFC 5280 5.1.2.6",
                   "an entry is not what Chancery writes");
    }
    r->list_left -= whole.len;
    if (r->list_left == 0) {
        r->state = STATE_EXTENSIONS;
    }
    return r->events.entry == NULL ? CH_OK : r->events.entry(r->ctx, &e, diag);
}

static enum chancery_err take_tail(struct x509_crl_reader *r, struct slice whole, struct diag *diag)
{
    if (read_extensions(r, whole) != CH_OK) {
        return bad(diag, "crl.extensions", "crl.extensions", "RFC 5280 5.2",
                   "AKI, CRL number and at most a critical IDP are wanted");
    }
    if (r->left != 0) {
        return bad(diag, "crl", "crl.trailing", "RFC 5280 5.1.2",
                   "octets stand behind the extensions");
    }
    r->state = STATE_END;
    return r->events.tail == NULL ? CH_OK : r->events.tail(r->ctx, &r->head, diag);
}

static enum chancery_err take_field(struct x509_crl_reader *r, struct slice whole,
                                    struct diag *diag)
{
    static const uint8_t version_2[] = {DER_INTEGER, 1, 1};
    switch (r->state) {
    case STATE_VERSION:
        r->state = STATE_ALG;
        return slice_eq(whole, slice_of(version_2, sizeof version_2))
                   ? CH_OK
                   : bad(diag, "crl.version", "crl.version", "RFC 5280 5.1.2.1",
                         "a CRL has version 2");
    case STATE_ALG:
        r->head.alg = crypto_alg_from_der(whole);
        r->state = STATE_ISSUER;
        return r->head.alg != CRYPTO_ALG_NONE ? CH_OK
                                              : bad(diag, "crl.signature", "crl.algorithm",
                                                    "RFC 5280 5.1.2.2", "unknown algorithm");
    case STATE_ISSUER:
        r->state = STATE_THIS;
        TRY(buf_add(&r->issuer, whole));
        r->head.issuer = buf_slice(&r->issuer);
        return x509_name_ok(whole) ? CH_OK
                                   : bad(diag, "crl.issuer", "crl.issuer", "RFC 5280 5.1.2.3",
                                         "the issuer is no Name");
    case STATE_THIS:
        r->state = STATE_NEXT;
        return read_time(whole, &r->head.this_update_s) == CH_OK
                   ? CH_OK
                   : bad(diag, "crl.thisUpdate", "crl.this_update", "RFC 5280 5.1.2.4",
                         "no valid time");
    case STATE_NEXT:
        r->state = STATE_LIST;
        return read_time(whole, &r->head.next_update_s) == CH_OK
                   ? CH_OK
                   : bad(diag, "crl.nextUpdate", "crl.next_update", "RFC 5280 5.1.2.5",
                         "no valid time");
    default:
        return CH_INTERNAL;
    }
}

/* Consumes one thing from the start of `have`. CH_END: more octets are needed. */
static enum chancery_err step(struct x509_crl_reader *r, struct slice have, size_t *used,
                              struct diag *diag)
{
    if (r->state == STATE_END || r->state == STATE_FAILED) {
        return bad(diag, "crl", "crl.trailing", "RFC 5280 5.1.2", "octets stand behind the CRL");
    }
    uint8_t tag;
    size_t header, content;
    enum chancery_err err = der_peek_header(have, &tag, &header, &content);
    if (err != CH_OK) {
        return err == CH_END ? err : bad(diag, "crl", "crl.der", "RFC 5280 5.1", "not DER");
    }
    if (r->state == STATE_OUTER) {
        if (tag != DER_SEQUENCE) {
            return bad(diag, "crl", "crl.der", "RFC 5280 5.1", "a TBSCertList is a SEQUENCE");
        }
        r->left = content;
        r->state = STATE_VERSION;
        *used = header;
        return CH_OK;
    }
    bool only_header = header_only(r->state, tag);
    if (header > r->left || content > r->left - header ||
        (!only_header && content > ELEMENT_MAX - header)) {
        return bad(diag, "crl", "crl.der", "RFC 5280 5.1",
                   "an element is longer than what holds it");
    }
    size_t whole = only_header ? header : header + content;
    if (r->state == STATE_LIST && !only_header) {
        *used =
            0; /* the tag tells that there are no entries; the element is read in the next state */
        return begin_list(r, tag, 0, diag);
    }
    if (have.len < whole) {
        return CH_END;
    }
    r->left -= whole;
    *used = whole;
    struct slice element = slice_sub(have, 0, whole);
    switch (r->state) {
    case STATE_LIST:
        return begin_list(r, tag, content, diag);
    case STATE_ENTRY:
        return take_entry(r, element, diag);
    case STATE_EXTENSIONS:
        return take_tail(r, element, diag);
    default:
        return take_field(r, element, diag);
    }
}

static enum chancery_err push_piece(struct x509_crl_reader *r, struct slice piece,
                                    struct diag *diag)
{
    TRY(buf_add(&r->pending, piece));
    size_t at = 0;
    while (at < r->pending.len) {
        size_t used = 0;
        enum chancery_err err =
            step(r, slice_sub(buf_slice(&r->pending), at, r->pending.len), &used, diag);
        if (err == CH_END) {
            break;
        }
        TRY(err);
        at += used;
    }
    memmove(r->pending.ptr, r->pending.ptr + at, r->pending.len - at);
    r->pending.len -= at;
    return CH_OK;
}

enum chancery_err x509_crl_reader_push(struct x509_crl_reader *r, struct slice chunk,
                                       struct diag *diag)
{
    if (r->state == STATE_FAILED) {
        return diag_set(diag, CH_PRECONDITION, "crl", "crl.failed", "the reader has stopped");
    }
    for (size_t at = 0; at < chunk.len; at += PIECE) {
        enum chancery_err err = push_piece(r, slice_sub(chunk, at, PIECE), diag);
        if (err != CH_OK) {
            r->state = STATE_FAILED;
            return err == CH_END ? CH_INTERNAL
                                 : err; /* CH_END is ours; a callback must not use it */
        }
    }
    return CH_OK;
}

enum chancery_err x509_crl_reader_finish(struct x509_crl_reader *r, struct diag *diag)
{
    if (r->state == STATE_END && r->pending.len == 0) {
        return CH_OK;
    }
    return bad(diag, "crl", "crl.truncated", "RFC 5280 5.1.2", "the CRL ends in the middle");
}
