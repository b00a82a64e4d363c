/* What a ceremony signs: TBSCertificate of root, issuing CA and OCSP responder, TBSCertList of the
 * root.
 *
 * RFC 5280 4.1, 4.2, 5.1; RFC 6960 4.2.2.2.1 (id-pkix-ocsp-nocheck). */
#include "ceremony.h"
#include "os/os.h"
#include "x509/x509.h"

#define TBS_EXTENSIONS_MAX 8
#define TBS_KEY_USAGE_SIGNATURE (1u << 0)
#define TBS_KEY_USAGE_CERT_SIGN (1u << 5)
#define TBS_KEY_USAGE_CRL_SIGN (1u << 6)
#define TBS_STAMP "REHEARSAL "

/* Extensions under construction: one buffer holds all values. */
struct tbs_ext {
    struct buf values;
    struct x509_extension list[TBS_EXTENSIONS_MAX];
    size_t from[TBS_EXTENSIONS_MAX], n;
};

/* Closes the value that was just appended to ext->values. */
static enum chancery_err ext_end(struct tbs_ext *e, struct slice oid, bool critical,
                                 enum chancery_err err)
{
    TRY(err);
    if (e->n == TBS_EXTENSIONS_MAX) {
        return CH_LIMIT;
    }
    size_t from = e->n == 0 ? 0 : e->from[e->n - 1] + e->list[e->n - 1].value.len;
    e->from[e->n] = from;
    e->list[e->n].oid = oid;
    e->list[e->n].critical = critical;
    e->list[e->n].value.len = e->values.len - from;
    e->n++;
    return CH_OK;
}

/* Points the list at the values, once nothing more is added. */
static void ext_finish(struct tbs_ext *e)
{
    for (size_t i = 0; i < e->n; i++) {
        e->list[i].value.ptr = e->values.ptr + e->from[i];
    }
}

static enum chancery_err tbs_subject(const struct ceremony *c, const struct plan_subject *s,
                                     struct buf *out, struct diag *diag)
{
    char organization[256];
    struct x509_rdn rdns[4];
    size_t n = 0;
    (void)snprintf(organization, sizeof organization, "%s%s", c->plan->rehearsal ? TBS_STAMP : "",
                   s->organization);
    if (s->country != NULL) {
        rdns[n++] = (struct x509_rdn){X509_OID_C, slice_str(s->country)};
    }
    rdns[n++] = (struct x509_rdn){X509_OID_O, slice_str(organization)};
    if (s->organizational_unit != NULL) {
        rdns[n++] = (struct x509_rdn){X509_OID_OU, slice_str(s->organizational_unit)};
    }
    rdns[n++] = (struct x509_rdn){X509_OID_CN, slice_str(s->common_name)};
    return x509_name_write(rdns, n, out, diag);
}

/* Subject Name of a certificate that this ceremony signed before. */
static enum chancery_err tbs_issuer_name(struct slice cert_der, struct arena *arena,
                                         struct slice *out, struct diag *diag)
{
    struct x509_cert cert;
    TRY(x509_cert_read(cert_der, arena, &cert, diag));
    *out = cert.subject;
    return CH_OK;
}

struct tbs_what {
    const struct crypto_public *subject_key, *issuer_key;
    const struct plan_subject *subject;
    struct slice issuer_der; /* certificate of the issuer; empty: self-signed */
    int64_t now_s, validity_s;
};

static enum chancery_err tbs_finish(const struct ceremony *c, const struct tbs_what *w,
                                    struct tbs_ext *e, struct arena *arena, struct buf *name,
                                    struct buf *out, struct diag *diag)
{
    uint8_t serial[16];
    struct x509_tbs t = {.alg = crypto_alg_default(crypto_public_type(w->issuer_key))};
    os_random(serial, sizeof serial);
    /* Positive and of full length: 127 random bits at most, never a leading zero octet. */
    serial[0] = (uint8_t)((serial[0] & 0x7f) == 0 ? 1 : serial[0] & 0x7f);
    TRY(tbs_subject(c, w->subject, name, diag));
    t.serial = slice_of(serial, sizeof serial);
    t.subject = buf_slice(name);
    t.issuer = t.subject;
    if (w->issuer_der.len > 0) {
        TRY(tbs_issuer_name(w->issuer_der, arena, &t.issuer, diag));
    }
    t.not_before_s = w->now_s;
    t.not_after_s = w->now_s + w->validity_s - 1; /* both ends count: RFC 5280 4.1.2.5 */
    t.spki = crypto_public_spki(w->subject_key);
    ext_finish(e);
    t.extensions = e->list;
    t.n_extensions = e->n;
    return x509_tbs_write(&t, out);
}

static enum chancery_err tbs_write(const struct ceremony *c, const struct tbs_what *w,
                                   struct tbs_ext *e, struct buf *out, struct diag *diag)
{
    struct arena arena = {0};
    struct buf name;
    arena_init(&arena, 0);
    buf_init(&name, 4096);
    enum chancery_err err = tbs_finish(c, w, e, &arena, &name, out, diag);
    buf_clear(&name);
    arena_clear(&arena);
    return err;
}

static enum chancery_err ext_ids(struct tbs_ext *e, const struct crypto_public *subject,
                                 const struct crypto_public *issuer)
{
    uint8_t ski[20];
    TRY(ext_end(e, X509_EXT_SKI, false, x509_ext_ski(crypto_public_spki(subject), &e->values)));
    if (issuer == NULL) {
        return CH_OK;
    }
    x509_ski(crypto_public_spki(issuer), ski);
    return ext_end(e, X509_EXT_AKI, false, x509_ext_aki(slice_of(ski, sizeof ski), &e->values));
}

static enum chancery_err ext_ca(struct tbs_ext *e, int path_len)
{
    TRY(ext_end(e, X509_EXT_BASIC, true, x509_ext_basic(true, path_len, &e->values)));
    return ext_end(
        e, X509_EXT_KEY_USAGE, true,
        x509_ext_key_usage(TBS_KEY_USAGE_CERT_SIGN | TBS_KEY_USAGE_CRL_SIGN, &e->values));
}

enum chancery_err ceremony_tbs_root(struct ceremony *c, int64_t now_s, struct buf *out,
                                    struct diag *diag)
{
    const struct crypto_public *key = c->keys[c->plan->root_key];
    struct tbs_what w = {.subject_key = key,
                         .issuer_key = key,
                         .subject = &c->plan->root_subject,
                         .now_s = now_s,
                         .validity_s = c->plan->root_validity_s};
    struct tbs_ext e = {0};
    buf_init(&e.values, 4096);
    enum chancery_err err = ext_ca(&e, -1);
    err = err == CH_OK ? ext_ids(&e, key, NULL) : err;
    err = err == CH_OK ? tbs_write(c, &w, &e, out, diag) : err;
    buf_clear(&e.values);
    return err;
}

static enum chancery_err ext_issuer(const struct ceremony *c, struct tbs_ext *e,
                                    const struct tbs_what *w, int path_len)
{
    char crl[PLAN_URL_MAX + 16], ca[PLAN_URL_MAX + 16];
    (void)snprintf(crl, sizeof crl, "%s/root.crl", c->plan->crl_base);
    (void)snprintf(ca, sizeof ca, "%s/root.cer", c->plan->aia_base);
    TRY(ext_ca(e, path_len));
    TRY(ext_ids(e, w->subject_key, w->issuer_key));
    TRY(ext_end(e, X509_EXT_CDP, false, x509_ext_cdp(crl, &e->values)));
    /* No OCSP pointer: the root's key is off line, its status travels by CRL. */
    return ext_end(e, X509_EXT_AIA, false, x509_ext_aia(NULL, ca, &e->values));
}

enum chancery_err ceremony_tbs_issuer(struct ceremony *c, size_t issuer, int64_t now_s,
                                      struct buf *out, struct diag *diag)
{
    const struct plan_issuer *p = &c->plan->issuers[issuer];
    struct tbs_what w = {.subject_key = c->keys[p->key],
                         .issuer_key = c->keys[c->plan->root_key],
                         .subject = &p->subject,
                         .issuer_der = buf_slice(&c->root),
                         .now_s = now_s,
                         .validity_s = p->validity_s};
    struct tbs_ext e = {0};
    buf_init(&e.values, 4096);
    enum chancery_err err = ext_issuer(c, &e, &w, p->path_len);
    err = err == CH_OK ? tbs_write(c, &w, &e, out, diag) : err;
    buf_clear(&e.values);
    return err;
}

static enum chancery_err ext_ocsp(struct tbs_ext *e, const struct tbs_what *w)
{
    static const uint8_t null[] = {0x05, 0x00}; /* id-pkix-ocsp-nocheck ::= NULL */
    TRY(ext_end(e, X509_EXT_KEY_USAGE, true,
                x509_ext_key_usage(TBS_KEY_USAGE_SIGNATURE, &e->values)));
    TRY(ext_end(e, X509_EXT_EKU, false, x509_ext_eku(&X509_EKU_OCSP_SIGNING, 1, &e->values)));
    TRY(ext_end(e, X509_EXT_OCSP_NOCHECK, false, buf_add(&e->values, slice_of(null, sizeof null))));
    return ext_ids(e, w->subject_key, w->issuer_key);
}

enum chancery_err ceremony_tbs_ocsp(struct ceremony *c, size_t issuer, int64_t now_s,
                                    struct buf *out, struct diag *diag)
{
    const struct plan_issuer *p = &c->plan->issuers[issuer];
    struct tbs_what w = {.subject_key = c->keys[p->ocsp_key],
                         .issuer_key = c->keys[p->key],
                         .subject = &p->ocsp_subject,
                         .issuer_der = buf_slice(&c->issuers[issuer]),
                         .now_s = now_s,
                         .validity_s = p->ocsp_validity_s};
    struct tbs_ext e = {0};
    buf_init(&e.values, 4096);
    enum chancery_err err = ext_ocsp(&e, &w);
    err = err == CH_OK ? tbs_write(c, &w, &e, out, diag) : err;
    buf_clear(&e.values);
    return err;
}

enum chancery_err ceremony_tbs_crl(struct ceremony *c, int64_t now_s, struct buf *out,
                                   struct diag *diag)
{
    const struct crypto_public *key = c->keys[c->plan->root_key];
    struct arena arena = {0};
    uint8_t ski[20];
    struct x509_crl_head h = {
        .alg = crypto_alg_default(crypto_public_type(key)),
        .this_update_s = now_s,
        .next_update_s = now_s + c->plan->root_crl_validity_s,
        .number = 1,
        .idp_url = NULL, /* complete for its scope: no issuingDistributionPoint */
    };
    x509_ski(crypto_public_spki(key), ski);
    h.issuer_ski = slice_of(ski, sizeof ski);
    arena_init(&arena, 0);
    enum chancery_err err = tbs_issuer_name(buf_slice(&c->root), &arena, &h.issuer, diag);
    err = err == CH_OK ? x509_crl_head_write(&h, 0, out, NULL) : err;
    err = err == CH_OK ? x509_crl_tail_write(&h, out) : err;
    arena_clear(&arena);
    return err;
}
