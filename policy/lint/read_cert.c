/* Reads a TBSCertificate, or a Certificate, for the lints (RFC 5280 4.1). */
#include <stddef.h>

#include "policy/lint/cert.h"

/* ---- the key ---- */

static enum policy_lint_key_type key_type(struct slice oid)
{
    static const uint8_t rsa[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1};
    static const uint8_t ec[] = {0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1};
    if (oid.len == 3 && oid.ptr[0] == 0x2b && oid.ptr[1] == 0x65) {
        return oid.ptr[2] == 0x70   ? POLICY_LINT_KEY_ED25519
               : oid.ptr[2] == 0x71 ? POLICY_LINT_KEY_ED448
                                    : POLICY_LINT_KEY_OTHER;
    }
    return slice_eq(oid, slice_of(ec, sizeof ec))     ? POLICY_LINT_KEY_EC
           : slice_eq(oid, slice_of(rsa, sizeof rsa)) ? POLICY_LINT_KEY_RSA
                                                      : POLICY_LINT_KEY_OTHER;
}

static bool read_key(struct policy_walk *w, struct policy_lint_key *k)
{
    struct policy_walk in, outer, pair;
    struct slice bits;
    if (!policy_walk_into(w, 0x30, &in) || !policy_lint_read_algorithm(&in, &k->algorithm) ||
        !policy_walk_take(&in, 0x03, &bits, NULL) || bits.len < 1 || !policy_walk_done(&in)) {
        return false;
    }
    k->type = key_type(k->algorithm.oid);
    k->unused = bits.ptr[0];
    k->bits = slice_sub(bits, 1, bits.len);
    if (k->type == POLICY_LINT_KEY_RSA) {
        outer = policy_walk_of(k->bits);
        k->rsa_read = policy_walk_into(&outer, 0x30, &pair) && policy_walk_done(&outer) &&
                      policy_walk_take(&pair, 0x02, &k->n, NULL) &&
                      policy_walk_take(&pair, 0x02, &k->e, NULL) && policy_walk_done(&pair) &&
                      k->n.len > 0 && k->e.len > 0;
    }
    return true;
}

/* ---- TBSCertificate ---- */

static bool read_version(struct policy_walk *w, struct policy_lint_cert *c)
{
    struct policy_walk in;
    if (policy_walk_tag(w) != 0xa0) {
        return true; /* DEFAULT v1 */
    }
    c->has_version = true;
    return policy_walk_into(w, 0xa0, &in) && policy_walk_take(&in, 0x02, &c->version, NULL) &&
           policy_walk_done(&in);
}

static bool read_names_and_times(struct policy_walk *w, struct policy_lint_cert *c)
{
    struct policy_walk validity, before = *w;
    bool ok = policy_lint_read_dn(w, &c->issuer);
    c->issuer_der = slice_of(before.at, (size_t)(w->at - before.at));
    if (!ok) {
        c->wrong = "tbs.issuer";
        return false;
    }
    if (!policy_walk_into(w, 0x30, &validity) ||
        !policy_lint_read_time(&validity, &c->not_before) ||
        !policy_lint_read_time(&validity, &c->not_after) || !policy_walk_done(&validity)) {
        c->wrong = "tbs.validity";
        return false;
    }
    before = *w;
    ok = policy_lint_read_dn(w, &c->subject);
    c->subject_der = slice_of(before.at, (size_t)(w->at - before.at));
    c->wrong = ok ? NULL : "tbs.subject";
    return ok;
}

static const char *read_tail(struct policy_walk *w, struct policy_lint_cert *c)
{
    struct policy_walk in;
    struct slice s;
    if (!read_key(w, &c->key)) {
        return "tbs.subjectPublicKeyInfo";
    }
    while (policy_walk_tag(w) == 0x81 || policy_walk_tag(w) == 0x82) {
        c->unique_ids = true;
        if (!policy_walk_take(w, policy_walk_tag(w), &s, NULL)) {
            return "tbs.uniqueID";
        }
    }
    if (policy_walk_tag(w) == 0xa3 &&
        (!policy_walk_into(w, 0xa3, &in) || !policy_lint_read_extensions(&in, &c->extensions) ||
         !policy_walk_done(&in))) {
        return "tbs.extensions";
    }
    return policy_walk_done(w) ? NULL : "tbs";
}

static const char *read_tbs(struct policy_walk *w, struct policy_lint_cert *c)
{
    if (!read_version(w, c)) {
        return "tbs.version";
    }
    if (!policy_walk_take(w, 0x02, &c->serial, NULL) || c->serial.len == 0) {
        return "tbs.serialNumber";
    }
    if (!policy_lint_read_algorithm(w, &c->algorithm)) {
        return "tbs.signature";
    }
    return read_names_and_times(w, c) ? read_tail(w, c) : c->wrong;
}

static const char *read_whole(struct policy_walk *w, struct policy_lint_cert *c)
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

void policy_lint_cert_read(struct slice der, struct policy_lint_cert *out)
{
    struct policy_walk outer = policy_walk_of(der), w;
    memset(out, 0, offsetof(struct policy_lint_cert, issuer));
    out->issuer.n = out->subject.n = out->extensions.n = 0;
    out->extensions.present = out->extensions.empty = out->extensions.repeated = false;
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        out->wrong = "tbs";
        return;
    }
    /* A TBSCertificate begins with a version or a serial, a Certificate with a SEQUENCE. */
    out->wrong = policy_walk_tag(&w) == 0x30 ? read_whole(&w, out) : read_tbs(&w, out);
    policy_lint_cert_extensions(out);
}

bool policy_lint_subscriber(const struct policy_lint_cert *c)
{
    return c->wrong == NULL && !c->is_ca &&
           ((c->eku & POLICY_LINT_EKU_OCSP) == 0 || (c->eku & POLICY_LINT_EKU_SERVER) != 0);
}

/* ---- helpers of several lints ---- */

enum policy_outcome policy_lint_dns_mask(const struct policy_lint_cert *c, unsigned mask,
                                         struct policy_lint_seen *seen)
{
    enum policy_outcome outcome = POLICY_NA;
    for (size_t i = 0; i < c->n_names; i++) {
        if (c->names[i].type == 2) {
            if ((c->names[i].dns & mask) != 0) {
                return policy_lint_octets(seen, c->names[i].value);
            }
            outcome = POLICY_PASS;
        }
    }
    return outcome;
}

enum policy_outcome policy_lint_critical(const struct policy_lint_cert *c, enum policy_lint_ext id,
                                         bool must, struct policy_lint_seen *seen)
{
    if (c->ext[id] == NULL) {
        return POLICY_NA;
    }
    return policy_lint_if(c->ext[id]->critical == must, seen, must ? "not critical" : "critical");
}
