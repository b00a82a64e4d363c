/* SubjectAltName (RFC 5280 4.2.1.6): reader with rules, writer, text. GeneralName tag n has type n
 * + 1. */
#include <arpa/inet.h>
#include <stdlib.h>

#include "x509/x509_int.h"

enum { SAN_OTHER = 1, SAN_EMAIL = 2, SAN_DNS = 3, SAN_DIRECTORY = 5, SAN_URI = 7, SAN_IP = 8 };
#define REFERENCE "RFC 5280 4.2.1.6"
#define FIELD "csr.san"
#define URI_MAX 2048  /* what browsers and servers take */
#define EMAIL_MAX 254 /* RFC 5321 4.5.3.1.3: a path of 256 octets with its brackets */
#define OTHER_MAX 4096

static enum chancery_err lower_dns(struct slice value, struct arena *arena, struct slice *out)
{
    uint8_t *copy = arena_copy(arena, value);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < value.len; i++) {
        if (copy[i] >= 'A' && copy[i] <= 'Z') {
            copy[i] = (uint8_t)(copy[i] - 'A' + 'a');
        }
    }
    *out = slice_of(copy, value.len);
    return CH_OK;
}

/* rfc822Name: local-part "@" domain. The local part is a dot-string of RFC 5321 4.1.2 (quoted ones
 * are legal, unused, and parsed differently everywhere). The domain is lower-cased. */
static enum chancery_err judge_email(struct x509_san *san, struct arena *arena, struct diag *diag)
{
    struct slice v = san->value;
    const uint8_t *at = v.len == 0 ? NULL : memchr(v.ptr, '@', v.len);
    size_t local = at == NULL ? 0 : (size_t)(at - v.ptr);
    bool ok = v.len <= EMAIL_MAX && local > 0 && local <= 64;
    for (size_t i = 0; ok && i < local; i++) {
        uint8_t c = v.ptr[i];
        bool dot = c == '.' && i > 0 && i + 1 < local && v.ptr[i - 1] != '.';
        ok = dot || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             (c != 0 && strchr("!#$%&'*+-/=?^_`{|}~", c) != NULL);
    }
    if (!ok) {
        return x509_refuse(diag, CH_INVALID, FIELD ".email", "san.email", "RFC 5321 4.1.2",
                           "an e-mail address is local-part@domain in ASCII");
    }
    uint8_t *copy = arena_copy(arena, v);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    struct slice domain;
    TRY(lower_dns(slice_sub(v, local + 1, v.len), arena, &domain));
    TRY(x509_dns_check(domain, false, FIELD ".email", diag));
    memcpy(copy + local + 1, domain.ptr, domain.len);
    san->value = slice_of(copy, v.len);
    return CH_OK;
}

/* uniformResourceIdentifier: absolute, with scheme and more (RFC 3986 3); characters of RFC 3986 2.
 */
static enum chancery_err judge_uri(const struct x509_san *san, struct diag *diag)
{
    struct slice v = san->value;
    size_t scheme = 0;
    while (scheme < v.len && v.ptr[scheme] != ':') {
        uint8_t c = v.ptr[scheme];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool later = scheme > 0 && ((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.');
        if (!letter && !later) {
            scheme = v.len;
            break;
        }
        scheme++;
    }
    bool ok = v.len <= URI_MAX && scheme > 0 && scheme + 1 < v.len;
    for (size_t i = 0; ok && i < v.len; i++) {
        uint8_t c = v.ptr[i];
        ok = c > 0x20 && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
    }
    if (!ok) {
        return x509_refuse(diag, CH_INVALID, FIELD ".uri", "san.uri", REFERENCE,
                           "a URI must be absolute, in ASCII, at most %d characters", URI_MAX);
    }
    return CH_OK;
}

/* OtherName ::= SEQUENCE { type-id OID, value [0] EXPLICIT ANY }; the value is its content. */
static enum chancery_err judge_other(struct slice content, struct diag *diag)
{
    struct der_reader r = der_reader_of(content), in;
    struct der_value any;
    struct slice oid;
    enum chancery_err err = content.len <= OTHER_MAX ? der_read_oid(&r, &oid) : CH_LIMIT;
    if (err == CH_OK) {
        err = der_enter(&r, DER_CONTEXT_CONS(0), &in);
    }
    if (err == CH_OK) {
        err = der_finish(&r);
    }
    if (err == CH_OK) {
        err = der_next(&in, &any);
    }
    if (err == CH_OK) {
        err = der_finish(&in);
    }
    return err == CH_OK ? err
                        : x509_refuse(diag, err, FIELD ".other", "san.other", REFERENCE,
                                      "the otherName is not DER or too long");
}

static enum chancery_err judge(struct x509_san *san, struct arena *arena, struct diag *diag)
{
    switch (san->type) {
    case SAN_DNS:
        TRY(lower_dns(san->value, arena, &san->value));
        return x509_dns_check(san->value, true, FIELD ".dns", diag);
    case SAN_EMAIL:
        return judge_email(san, arena, diag);
    case SAN_URI:
        return judge_uri(san, diag);
    case SAN_IP:
        if (san->value.len != 4 && san->value.len != 16) {
            return x509_refuse(diag, CH_INVALID, FIELD ".ip", "san.ip", REFERENCE,
                               "an IP address has 4 or 16 octets, this one %zu", san->value.len);
        }
        return CH_OK;
    case SAN_DIRECTORY:
        return x509_name_check(san->value, FIELD ".directory", diag);
    case SAN_OTHER:
        return judge_other(san->value, diag);
    default:
        return x509_refuse(diag, CH_UNSUPPORTED, FIELD, "san.type", REFERENCE,
                           "names of this kind are not supported (GeneralName tag %u)",
                           (unsigned)san->type - 1);
    }
}

static int san_order(const void *a, const void *b)
{
    const struct x509_san *x = a, *y = b;
    return x->type != y->type ? (x->type > y->type) - (x->type < y->type)
                              : slice_cmp(x->value, y->value);
}

static size_t unique(struct x509_san *sans, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || san_order(&sans[kept - 1], &sans[i]) != 0) {
            sans[kept++] = sans[i];
        }
    }
    return kept;
}

/* One GeneralName; tags 0, 3, 4, 5 are constructed, the others primitive. */
static enum chancery_err general_name(struct der_reader *r, struct x509_san *out)
{
    struct der_value v;
    TRY(der_next(r, &v));
    unsigned number = v.tag & 0x1f;
    bool constructed = (v.tag & 0x20) != 0;
    bool wants = number == 0 || number == 3 || number == 4 || number == 5;
    if ((v.tag & 0xc0) != 0x80 || number > 8 || constructed != wants) {
        return CH_MALFORMED;
    }
    out->type = (uint8_t)(number + 1);
    out->value = v.content;
    if (out->type == SAN_DIRECTORY) {
        /* Name is a CHOICE, so the tag is explicit: exactly one element inside. */
        struct der_reader in = der_reader_of(v.content);
        struct der_value name;
        TRY(der_expect(&in, DER_SEQUENCE, &name));
        return der_finish(&in);
    }
    return CH_OK;
}

static enum chancery_err count_names(struct slice value, size_t *out_n)
{
    struct der_reader r = der_reader_of(value), list;
    TRY(der_enter(&r, DER_SEQUENCE, &list));
    TRY(der_finish(&r));
    size_t n = 0;
    for (; !der_at_end(&list); n++) {
        struct x509_san ignored;
        TRY(general_name(&list, &ignored));
    }
    *out_n = n;
    return n > 0 ? CH_OK : CH_MALFORMED; /* SIZE (1..MAX) */
}

enum chancery_err x509_san_read(struct slice value, bool judged, struct arena *arena,
                                struct x509_san **out, size_t *out_n, struct diag *diag)
{
    size_t n;
    enum chancery_err err = count_names(value, &n);
    if (err != CH_OK) {
        return x509_refuse(diag, err, FIELD, "san.der", REFERENCE,
                           "the subject alternative names are empty or not DER");
    }
    if (n > X509_SANS_MAX) {
        return x509_refuse(diag, CH_LIMIT, FIELD, "san.count", REFERENCE,
                           "%zu names; at most %d are taken", n, X509_SANS_MAX);
    }
    struct x509_san *sans = arena_alloc(arena, n * sizeof *sans);
    if (sans == NULL) {
        return CH_NOMEM;
    }
    struct der_reader r = der_reader_of(value), list;
    TRY(der_enter(&r, DER_SEQUENCE, &list));
    for (size_t i = 0; i < n; i++) {
        TRY(general_name(&list, &sans[i]));
        if (judged) {
            TRY(judge(&sans[i], arena, diag));
        }
    }
    if (judged) {
        qsort(sans, n, sizeof *sans, san_order);
        n = unique(sans, n);
    }
    *out = sans;
    *out_n = n;
    return CH_OK;
}

enum chancery_err x509_ext_san(const struct x509_san *sans, size_t n, struct buf *out)
{
    size_t list;
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < n; i++) {
        if (sans[i].type == 0 || sans[i].type > 9) {
            return CH_INVALID;
        }
        uint8_t number = (uint8_t)(sans[i].type - 1);
        bool constructed = sans[i].type == SAN_OTHER || sans[i].type == SAN_DIRECTORY;
        TRY(der_put(out, (uint8_t)(constructed ? DER_CONTEXT_CONS(number) : DER_CONTEXT(number)),
                    sans[i].value));
    }
    return der_close(out, list);
}

/* ---- text ---- */

static enum chancery_err put_printable(struct slice v, struct buf *out)
{
    for (size_t i = 0; i < v.len; i++) {
        bool plain = v.ptr[i] > 0x20 && v.ptr[i] < 0x7f && v.ptr[i] != '\\';
        TRY(plain ? buf_add_u8(out, v.ptr[i]) : buf_printf(out, "\\x%02x", v.ptr[i]));
    }
    return CH_OK;
}

static enum chancery_err put_hex(struct slice v, struct buf *out)
{
    for (size_t i = 0; i < v.len; i++) {
        TRY(buf_printf(out, "%02x", v.ptr[i]));
    }
    return CH_OK;
}

static enum chancery_err put_ip(struct slice v, struct buf *out)
{
    char text[INET6_ADDRSTRLEN];
    int family = v.len == 4 ? AF_INET : AF_INET6;
    if ((v.len != 4 && v.len != 16) || inet_ntop(family, v.ptr, text, sizeof text) == NULL) {
        return put_hex(v, out);
    }
    return buf_add_str(out, text);
}

static enum chancery_err put_other(struct slice v, struct buf *out)
{
    struct der_reader r = der_reader_of(v);
    struct slice oid;
    if (der_read_oid(&r, &oid) != CH_OK || der_oid_text(oid, out) != CH_OK) {
        return put_hex(v, out);
    }
    TRY(buf_add_u8(out, ';'));
    return put_hex(r.rest, out);
}

enum chancery_err x509_san_text(const struct x509_san *san, struct buf *out)
{
    switch (san->type) {
    case SAN_DNS:
        TRY(buf_add_str(out, "DNS:"));
        return put_printable(san->value, out);
    case SAN_EMAIL:
        TRY(buf_add_str(out, "email:"));
        return put_printable(san->value, out);
    case SAN_URI:
        TRY(buf_add_str(out, "URI:"));
        return put_printable(san->value, out);
    case SAN_IP:
        TRY(buf_add_str(out, "IP:"));
        return put_ip(san->value, out);
    case SAN_DIRECTORY:
        TRY(buf_add_str(out, "dirName:"));
        return x509_name_text(san->value, out);
    case SAN_OTHER:
        TRY(buf_add_str(out, "otherName:"));
        return put_other(san->value, out);
    default:
        TRY(buf_printf(out, "type%u:", (unsigned)san->type));
        return put_hex(san->value, out);
    }
}
