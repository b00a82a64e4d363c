/* Reads ResponseData, BasicOCSPResponse or OCSPResponse for the lints (RFC 6960 4.2.1). */
#include <stddef.h>

#include "policy/lint/ocsp.h"

static void read_nonce(struct policy_lint_ocsp *o)
{
    o->nonce_ext = policy_lint_extension_of(&o->extensions, POLICY_OID_EXT_NONCE);
    if (o->nonce_ext != NULL) {
        struct policy_walk w = policy_walk_of(o->nonce_ext->value);
        o->nonce_wrapped = policy_walk_take(&w, 0x04, &o->nonce, NULL) && policy_walk_done(&w);
    }
}

static bool read_responder(struct policy_walk *w, struct policy_lint_ocsp *o)
{
    struct policy_walk in;
    struct policy_lint_dn name;
    o->by_key = policy_walk_tag(w) == 0xa2;
    if (!o->by_key) {
        return policy_walk_into(w, 0xa1, &in) && policy_lint_read_dn(&in, &name) &&
               policy_walk_done(&in);
    }
    return policy_walk_into(w, 0xa2, &in) && policy_walk_take(&in, 0x04, &o->key_hash, NULL) &&
           policy_walk_done(&in);
}

static const char *read_data(struct policy_walk *w, struct policy_lint_ocsp *o)
{
    struct policy_walk in;
    struct slice s;
    if (policy_walk_tag(w) == 0xa0) {
        o->has_version = true;
        if (!policy_walk_take(w, 0xa0, &s, NULL)) {
            return "tbs.version";
        }
    }
    if (!read_responder(w, o)) {
        return "tbs.responderID";
    }
    if (!policy_lint_read_time(w, &o->produced)) {
        return "tbs.producedAt";
    }
    if (!policy_walk_take(w, 0x30, &o->singles, NULL)) {
        return "tbs.responses";
    }
    if (policy_walk_tag(w) == 0xa1 &&
        (!policy_walk_into(w, 0xa1, &in) || !policy_lint_read_extensions(&in, &o->extensions) ||
         !policy_walk_done(&in))) {
        return "tbs.responseExtensions";
    }
    return policy_walk_done(w) ? NULL : "tbs";
}

static const char *read_basic(struct policy_walk *w, struct policy_lint_ocsp *o)
{
    struct policy_walk data;
    struct slice s;
    o->whole = true;
    if (!policy_walk_into(w, 0x30, &data)) {
        return "tbs";
    }
    const char *wrong = read_data(&data, o);
    if (wrong != NULL) {
        return wrong;
    }
    if (!policy_lint_read_algorithm(w, &o->outer)) {
        return "signatureAlgorithm";
    }
    if (!policy_walk_take(w, 0x03, &s, NULL)) {
        return "signature";
    }
    o->signature_octets = s.len > 1 && s.ptr[0] == 0;
    if (policy_walk_tag(w) == 0xa0 && !policy_walk_take(w, 0xa0, &s, NULL)) {
        return "certs";
    }
    return policy_walk_done(w) ? NULL : "response";
}

/* OCSPResponse: ENUMERATED successful, [0] { id-pkix-ocsp-basic, OCTET STRING }. */
static const char *read_outer(struct policy_walk *w, struct policy_lint_ocsp *o)
{
    static const uint8_t basic[] = {0x2b, 6, 1, 5, 5, 7, 0x30, 1, 1};
    struct policy_walk tagged, bytes, inner, in;
    struct slice status, oid, s;
    if (!policy_walk_take(w, 0x0a, &status, NULL) || status.len != 1 || status.ptr[0] != 0) {
        return "responseStatus";
    }
    if (!policy_walk_into(w, 0xa0, &tagged) || !policy_walk_done(w) ||
        !policy_walk_into(&tagged, 0x30, &bytes) || !policy_walk_done(&tagged) ||
        !policy_walk_oid(&bytes, &oid) || !slice_eq(oid, slice_of(basic, sizeof basic)) ||
        !policy_walk_take(&bytes, 0x04, &s, NULL) || !policy_walk_done(&bytes)) {
        return "responseBytes";
    }
    inner = policy_walk_of(s);
    if (!policy_walk_into(&inner, 0x30, &in) || !policy_walk_done(&inner)) {
        return "responseBytes";
    }
    return read_basic(&in, o);
}

void policy_lint_ocsp_read(struct slice der, struct policy_lint_ocsp *out)
{
    struct policy_walk outer = policy_walk_of(der), w;
    memset(out, 0, offsetof(struct policy_lint_ocsp, extensions));
    out->extensions.n = 0;
    out->extensions.present = out->extensions.empty = out->extensions.repeated = false;
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_done(&outer)) {
        out->wrong = "tbs";
        return;
    }
    switch (policy_walk_tag(&w)) {
    case 0x0a:
        out->wrong = read_outer(&w, out);
        break;
    case 0x30:
        out->wrong = read_basic(&w, out);
        break;
    default:
        out->wrong = read_data(&w, out);
        break;
    }
    read_nonce(out);
}

/* ---- SingleResponse ---- */

static bool read_id(struct policy_walk *w, struct policy_lint_single *s)
{
    struct policy_walk in;
    struct slice content;
    if (!policy_walk_take(w, 0x30, &content, &s->id)) {
        return false;
    }
    in = policy_walk_of(content);
    return policy_lint_read_algorithm(&in, &s->hash) &&
           policy_walk_take(&in, 0x04, &s->name_hash, NULL) &&
           policy_walk_take(&in, 0x04, &s->key_hash, NULL) &&
           policy_walk_take(&in, 0x02, &s->serial, NULL) && s->serial.len > 0 &&
           policy_walk_done(&in);
}

static bool read_status(struct policy_walk *w, struct policy_lint_single *s)
{
    struct policy_walk in, reason;
    struct slice content;
    switch (policy_walk_tag(w)) {
    case 0x80:
        s->status = POLICY_LINT_STATUS_GOOD;
        return policy_walk_take(w, 0x80, &content, NULL) && content.len == 0;
    case 0x82:
        s->status = POLICY_LINT_STATUS_UNKNOWN;
        return policy_walk_take(w, 0x82, &content, NULL) && content.len == 0;
    case 0xa1:
        break;
    default:
        return false;
    }
    s->status = POLICY_LINT_STATUS_REVOKED;
    if (!policy_walk_into(w, 0xa1, &in) || !policy_lint_read_time(&in, &s->revoked)) {
        return false;
    }
    if (policy_walk_tag(&in) == 0xa0) {
        s->has_reason = true;
        if (!policy_walk_into(&in, 0xa0, &reason) ||
            !policy_walk_take(&reason, 0x0a, &s->reason, NULL) || !policy_walk_done(&reason) ||
            s->reason.len == 0) {
            return false;
        }
    }
    return policy_walk_done(&in);
}

static bool read_times(struct policy_walk *w, struct policy_lint_single *s)
{
    struct policy_walk in;
    if (!policy_lint_read_time(w, &s->this_update)) {
        return false;
    }
    if (policy_walk_tag(w) == 0xa0) {
        s->has_next = true;
        if (!policy_walk_into(w, 0xa0, &in) || !policy_lint_read_time(&in, &s->next_update) ||
            !policy_walk_done(&in)) {
            return false;
        }
    }
    if (policy_walk_tag(w) == 0xa1 &&
        (!policy_walk_into(w, 0xa1, &in) || !policy_lint_read_extensions(&in, &s->extensions) ||
         !policy_walk_done(&in))) {
        return false;
    }
    return policy_walk_done(w);
}

bool policy_lint_single_next(struct policy_walk *w, struct policy_lint_single *out)
{
    struct policy_walk in;
    const struct policy_lint_ocsp *answer = out->answer;
    struct slice previous = out->id, hash = out->hash.oid;
    memset(out, 0, offsetof(struct policy_lint_single, extensions));
    out->answer = answer;
    out->previous_id = previous;
    out->previous_hash = hash;
    out->extensions.n = 0;
    out->extensions.present = out->extensions.empty = out->extensions.repeated = false;
    if (policy_walk_done(w)) {
        return false;
    }
    if (!policy_walk_into(w, 0x30, &in) || !read_id(&in, out) || !read_status(&in, out) ||
        !read_times(&in, out)) {
        out->wrong = "tbs.responses";
        return false;
    }
    out->archive_ext = policy_lint_extension_of(&out->extensions, POLICY_OID_EXT_ARCHIVE);
    if (out->archive_ext != NULL) {
        struct policy_walk value = policy_walk_of(out->archive_ext->value);
        out->archive_read =
            policy_lint_read_time(&value, &out->archive) && policy_walk_done(&value);
    }
    return true;
}
