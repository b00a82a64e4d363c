/* chancery/request/v1 and chancery/evidence/v1: what a request digest covers. There is no reader:
 * the digest is recomputed from the protobuf message by everyone who checks it. */
#include "chancery/common/v1/common.pb-c.h"
#include "crypto/alg.h"
#include "permit/canon.h"
#include "permit/permit.h"

/* Limits of one request; the whole is bounded by the RPC message size as well. */
#define REQUEST_MAX ((size_t)1 << 20)
#define NAME_MAX_LEN 64    /* tenant, profile, protocol, kind of proof */
#define URI_MAX_LEN 512    /* SPIFFE allows 2048; ours are far shorter */
#define SUBJECT_MAX 16384  /* a Name of 20 attributes at their upper bounds stays below */
#define SAN_VALUE_MAX 4096 /* a directoryName is the longest */
#define EXTENSION_MAX 65535
#define OID_MAX 64
#define CLAIM_MAX_LEN 512 /* a claim becomes part of a name, which is shorter */
/* Evidence at all its limits stays below. */
#define EVIDENCE_MAX ((size_t)64 << 10)

static enum chancery_err bad(struct diag *diag, enum chancery_err err, const char *field,
                             const char *rule, const char *text)
{
    return diag_set(diag, err, field, rule, "%s", text);
}

static enum chancery_err check_text(struct slice s, size_t min, size_t max, const char *field,
                                    struct diag *diag)
{
    if (s.len > max) {
        return bad(diag, CH_LIMIT, field, "request.length", "text is too long");
    }
    if (s.len < min) {
        return bad(diag, CH_INVALID, field, "request.missing", "text is empty");
    }
    if (slice_has_nul(s) || !slice_is_utf8(s)) {
        return bad(diag, CH_INVALID, field, "request.utf8", "text is not UTF-8 without NUL");
    }
    return CH_OK;
}

static enum chancery_err check_digest(struct slice s, bool may_be_empty, size_t len,
                                      const char *field, struct diag *diag)
{
    if (s.len == len || (may_be_empty && s.len == 0)) {
        return CH_OK;
    }
    return bad(diag, CH_INVALID, field, "request.digest", "wrong number of octets");
}

static bool san_type_known(uint8_t type)
{
    return type == 1 || type == 2 || type == 3 || type == 5 || type == 7 || type == 8;
}

static int san_cmp(const struct permit_san *a, const struct permit_san *b)
{
    return a->type != b->type ? (a->type < b->type ? -1 : 1) : slice_cmp(a->value, b->value);
}

static enum chancery_err check_lists(const struct permit_request *r, struct diag *diag)
{
    if (r->n_sans > PERMIT_SANS_MAX || r->n_extensions > PERMIT_EXTENSIONS_MAX) {
        return bad(diag, CH_LIMIT, "request", "request.count", "too many names or extensions");
    }
    for (size_t i = 0; i < r->n_sans; i++) {
        const struct permit_san *s = &r->sans[i];
        if (!san_type_known(s->type) || s->value.len == 0 || s->value.len > SAN_VALUE_MAX) {
            return bad(diag, CH_INVALID, "request.sans", "request.san",
                       "a name has an unknown type or a wrong length");
        }
        if (i > 0 && san_cmp(&r->sans[i - 1], s) >= 0) {
            return bad(diag, CH_INVALID, "request.sans", "request.san.order",
                       "names must be sorted by type and value, without duplicates");
        }
    }
    for (size_t i = 0; i < r->n_extensions; i++) {
        const struct permit_extension *e = &r->extensions[i];
        if (e->oid.len == 0 || e->oid.len > OID_MAX || e->value.len > EXTENSION_MAX) {
            return bad(diag, CH_INVALID, "request.extensions", "request.extension",
                       "an extension has a wrong length");
        }
    }
    return CH_OK;
}

static int claim_cmp(const struct permit_claim *a, const struct permit_claim *b)
{
    int c = slice_cmp(a->name, b->name);
    return c != 0 ? c : slice_cmp(a->value, b->value);
}

/* One evidence has one encoding: both lists ascend, so nothing stands twice. */
static enum chancery_err check_evidence_lists(const struct permit_evidence *e, struct diag *diag)
{
    if (e->n_authentication > PERMIT_METHODS_MAX || e->n_claims > PERMIT_CLAIMS_MAX) {
        return bad(diag, CH_LIMIT, "request.evidence", "request.count",
                   "too many methods of authentication or claims");
    }
    for (size_t i = 0; i < e->n_authentication; i++) {
        TRY(check_text(e->authentication[i], 1, NAME_MAX_LEN, "request.evidence.authentication",
                       diag));
        if (i > 0 && slice_cmp(e->authentication[i - 1], e->authentication[i]) >= 0) {
            return bad(diag, CH_INVALID, "request.evidence.authentication",
                       "request.evidence.order", "methods must be sorted, without duplicates");
        }
    }
    for (size_t i = 0; i < e->n_claims; i++) {
        TRY(check_text(e->claims[i].name, 1, NAME_MAX_LEN, "request.evidence.claims", diag));
        TRY(check_text(e->claims[i].value, 1, CLAIM_MAX_LEN, "request.evidence.claims", diag));
        if (i > 0 && claim_cmp(&e->claims[i - 1], &e->claims[i]) >= 0) {
            return bad(diag, CH_INVALID, "request.evidence.claims", "request.evidence.order",
                       "claims must be sorted by name and value, without duplicates");
        }
    }
    return CH_OK;
}

static enum chancery_err check_request(const struct permit_request *r, struct diag *diag)
{
    const struct permit_evidence *e = &r->evidence;
    TRY(check_digest(r->request_id, false, 16, "request.request_id", diag));
    TRY(check_text(r->tenant, 1, NAME_MAX_LEN, "request.tenant", diag));
    TRY(check_text(r->profile, 1, NAME_MAX_LEN, "request.profile", diag));
    TRY(check_text(r->requester, 1, URI_MAX_LEN, "request.requester", diag));
    TRY(check_digest(r->spki_sha256, false, 32, "request.spki_sha256", diag));
    if (r->subject_der.len > SUBJECT_MAX) {
        return bad(diag, CH_LIMIT, "request.subject_der", "request.length", "subject is too long");
    }
    TRY(check_lists(r, diag));
    TRY(check_text(e->protocol, 1, NAME_MAX_LEN, "request.evidence.protocol", diag));
    TRY(check_text(e->caller, 1, URI_MAX_LEN, "request.evidence.caller", diag));
    TRY(check_digest(e->client_cert_sha256, true, 32, "request.evidence.client_cert_sha256", diag));
    TRY(check_text(e->proof, 1, NAME_MAX_LEN, "request.evidence.proof", diag));
    TRY(check_digest(e->proof_sha256, true, 32, "request.evidence.proof_sha256", diag));
    return check_evidence_lists(e, diag);
}

enum chancery_err permit_evidence_digest(const struct permit_evidence *e,
                                         uint8_t out[PERMIT_DIGEST])
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, EVIDENCE_MAX);
    TRY(buf_add_str(&b, CANON_EVIDENCE));
    TRY(canon_put_bytes(&b, e->protocol));
    TRY(canon_put_bytes(&b, e->caller));
    TRY(canon_put_bytes(&b, e->client_cert_sha256));
    TRY(canon_put_bytes(&b, e->proof));
    TRY(canon_put_bytes(&b, e->proof_sha256));
    TRY(buf_add_u32be(&b, (uint32_t)e->n_authentication));
    for (size_t i = 0; i < e->n_authentication; i++) {
        TRY(canon_put_bytes(&b, e->authentication[i]));
    }
    TRY(buf_add_u32be(&b, (uint32_t)e->n_claims));
    for (size_t i = 0; i < e->n_claims; i++) {
        TRY(canon_put_bytes(&b, e->claims[i].name));
        TRY(canon_put_bytes(&b, e->claims[i].value));
    }
    crypto_sha256(buf_slice(&b), out);
    return CH_OK;
}

static enum chancery_err write_lists(const struct permit_request *r, struct buf *b)
{
    TRY(buf_add_u32be(b, (uint32_t)r->n_sans));
    for (size_t i = 0; i < r->n_sans; i++) {
        TRY(buf_add_u8(b, r->sans[i].type));
        TRY(canon_put_bytes(b, r->sans[i].value));
    }
    TRY(buf_add_u32be(b, (uint32_t)r->n_extensions));
    for (size_t i = 0; i < r->n_extensions; i++) {
        TRY(canon_put_bytes(b, r->extensions[i].oid));
        TRY(buf_add_u8(b, r->extensions[i].critical ? 1 : 0));
        TRY(canon_put_bytes(b, r->extensions[i].value));
    }
    return CH_OK;
}

static enum chancery_err write_request(const struct permit_request *r, struct buf *b)
{
    uint8_t evidence[PERMIT_DIGEST];
    TRY(permit_evidence_digest(&r->evidence, evidence));
    TRY(buf_add_str(b, CANON_REQUEST));
    TRY(buf_add(b, r->request_id));
    TRY(canon_put_bytes(b, r->tenant));
    TRY(canon_put_bytes(b, r->profile));
    TRY(canon_put_bytes(b, r->requester));
    TRY(buf_add(b, r->spki_sha256));
    TRY(canon_put_bytes(b, r->subject_der));
    TRY(write_lists(r, b));
    TRY(buf_add_u32be(b, r->max_validity_s));
    return canon_put_digest(b, evidence);
}

enum chancery_err permit_request_digest(const struct permit_request *r, uint8_t out[PERMIT_DIGEST],
                                        struct diag *diag)
{
    TRY(check_request(r, diag));
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, REQUEST_MAX);
    enum chancery_err err = write_request(r, &b);
    if (err == CH_LIMIT) {
        return bad(diag, CH_LIMIT, "request", "request.length", "request is larger than 1 MiB");
    }
    TRY(err);
    crypto_sha256(buf_slice(&b), out);
    return CH_OK;
}

/* ---- from protobuf ---- */

static struct slice bin(ProtobufCBinaryData b)
{
    return slice_of(b.data, b.len);
}

static enum chancery_err lists_from_proto(const struct Chancery__Common__V1__Request *m,
                                          struct arena *arena, struct permit_request *r,
                                          struct diag *diag)
{
    if (m->n_sans > PERMIT_SANS_MAX || m->n_extensions > PERMIT_EXTENSIONS_MAX) {
        return bad(diag, CH_LIMIT, "request", "request.count", "too many names or extensions");
    }
    struct permit_san *sans = arena_alloc(arena, m->n_sans * sizeof *sans);
    struct permit_extension *exts = arena_alloc(arena, m->n_extensions * sizeof *exts);
    if (sans == NULL || exts == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < m->n_sans; i++) {
        int64_t type = (int64_t)m->sans[i]->type;
        if (type < 1 || type > 9) {
            return bad(diag, CH_INVALID, "request.sans", "request.san", "unknown type of name");
        }
        sans[i] = (struct permit_san){(uint8_t)type, bin(m->sans[i]->value)};
    }
    for (size_t i = 0; i < m->n_extensions; i++) {
        const Chancery__Common__V1__Extension *e = m->extensions[i];
        exts[i] = (struct permit_extension){bin(e->oid), e->critical != 0, bin(e->value)};
    }
    r->sans = sans;
    r->n_sans = m->n_sans;
    r->extensions = exts;
    r->n_extensions = m->n_extensions;
    return CH_OK;
}

static enum chancery_err evidence_from_proto(const struct Chancery__Common__V1__Evidence *m,
                                             struct arena *arena, struct permit_evidence *e,
                                             struct diag *diag)
{
    if (m->n_authentication > PERMIT_METHODS_MAX || m->n_claims > PERMIT_CLAIMS_MAX) {
        return bad(diag, CH_LIMIT, "request.evidence", "request.count",
                   "too many methods of authentication or claims");
    }
    struct slice *methods = arena_alloc(arena, m->n_authentication * sizeof *methods);
    struct permit_claim *claims = arena_alloc(arena, m->n_claims * sizeof *claims);
    if (methods == NULL || claims == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < m->n_authentication; i++) {
        methods[i] = slice_str(m->authentication[i]);
    }
    for (size_t i = 0; i < m->n_claims; i++) {
        claims[i] =
            (struct permit_claim){slice_str(m->claims[i]->name), slice_str(m->claims[i]->value)};
    }
    *e = (struct permit_evidence){.protocol = slice_str(m->protocol),
                                  .caller = slice_str(m->caller),
                                  .client_cert_sha256 = bin(m->client_cert_sha256),
                                  .proof = slice_str(m->proof),
                                  .proof_sha256 = bin(m->proof_sha256),
                                  .authentication = methods,
                                  .n_authentication = m->n_authentication,
                                  .claims = claims,
                                  .n_claims = m->n_claims};
    return CH_OK;
}

enum chancery_err permit_request_from_proto(const struct Chancery__Common__V1__Request *m,
                                            struct arena *arena, struct permit_request *out,
                                            struct diag *diag)
{
    if (m == NULL || m->evidence == NULL) {
        return bad(diag, CH_INVALID, "request.evidence", "request.missing",
                   "request or its evidence is missing");
    }
    struct permit_request r = {
        .request_id = bin(m->request_id),
        .tenant = slice_str(m->tenant),
        .profile = slice_str(m->profile),
        .requester = slice_str(m->requester),
        .spki_sha256 = bin(m->spki_sha256),
        .subject_der = bin(m->subject_der),
        .max_validity_s = m->max_validity_s,
    };
    TRY(evidence_from_proto(m->evidence, arena, &r.evidence, diag));
    TRY(lists_from_proto(m, arena, &r, diag));
    *out = r;
    return CH_OK;
}
