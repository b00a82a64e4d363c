/* OCSPRequest reader (RFC 6960 4.1) and the decoding of GET paths (A.1). */
#include "der/der.h"
#include "ocsp.h"

static const uint8_t oid_sha1[] = {0x2b, 0x0e, 0x03, 0x02, 0x1a};
static const uint8_t oid_sha256[] = {0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01};
static const uint8_t oid_nonce[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, 0x01, 0x02};

static enum crypto_hash hash_of(struct slice oid)
{
    if (slice_eq(oid, slice_of(oid_sha1, sizeof(oid_sha1)))) {
        return CRYPTO_HASH_SHA1;
    }
    return slice_eq(oid, slice_of(oid_sha256, sizeof(oid_sha256))) ? CRYPTO_HASH_SHA256
                                                                   : CRYPTO_HASH_NONE;
}

/* AlgorithmIdentifier with NULL or absent parameters. */
static enum chancery_err read_hash(struct der_reader *r, enum crypto_hash *out)
{
    struct der_reader alg;
    struct slice oid;
    struct der_value null;
    TRY(der_enter(r, DER_SEQUENCE, &alg));
    TRY(der_read_oid(&alg, &oid));
    if (!der_at_end(&alg)) {
        TRY(der_expect(&alg, DER_NULL, &null));
        if (null.content.len != 0) {
            return CH_MALFORMED;
        }
    }
    *out = hash_of(oid);
    return der_finish(&alg);
}

static enum chancery_err read_cert_id(struct der_reader *r, struct revocation_ocsp_id *out)
{
    struct der_value id, octets;
    struct slice serial;
    TRY(der_expect(r, DER_SEQUENCE, &id));
    struct der_reader in = der_reader_of(id.content);
    out->der = id.whole;
    TRY(read_hash(&in, &out->hash));
    TRY(der_expect(&in, DER_OCTET_STRING, &octets));
    out->name_hash = octets.content;
    TRY(der_expect(&in, DER_OCTET_STRING, &octets));
    out->key_hash = octets.content;
    size_t want = crypto_hash_size(out->hash);
    if (out->hash != CRYPTO_HASH_NONE &&
        (out->name_hash.len != want || out->key_hash.len != want)) {
        return CH_MALFORMED;
    }
    TRY(der_read_integer(&in, &serial));
    bool negative = (serial.ptr[0] & 0x80) != 0;
    if (serial.ptr[0] == 0) {
        serial = slice_sub(serial, 1, serial.len); /* sign octet, or the number zero */
    }
    out->serial = negative || serial.len > 20 ? slice_of(NULL, 0) : serial;
    return der_finish(&in);
}

/* Nonce ::= OCTET STRING (SIZE(1..128)). RFC 9654 2.1: another length is a malformed request. */
static enum chancery_err check_nonce(struct slice value)
{
    struct der_reader in = der_reader_of(value);
    struct der_value nonce;
    TRY(der_expect(&in, DER_OCTET_STRING, &nonce));
    if (nonce.content.len < 1 || nonce.content.len > REVOCATION_OCSP_NONCE_MAX) {
        return CH_MALFORMED;
    }
    return der_finish(&in);
}

/* Extensions; `nonce` NULL: a nonce means nothing here. Unknown critical ones refuse (RFC
 * 6960 4.4). */
static enum chancery_err read_extensions(struct der_reader *r, struct slice *nonce)
{
    struct der_reader list;
    TRY(der_enter(r, DER_SEQUENCE, &list));
    if (der_at_end(&list)) {
        return CH_MALFORMED; /* SIZE (1..MAX) */
    }
    while (!der_at_end(&list)) {
        struct der_reader ext;
        struct slice oid;
        struct der_value value;
        bool critical = false;
        TRY(der_enter(&list, DER_SEQUENCE, &ext));
        TRY(der_read_oid(&ext, &oid));
        if (der_peek_tag(&ext) == DER_BOOLEAN) {
            TRY(der_read_bool(&ext, &critical));
        }
        TRY(der_expect(&ext, DER_OCTET_STRING, &value));
        TRY(der_finish(&ext));
        if (nonce != NULL && slice_eq(oid, slice_of(oid_nonce, sizeof(oid_nonce)))) {
            if (nonce->len != 0) {
                return CH_MALFORMED;
            }
            TRY(check_nonce(value.content));
            *nonce = value.content;
        } else if (critical) {
            return CH_UNSUPPORTED;
        }
    }
    return CH_OK;
}

static enum chancery_err read_explicit_extensions(struct der_reader *r, uint8_t tag,
                                                  struct slice *nonce)
{
    struct der_reader in;
    if (der_peek_tag(r) != tag) {
        return CH_OK;
    }
    TRY(der_enter(r, tag, &in));
    TRY(read_extensions(&in, nonce));
    return der_finish(&in);
}

static enum chancery_err read_list(struct der_reader *tbs, struct revocation_ocsp_request *out)
{
    struct der_reader list;
    TRY(der_enter(tbs, DER_SEQUENCE, &list));
    if (der_at_end(&list)) {
        return CH_MALFORMED;
    }
    while (!der_at_end(&list)) {
        struct der_reader one;
        if (out->n == REVOCATION_OCSP_SINGLES_MAX) {
            return CH_LIMIT;
        }
        TRY(der_enter(&list, DER_SEQUENCE, &one));
        TRY(read_cert_id(&one, &out->ids[out->n]));
        out->n++;
        TRY(read_explicit_extensions(&one, DER_CONTEXT_CONS(0), NULL));
        TRY(der_finish(&one));
    }
    return CH_OK;
}

static enum chancery_err read_tbs(struct der_reader *r, struct revocation_ocsp_request *out)
{
    struct der_reader tbs;
    struct der_value skipped;
    TRY(der_enter(r, DER_SEQUENCE, &tbs));
    if (der_peek_tag(&tbs) == DER_CONTEXT_CONS(0)) {
        return CH_MALFORMED; /* version: v1 is the default, DER does not encode it; others are
                                unknown */
    }
    if (der_peek_tag(&tbs) == DER_CONTEXT_CONS(1)) { /* requestorName: anyone may ask */
        TRY(der_next(&tbs, &skipped));
    }
    TRY(read_list(&tbs, out));
    TRY(read_explicit_extensions(&tbs, DER_CONTEXT_CONS(2), &out->nonce));
    return der_finish(&tbs);
}

static enum chancery_err read_request(struct slice der, struct revocation_ocsp_request *out)
{
    struct der_reader all = der_reader_of(der), request;
    struct der_value signature;
    TRY(der_enter(&all, DER_SEQUENCE, &request));
    TRY(der_finish(&all));
    TRY(read_tbs(&request, out));
    if (der_peek_tag(&request) == DER_CONTEXT_CONS(0)) {
        TRY(der_next(&request, &signature));
    }
    return der_finish(&request);
}

enum chancery_err revocation_ocsp_read(struct slice der, struct revocation_ocsp_request *out,
                                       struct diag *diag)
{
    struct revocation_ocsp_request r = {0};
    if (der.len > REVOCATION_OCSP_REQUEST_MAX) {
        return diag_set(diag, CH_LIMIT, "request", "ocsp.size", "over %d octets",
                        REVOCATION_OCSP_REQUEST_MAX);
    }
    enum chancery_err err = read_request(der, &r);
    if (err == CH_LIMIT) {
        return diag_set(diag, err, "request.list", "ocsp.singles", "over %d certificates",
                        REVOCATION_OCSP_SINGLES_MAX);
    }
    if (err != CH_OK) {
        (void)diag_set(diag, CH_MALFORMED, "request", "ocsp.malformed",
                       "not an OCSPRequest in DER");
        return diag_ref(diag, CH_MALFORMED, "RFC 6960 4.1.1");
    }
    *out = r;
    return CH_OK;
}

/* ---- GET ---- */

static int hex_value(uint8_t c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* One percent-decoding; spaces are what a form decoder made of '+'. */
static enum chancery_err decode_text(struct slice path, struct buf *out)
{
    for (size_t i = 0; i < path.len; i++) {
        uint8_t c = path.ptr[i];
        if (c == '%') {
            int hi = i + 1 < path.len ? hex_value(path.ptr[i + 1]) : -1;
            int lo = i + 2 < path.len ? hex_value(path.ptr[i + 2]) : -1;
            if (hi < 0 || lo < 0) {
                return CH_MALFORMED;
            }
            c = (uint8_t)(hi << 4 | lo);
            i += 2;
        }
        TRY(buf_add_u8(out, c == ' ' ? '+' : c));
    }
    return CH_OK;
}

/* Base64 of `text` without padding, which must be one DER element exactly. */
static enum chancery_err decode_base64(struct slice text, struct buf *out)
{
    struct buf padded CLEANUP(buf_clear) = {0}, bytes CLEANUP(buf_clear) = {0};
    struct der_value whole;
    buf_init(&padded, REVOCATION_OCSP_REQUEST_MAX * 2);
    buf_init(&bytes, REVOCATION_OCSP_REQUEST_MAX);
    TRY(buf_add(&padded, text));
    while (padded.len % 4 != 0) {
        TRY(buf_add_u8(&padded, '='));
    }
    TRY(base64_decode(buf_slice(&padded), &bytes));
    struct der_reader r = der_reader_of(buf_slice(&bytes));
    TRY(der_expect(&r, DER_SEQUENCE, &whole));
    TRY(der_finish(&r));
    return buf_add(out, buf_slice(&bytes));
}

enum chancery_err revocation_ocsp_from_path(struct slice path, struct buf *out)
{
    struct buf text CLEANUP(buf_clear) = {0};
    buf_init(&text, REVOCATION_OCSP_REQUEST_MAX * 2);
    TRY(decode_text(path, &text));
    struct slice s = buf_slice(&text);
    while (s.len > 0 && s.ptr[0] == '/') { /* DER begins with "M": a leading '/' is never data */
        s = slice_sub(s, 1, s.len);
    }
    struct slice bare = s;
    while (bare.len > 0 && (bare.ptr[bare.len - 1] == '=' || bare.ptr[bare.len - 1] == '/')) {
        bare.len--;
    }
    while (s.len > 0 && s.ptr[s.len - 1] == '=') {
        s.len--;
    }
    if (s.len == 0) {
        return CH_MALFORMED;
    }
    /* A '/' at the end may be data or decoration: DER knows its own length, so only one fits. */
    for (; s.len >= bare.len && s.len > 0; s.len--) {
        enum chancery_err err = decode_base64(s, out);
        if (err != CH_MALFORMED) {
            return err;
        }
    }
    return CH_MALFORMED;
}
