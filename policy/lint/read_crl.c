/* Reads a TBSCertList, or a CertificateList, for the lints (RFC 5280 5.1). */
#include <stddef.h>

#include "policy/lint/crl.h"

/* The one element of `tag` that `value` is. */
static bool only(struct slice value, uint8_t tag, struct slice *content)
{
    struct policy_walk w = policy_walk_of(value);
    return policy_walk_take(&w, tag, content, NULL) && policy_walk_done(&w) && content->len > 0;
}

/* ---- extensions of the CRL ---- */

static bool read_point(struct policy_walk *in, struct policy_lint_crl *c)
{
    struct policy_walk name, full;
    struct slice s;
    uint8_t tag;
    c->idp_point = true;
    if (!policy_walk_into(in, 0xa0, &name)) {
        return false;
    }
    if (policy_walk_tag(&name) == 0xa1) {
        return policy_walk_take(&name, 0xa1, &s, NULL) && policy_walk_done(&name);
    }
    if (!policy_walk_into(&name, 0xa0, &full) || !policy_walk_done(&name)) {
        return false;
    }
    while (!policy_walk_done(&full)) {
        if (!policy_lint_any(&full, &tag, &s, NULL)) {
            return false;
        }
        c->idp_no_http = c->idp_no_http || tag != 0x86 || !policy_lint_http(s);
    }
    return true;
}

static bool read_flag(struct policy_walk *in, uint8_t tag, bool *out, struct policy_lint_crl *c)
{
    bool odd = false;
    if (policy_walk_tag(in) != tag) {
        return true;
    }
    bool ok = policy_lint_boolean(in, tag, out, &odd);
    c->idp_default = c->idp_default || odd || !*out;
    return ok;
}

static bool read_idp(struct slice value, struct policy_lint_crl *c)
{
    struct policy_walk outer = policy_walk_of(value), in;
    struct slice s;
    if (!policy_walk_into(&outer, 0x30, &in) || !policy_walk_done(&outer)) {
        return false;
    }
    c->idp_empty = policy_walk_done(&in);
    if (policy_walk_tag(&in) == 0xa0 && !read_point(&in, c)) {
        return false;
    }
    if (!read_flag(&in, 0x81, &c->idp_user, c) || !read_flag(&in, 0x82, &c->idp_ca, c)) {
        return false;
    }
    c->idp_reasons = policy_walk_take(&in, 0x83, &s, NULL);
    return read_flag(&in, 0x84, &c->idp_indirect, c) &&
           read_flag(&in, 0x85, &c->idp_attribute, c) && policy_walk_done(&in);
}

static void read_values(struct policy_lint_crl *c)
{
    const struct policy_lint_extensions *l = &c->extensions;
    c->aki_ext = policy_lint_extension_of(l, POLICY_OID_EXT_AKI);
    c->number_ext = policy_lint_extension_of(l, POLICY_OID_EXT_CRL_NUMBER);
    c->delta_ext = policy_lint_extension_of(l, POLICY_OID_EXT_DELTA);
    c->idp_ext = policy_lint_extension_of(l, POLICY_OID_EXT_IDP);
    c->freshest_ext = policy_lint_extension_of(l, POLICY_OID_EXT_FRESHEST);
    if (c->aki_ext != NULL && !policy_lint_read_aki(c->aki_ext->value, &c->aki)) {
        c->bad |= POLICY_LINT_CRL_BAD_AKI;
    }
    if (c->number_ext != NULL && !only(c->number_ext->value, 0x02, &c->number)) {
        c->bad |= POLICY_LINT_CRL_BAD_NUMBER;
    }
    if (c->delta_ext != NULL && !only(c->delta_ext->value, 0x02, &c->base)) {
        c->bad |= POLICY_LINT_CRL_BAD_DELTA;
    }
    if (c->idp_ext != NULL && !read_idp(c->idp_ext->value, c)) {
        c->bad |= POLICY_LINT_CRL_BAD_IDP;
    }
}

/* ---- TBSCertList ---- */

static const char *read_tbs(struct policy_walk *w, struct policy_lint_crl *c)
{
    struct policy_walk in;
    if (policy_walk_tag(w) == 0x02) {
        c->has_version = true;
        if (!policy_walk_take(w, 0x02, &c->version, NULL)) {
            return "tbs.version";
        }
    }
    if (!policy_lint_read_algorithm(w, &c->algorithm)) {
        return "tbs.signature";
    }
    if (!policy_lint_read_dn(w, &c->issuer)) {
        return "tbs.issuer";
    }
    if (!policy_lint_read_time(w, &c->this_update)) {
        return "tbs.thisUpdate";
    }
    if (policy_walk_tag(w) == 0x17 || policy_walk_tag(w) == 0x18) {
        c->has_next = true;
        if (!policy_lint_read_time(w, &c->next_update)) {
            return "tbs.nextUpdate";
        }
    }
    if (policy_walk_tag(w) == 0x30) {
        c->has_list = true;
        if (!policy_walk_take(w, 0x30, &c->entries, NULL)) {
            return "tbs.revokedCertificates";
        }
    }
    if (policy_walk_tag(w) == 0xa0 &&
        (!policy_walk_into(w, 0xa0, &in) || !policy_lint_read_extensions(&in, &c->extensions) ||
         !policy_walk_done(&in))) {
        return "tbs.crlExtensions";
    }
    return policy_walk_done(w) ? NULL : "tbs";
}

static const char *read_whole(struct policy_walk *w, struct policy_lint_crl *c)
{
    struct policy_walk tbs;
    struct slice bits;
    c->whole = true;
    if (!policy_walk_into(w, 0x30, &tbs)) {
        return "tbs";
    }
    const char *wrong = read_tbs(&tbs, c);
    if (wrong != NULL) {
        return wrong;
    }
    if (!policy_lint_read_algorithm(w, &c->outer)) {
        return "signatureAlgorithm";
    }
    if (!policy_walk_take(w, 0x03, &bits, NULL) || !policy_walk_done(w)) {
        return "signatureValue";
    }
    c->signature_octets = bits.len > 1 && bits.ptr[0] == 0;
    return NULL;
}

/* A TBSCertList begins with INTEGER 1 or, in version 1, with an AlgorithmIdentifier, whose first
 * element is an OID; a CertificateList begins with a TBSCertList, which never begins with one. */
static bool is_whole(struct policy_walk w)
{
    struct policy_walk first;
    return policy_walk_tag(&w) == 0x30 && policy_walk_into(&w, 0x30, &first) &&
           policy_walk_tag(&first) != 0x06;
}

void policy_lint_crl_read(struct slice der, struct policy_lint_crl *out)
{
    struct policy_walk outer = policy_walk_of(der), w;
    memset(out, 0, offsetof(struct policy_lint_crl, issuer));
    out->issuer.n = out->extensions.n = 0;
    out->extensions.present = out->extensions.empty = out->extensions.repeated = false;
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        out->wrong = "tbs";
        return;
    }
    out->wrong = is_whole(w) ? read_whole(&w, out) : read_tbs(&w, out);
    read_values(out);
}

/* ---- entries ---- */

static void read_entry_values(struct policy_lint_entry *e)
{
    const struct policy_lint_extensions *l = &e->extensions;
    e->reason_ext = policy_lint_extension_of(l, POLICY_OID_EXT_REASON);
    e->invalidity_ext = policy_lint_extension_of(l, POLICY_OID_EXT_INVALIDITY);
    e->issuer_ext = policy_lint_extension_of(l, POLICY_OID_EXT_CERT_ISSUER);
    e->bad_reason = e->reason_ext != NULL && !only(e->reason_ext->value, 0x0a, &e->reason);
    if (e->invalidity_ext != NULL) {
        struct policy_walk w = policy_walk_of(e->invalidity_ext->value);
        e->bad_invalidity = !policy_lint_read_time(&w, &e->invalidity) || !policy_walk_done(&w);
    }
}

bool policy_lint_entry_next(struct policy_walk *w, struct policy_lint_entry *out)
{
    struct policy_walk in;
    out->previous = out->serial;
    memset(&out->date, 0,
           offsetof(struct policy_lint_entry, extensions) -
               offsetof(struct policy_lint_entry, date));
    out->extensions.n = 0;
    out->extensions.present = out->extensions.empty = out->extensions.repeated = false;
    if (policy_walk_done(w)) {
        return false;
    }
    bool ok = policy_walk_into(w, 0x30, &in) && policy_walk_take(&in, 0x02, &out->serial, NULL) &&
              out->serial.len > 0 && policy_lint_read_time(&in, &out->date);
    if (ok && !policy_walk_done(&in)) {
        ok = policy_lint_read_extensions(&in, &out->extensions) && policy_walk_done(&in);
    }
    if (!ok) {
        out->wrong = "tbs.revokedCertificates";
        return false;
    }
    if (out->extensions.n > 0) {
        read_entry_values(out);
    }
    return true;
}
