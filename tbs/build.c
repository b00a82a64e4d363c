/* The TBS writer's plan: validity, subject, extensions of a certificate (policy/policy.h says the
 * shape). */
#include <stdio.h>

#include "tbs/tbs.h"

#define EXTENSIONS X509_EXTENSIONS_MAX /* 13 of our own and 16 customs */
#define RDNS 64
#define CN_MAX 64 /* RFC 5280 A.1 ub-common-name: longer DNS names do not become a CN */
#define SAN_DNS 3
#define URL_MAX 2048

static const uint8_t der_null[] = {DER_NULL, 0};
static const uint8_t der_empty_name[] = {DER_SEQUENCE, 0};

enum chancery_err tbs_crl_url(const char *base, const char *issuer_id, uint32_t shard, char *out,
                              size_t cap)
{
    int n = snprintf(out, cap, "%s/%s/%u.crl", base, issuer_id, (unsigned)shard);
    return n < 0 || (size_t)n >= cap ? CH_LIMIT : CH_OK;
}

/* ---- subject ---- */

/* The n-th value of a type in the request; false when it has fewer. */
static bool nth_value(const struct x509_rdn *rdns, size_t n_rdns, struct slice oid, size_t n,
                      struct slice *out)
{
    for (size_t i = 0; i < n_rdns; i++) {
        if (slice_eq(rdns[i].oid, oid) && n-- == 0) {
            *out = rdns[i].value;
            return true;
        }
    }
    return false;
}

static bool first_dns(const struct permit_request *r, struct slice *out)
{
    for (size_t i = 0; i < r->n_sans; i++) {
        if (r->sans[i].type == SAN_DNS && r->sans[i].value.len <= CN_MAX) {
            *out = r->sans[i].value;
            return true;
        }
    }
    return false;
}

/* The n-th value of a claim; claims are sorted by name, then value. */
static bool nth_claim(const struct permit_evidence *e, struct slice name, size_t n,
                      struct slice *out)
{
    for (size_t i = 0; i < e->n_claims; i++) {
        if (slice_eq(e->claims[i].name, name) && n-- == 0) {
            *out = e->claims[i].value;
            return true;
        }
    }
    return false;
}

/* Rows before this one that take values from where this one does: the request's of one type, or
 * one claim's. */
static size_t rows_before(const struct policy_template *t, size_t row)
{
    const struct policy_template_rdn *r = &t->subject[row];
    size_t n = 0;
    for (size_t k = 0; k < row; k++) {
        const struct policy_template_rdn *before = &t->subject[k];
        bool same = r->from == POLICY_FROM_EVIDENCE ? slice_eq(before->claim, r->claim)
                                                    : slice_eq(before->oid, r->oid);
        n += before->from == r->from && same ? 1 : 0;
    }
    return n;
}

static bool row_value(const struct tbs_input *in, size_t row, size_t nth,
                      const struct x509_rdn *asked, size_t n_asked, struct slice *out)
{
    const struct policy_template *t = in->profile->t;
    const struct policy_template_rdn *r = &t->subject[row];
    if (r->from == POLICY_FROM_BUNDLE) {
        *out = r->fixed;
        return true;
    }
    if (r->from == POLICY_FROM_EVIDENCE) {
        return nth_claim(&in->request->evidence, r->claim, nth, out);
    }
    if (nth_value(asked, n_asked, r->oid, nth, out)) {
        return true;
    }
    return t->cn_from_first_dns && nth == 0 && slice_eq(r->oid, X509_OID_CN) &&
           first_dns(in->request, out);
}

static enum chancery_err build_subject(const struct tbs_input *in, struct arena *arena,
                                       struct buf *out, struct diag *diag)
{
    const struct policy_template *t = in->profile->t;
    struct x509_rdn rdns[RDNS], *asked;
    size_t n_asked, n = 0;
    if (x509_name_read(in->request->subject_der, arena, &asked, &n_asked) != CH_OK) {
        return diag_set(diag, CH_MALFORMED, "request.subject_der", "build.subject",
                        "the subject does not parse");
    }
    for (size_t row = 0; row < t->n_subject && n < RDNS; row++) {
        struct slice value;
        if (row_value(in, row, rows_before(t, row), asked, n_asked, &value)) {
            rdns[n++] = (struct x509_rdn){t->subject[row].oid, value};
        }
    }
    return n == 0 ? buf_add(out, slice_of(der_empty_name, sizeof der_empty_name))
                  : x509_name_write(rdns, n, out, diag);
}

/* ---- extensions ---- */

struct extensions {
    struct x509_extension list[EXTENSIONS];
    size_t n;
    struct buf ski, san, cdp;
};

static void add(struct extensions *e, struct slice oid, bool critical, struct slice value)
{
    if (value.len > 0 && e->n < EXTENSIONS) {
        e->list[e->n++] = (struct x509_extension){oid, critical, value};
    }
}

static enum chancery_err write_san(const struct permit_request *r, struct arena *arena,
                                   struct buf *out)
{
    if (r->n_sans == 0) {
        return CH_OK;
    }
    struct x509_san *sans = arena_alloc(arena, r->n_sans * sizeof *sans);
    if (sans == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < r->n_sans; i++) {
        sans[i] = (struct x509_san){r->sans[i].type, r->sans[i].value};
    }
    return x509_ext_san(sans, r->n_sans, out);
}

/* The request's octets of an extension that the profile takes, or `standard`. */
static struct slice asked(const struct permit_request *r, struct slice oid, struct slice standard)
{
    for (size_t i = 0; i < r->n_extensions; i++) {
        if (slice_eq(r->extensions[i].oid, oid)) {
            return r->extensions[i].value;
        }
    }
    return standard;
}

static bool is_rsa(const struct crypto_public *key)
{
    return crypto_public_rsa_n(key).len > 0;
}

static enum chancery_err build_extensions(const struct tbs_input *in, bool empty_subject,
                                          const struct tbs_built *built, struct arena *arena,
                                          struct extensions *e)
{
    const struct tbs_profile *p = in->profile;
    char url[URL_MAX];
    TRY(x509_ext_ski(crypto_public_spki(in->key), &e->ski));
    TRY(write_san(in->request, arena, &e->san));
    /* RFC 9608 4: where nothing is to be asked, nothing says where. */
    bool none = p->t->ext.no_rev_avail_up_to_s >= built->not_after_s - built->not_before_s;
    if (p->t->cdp && !none) {
        TRY(tbs_crl_url(p->issuer->crl_url_base, p->issuer->issuer_id, built->shard, url,
                        sizeof url));
        TRY(x509_ext_cdp(url, &e->cdp));
    }
    add(e, X509_EXT_AKI, false, p->aki);
    add(e, X509_EXT_SKI, false, buf_slice(&e->ski));
    add(e, X509_EXT_KEY_USAGE, true, is_rsa(in->key) ? p->key_usage_rsa : p->key_usage);
    add(e, X509_EXT_BASIC, true, p->basic);
    add(e, X509_EXT_EKU, p->t->ext.eku_critical,
        p->t->ext.eku_from_request ? asked(in->request, X509_EXT_EKU, p->eku) : p->eku);
    add(e, X509_EXT_POLICIES, false, p->policies);
    /* RFC 5280 4.2.1.6: critical where the subject is empty. */
    add(e, X509_EXT_SAN, empty_subject, buf_slice(&e->san));
    add(e, X509_EXT_CDP, false, buf_slice(&e->cdp));
    add(e, X509_EXT_AIA, false, none ? p->aia_no_ocsp : p->aia);
    add(e, X509_EXT_CONSTRAINTS, true, p->constraints);
    add(e, X509_EXT_TLS_FEATURE, false, p->features);
    if (none) {
        add(e, X509_EXT_NO_REV_AVAIL, false, slice_of(der_null, sizeof der_null));
    }
    if (p->t->ocsp_nocheck) {
        add(e, X509_EXT_OCSP_NOCHECK, false, slice_of(der_null, sizeof der_null));
    }
    for (size_t i = 0; i < p->t->ext.n_custom; i++) {
        const struct policy_custom *c = &p->t->ext.custom[i];
        add(e, c->oid, c->critical,
            c->from_request ? asked(in->request, c->oid, slice_of(NULL, 0)) : p->custom[i]);
    }
    return CH_OK;
}

/* ---- the whole ---- */

static enum chancery_err build_validity(const struct tbs_input *in, struct tbs_built *out,
                                        struct diag *diag)
{
    const struct policy_template *t = in->profile->t;
    int64_t asked = in->request->max_validity_s;
    int64_t life = asked == 0                  ? t->validity_s
                   : asked < t->validity_max_s ? asked
                                               : t->validity_max_s;
    int64_t end = in->profile->issuer->not_after_s;
    out->not_before_s = in->now_s - t->backdate_s;
    out->not_after_s = in->now_s + life < end ? in->now_s + life : end;
    if (t->round_s > 0) {
        out->not_after_s -= out->not_after_s % t->round_s; /* times before 1970 do not occur */
    }
    if (out->not_after_s <= in->now_s) {
        return diag_set(diag, CH_INVALID, "request.max_validity_s", "build.validity",
                        "no time is left: the life asked for is below what notAfter is rounded to, "
                        "or the issuer has expired");
    }
    return CH_OK;
}

static enum chancery_err write_tbs(const struct tbs_input *in, struct slice subject,
                                   const struct extensions *e, struct buf *tbs,
                                   struct tbs_built *out, struct diag *diag)
{
    const struct x509_tbs t = {.serial = in->serial,
                               .alg = crypto_alg_default(in->profile->issuer->key_type),
                               .issuer = in->profile->issuer->subject,
                               .not_before_s = out->not_before_s,
                               .not_after_s = out->not_after_s,
                               .subject = subject,
                               .spki = crypto_public_spki(in->key),
                               .extensions = e->list,
                               .n_extensions = e->n};
    enum chancery_err err = x509_tbs_write(&t, tbs);
    return err == CH_OK
               ? err
               : diag_set(
                     diag, err, "tbs", "build.tbs",
                     "the certificate cannot be written: too large, or the issuer has expired");
}

static enum chancery_err build(const struct tbs_input *in, struct arena *arena,
                               struct extensions *e, struct buf *subject, struct buf *tbs,
                               struct tbs_built *out, struct diag *diag)
{
    TRY(build_subject(in, arena, subject, diag));
    bool empty = slice_eq(buf_slice(subject), slice_of(der_empty_name, sizeof der_empty_name));
    enum chancery_err err = build_extensions(in, empty, out, arena, e);
    if (err != CH_OK) {
        return diag_set(diag, err, "tbs", "build.extensions", "the extensions cannot be written");
    }
    TRY(write_tbs(in, buf_slice(subject), e, tbs, out, diag));
    uint8_t *tbs_copy = arena_copy(arena, buf_slice(tbs));
    uint8_t *subject_copy = arena_copy(arena, buf_slice(subject));
    if (tbs_copy == NULL || subject_copy == NULL) {
        return CH_NOMEM;
    }
    out->tbs = slice_of(tbs_copy, tbs->len);
    out->subject = slice_of(subject_copy, subject->len);
    crypto_sha256(out->tbs, out->tbs_sha256);
    return CH_OK;
}

enum chancery_err tbs_build(const struct tbs_input *in, struct arena *arena, struct tbs_built *out,
                            struct diag *diag)
{
    struct extensions e = {.n = 0};
    struct buf subject, tbs;
    struct tbs_built built = {.shard = x509_shard(in->serial, in->profile->issuer->shards)};
    buf_init(&e.ski, 64);
    buf_init(&e.san, X509_TBS_MAX);
    buf_init(&e.cdp, URL_MAX + 64);
    buf_init(&subject, X509_TBS_MAX);
    buf_init(&tbs, X509_TBS_MAX + 16);
    enum chancery_err err = build_validity(in, &built, diag);
    if (err == CH_OK) {
        err = build(in, arena, &e, &subject, &tbs, &built, diag);
    }
    if (err == CH_OK) {
        *out = built;
    }
    buf_clear(&e.ski);
    buf_clear(&e.san);
    buf_clear(&e.cdp);
    buf_clear(&subject);
    buf_clear(&tbs);
    return err;
}
