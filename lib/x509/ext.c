/* Extensions: SEQUENCE { extnID, critical DEFAULT FALSE, extnValue } (RFC 5280 4.1), and the values
 * of those that Chancery writes. */
#include "x509/x509_int.h"

enum chancery_err x509_extension_next(struct der_reader *r, struct x509_extension *out)
{
    struct der_reader in;
    struct der_value value;
    TRY(der_enter(r, DER_SEQUENCE, &in));
    TRY(der_read_oid(&in, &out->oid));
    out->critical = false;
    if (der_peek_tag(&in) == DER_BOOLEAN) {
        TRY(der_read_bool(&in, &out->critical));
        if (!out->critical) {
            return CH_MALFORMED; /* X.690 11.5: a default value is left out */
        }
    }
    TRY(der_expect(&in, DER_OCTET_STRING, &value));
    out->value = value.content;
    return der_finish(&in);
}

enum chancery_err x509_extensions_read(struct der_reader *r, struct arena *arena,
                                       struct x509_extension **out, size_t *out_n,
                                       struct diag *diag)
{
    struct x509_extension *list = arena_alloc(arena, X509_EXTENSIONS_MAX * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    size_t n = 0;
    for (; !der_at_end(r); n++) {
        if (n == X509_EXTENSIONS_MAX) {
            return x509_refuse(diag, CH_LIMIT, "extensions", "extensions.count", "RFC 5280 4.1",
                               "more than %d extensions", X509_EXTENSIONS_MAX);
        }
        enum chancery_err err = x509_extension_next(r, &list[n]);
        if (err != CH_OK) {
            return x509_refuse(diag, err, "extensions", "extensions.der", "RFC 5280 4.1",
                               "extension %zu is not DER", n + 1);
        }
        for (size_t i = 0; i < n; i++) {
            if (slice_eq(list[i].oid, list[n].oid)) {
                return x509_refuse(diag, CH_INVALID, "extensions", "extensions.duplicate",
                                   "RFC 5280 4.2", "an extension stands twice");
            }
        }
    }
    if (n == 0) {
        return x509_refuse(diag, CH_MALFORMED, "extensions", "extensions.empty", "RFC 5280 4.1",
                           "the list of extensions is empty");
    }
    *out = list;
    *out_n = n;
    return CH_OK;
}

enum chancery_err x509_extension_put(struct buf *b, const struct x509_extension *e)
{
    size_t mark;
    TRY(der_open(b, DER_SEQUENCE, &mark));
    TRY(der_put(b, DER_OID, e->oid));
    if (e->critical) {
        TRY(der_put_bool(b, true));
    }
    TRY(der_put(b, DER_OCTET_STRING, e->value));
    return der_close(b, mark);
}

enum chancery_err x509_ext_key_usage(unsigned bits, struct buf *out)
{
    uint8_t raw[2] = {0, 0};
    unsigned highest = 0;
    if (bits == 0 || bits > 0x1ff) {
        return CH_INVALID; /* RFC 5280 4.2.1.3: at least one of nine bits */
    }
    for (unsigned i = 0; i < 9; i++) {
        if ((bits >> i & 1) != 0) {
            raw[i / 8] = (uint8_t)(raw[i / 8] | 0x80U >> i % 8);
            highest = i;
        }
    }
    /* X.690 11.2.2: trailing zero bits of a named bit list are left out. */
    return der_put_bits(out, slice_of(raw, highest / 8 + 1), 7 - highest % 8);
}

enum chancery_err x509_ext_eku(const struct slice *oids, size_t n, struct buf *out)
{
    size_t list;
    if (n == 0) {
        return CH_INVALID;
    }
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < n; i++) {
        TRY(der_put(out, DER_OID, oids[i]));
    }
    return der_close(out, list);
}

static enum chancery_err put_cps(const char *uri, struct buf *out)
{
    static const uint8_t id_qt_cps[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x02, 0x01};
    size_t qualifiers, info;
    TRY(der_open(out, DER_SEQUENCE, &qualifiers));
    TRY(der_open(out, DER_SEQUENCE, &info));
    TRY(der_put(out, DER_OID, slice_of(id_qt_cps, sizeof id_qt_cps)));
    TRY(der_put(out, DER_IA5, slice_str(uri)));
    TRY(der_close(out, info));
    return der_close(out, qualifiers);
}

enum chancery_err x509_ext_policies(const struct x509_policy *policies, size_t n, struct buf *out)
{
    size_t list, item;
    if (n == 0) {
        return CH_INVALID;
    }
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < n; i++) {
        TRY(der_open(out, DER_SEQUENCE, &item));
        TRY(der_put(out, DER_OID, policies[i].oid));
        if (policies[i].cps != NULL) {
            TRY(put_cps(policies[i].cps, out));
        }
        TRY(der_close(out, item));
    }
    return der_close(out, list);
}

enum chancery_err x509_ext_features(const uint16_t *features, size_t n, struct buf *out)
{
    size_t list;
    if (n == 0) {
        return CH_INVALID;
    }
    TRY(der_open(out, DER_SEQUENCE, &list));
    for (size_t i = 0; i < n; i++) {
        TRY(der_put_uint(out, features[i]));
    }
    return der_close(out, list);
}

/* GeneralSubtrees, minimum 0 (the default, so left out) and no maximum. */
static enum chancery_err put_subtrees(uint8_t tag, const struct x509_subtree *s, size_t n,
                                      struct buf *out)
{
    size_t list, item, name;
    if (n == 0) {
        return CH_OK;
    }
    TRY(der_open(out, DER_CONTEXT_CONS(tag), &list));
    for (size_t i = 0; i < n; i++) {
        TRY(der_open(out, DER_SEQUENCE, &item));
        if (s[i].type == X509_SUBTREE_DIRECTORY) {
            TRY(der_open(out, DER_CONTEXT_CONS(s[i].type), &name));
            TRY(buf_add(out, s[i].value));
            TRY(der_close(out, name));
        } else {
            TRY(der_put(out, (uint8_t)DER_CONTEXT(s[i].type), s[i].value));
        }
        TRY(der_close(out, item));
    }
    return der_close(out, list);
}

enum chancery_err x509_ext_constraints(const struct x509_subtree *permitted, size_t n_permitted,
                                       const struct x509_subtree *excluded, size_t n_excluded,
                                       struct buf *out)
{
    size_t mark;
    if (n_permitted == 0 && n_excluded == 0) {
        return CH_INVALID; /* RFC 5280 4.2.1.10: never an empty sequence */
    }
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(put_subtrees(0, permitted, n_permitted, out));
    TRY(put_subtrees(1, excluded, n_excluded, out));
    return der_close(out, mark);
}

enum chancery_err x509_ext_basic(bool ca, int path_len, struct buf *out)
{
    size_t mark;
    if (!ca && path_len >= 0) {
        return CH_INVALID; /* RFC 5280 4.2.1.9 */
    }
    TRY(der_open(out, DER_SEQUENCE, &mark));
    if (ca) {
        TRY(der_put_bool(out, true));
        if (path_len >= 0) {
            TRY(der_put_uint(out, (uint64_t)path_len));
        }
    }
    return der_close(out, mark);
}

void x509_ski(struct slice spki, uint8_t out[20])
{
    struct der_reader r = der_reader_of(spki), in;
    struct der_value alg;
    struct slice bits = {NULL, 0};
    unsigned unused;
    /* The caller's SPKI was read before; should it not be one, the hash of nothing identifies
     * nothing. */
    if (der_enter(&r, DER_SEQUENCE, &in) != CH_OK || der_next(&in, &alg) != CH_OK ||
        der_read_bits(&in, &bits, &unused) != CH_OK) {
        bits = slice_of(NULL, 0);
    }
    uint8_t digest[32];
    crypto_sha256(bits, digest);
    memcpy(out, digest, 20);
}

enum chancery_err x509_ext_ski(struct slice spki, struct buf *out)
{
    uint8_t id[20];
    x509_ski(spki, id);
    return der_put(out, DER_OCTET_STRING, slice_of(id, sizeof id));
}

enum chancery_err x509_ext_aki(struct slice issuer_ski, struct buf *out)
{
    size_t mark;
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(der_put(out, DER_CONTEXT(0), issuer_ski));
    return der_close(out, mark);
}

enum chancery_err x509_ext_cdp(const char *url, struct buf *out)
{
    size_t list, point, name, full;
    TRY(der_open(out, DER_SEQUENCE, &list));
    TRY(der_open(out, DER_SEQUENCE, &point));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &name));
    TRY(der_open(out, DER_CONTEXT_CONS(0), &full));
    TRY(der_put(out, DER_CONTEXT(6), slice_str(url)));
    TRY(der_close(out, full));
    TRY(der_close(out, name));
    TRY(der_close(out, point));
    return der_close(out, list);
}

static enum chancery_err put_access(uint8_t method, const char *url, struct buf *out)
{
    /* id-ad 1.3.6.1.5.5.7.48: 1 ocsp, 2 caIssuers (RFC 5280 4.2.2.1). */
    const uint8_t oid[] = {0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x30, method};
    size_t mark;
    TRY(der_open(out, DER_SEQUENCE, &mark));
    TRY(der_put(out, DER_OID, slice_of(oid, sizeof oid)));
    TRY(der_put(out, DER_CONTEXT(6), slice_str(url)));
    return der_close(out, mark);
}

enum chancery_err x509_ext_aia(const char *ocsp_url, const char *ca_url, struct buf *out)
{
    size_t mark;
    if (ocsp_url == NULL && ca_url == NULL) {
        return CH_INVALID;
    }
    TRY(der_open(out, DER_SEQUENCE, &mark));
    if (ocsp_url != NULL) {
        TRY(put_access(1, ocsp_url, out));
    }
    if (ca_url != NULL) {
        TRY(put_access(2, ca_url, out));
    }
    return der_close(out, mark);
}
