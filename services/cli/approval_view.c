/* Decoding of what officers sign. */
#include "approval_view.h"

#include "approval/approval.h"
#include "der/der.h"
#include "permit/permit.h"
#include "rpc/rpc.h"
#include "text.h"
#include "x509/x509.h"

typedef Chancery__Registration__V1__PendingRequest pending_request;

#define TEXT_MAX ((size_t)1 << 20)

static const struct out_column VIEW_FIELDS[] = {
    {"Request id", "request_id", OUT_TEXT},
    {"Digest to sign", "digest", OUT_TEXT},
    {"State", "state", OUT_TEXT},
    {"Since", "since_s", OUT_TIME},
    {"Forgotten at", "expires_at_s", OUT_TIME},
    {"Judge said", "waits_for", OUT_TEXT},
    {"Steps missing", "steps", OUT_TEXT},
    {"Profile", "profile", OUT_TEXT},
    {"Tenant", "tenant", OUT_TEXT},
    {"Requester", "requester", OUT_TEXT},
    {"Subject", "subject", OUT_TEXT},
    {"Names", "names", OUT_TEXT},
    {"Public key", "spki_sha256", OUT_TEXT},
    {"Extensions", "extensions", OUT_TEXT},
    {"Life asked, s", "max_validity_s", OUT_TEXT},
    {"Protocol", "protocol", OUT_TEXT},
    {"Caller", "caller", OUT_TEXT},
    {"Caller's cert", "client_cert_sha256", OUT_TEXT},
    {"Proven by", "authentication", OUT_TEXT},
    {"Claims", "claims", OUT_TEXT},
    {"Proof", "proof", OUT_TEXT},
    {"Proof SHA-256", "proof_sha256", OUT_TEXT},
    {"Approvals", "approvals_text", OUT_TEXT},
};

enum chancery_err approval_view_digest(const pending_request *p, uint8_t out[32], struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear);
    struct permit_request r;
    uint8_t digest[PERMIT_DIGEST];
    arena_init(&arena, 0);
    TRY(permit_request_from_proto(p->request, &arena, &r, diag));
    TRY(permit_request_digest(&r, digest, diag));
    if (!slice_eq(slice_of(digest, sizeof digest), rpc_slice(p->digest))) {
        return diag_set(diag, CH_INTEGRITY, "digest", "approval.digest",
                        "registration names a digest that is not this request's; sign nothing");
    }
    memcpy(out, digest, sizeof digest);
    return CH_OK;
}

static json_t *subject_text(struct slice der)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, TEXT_MAX);
    /* What cannot be read as a name is shown as it is. */
    return x509_name_text(der, &b) == CH_OK ? out_text(buf_slice(&b)) : out_hex(der);
}

static json_t *names_list(const Chancery__Common__V1__Request *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_sans; i++) {
        struct buf b CLEANUP(buf_clear);
        buf_init(&b, TEXT_MAX);
        const struct x509_san san = {(uint8_t)r->sans[i]->type, rpc_slice(r->sans[i]->value)};
        (void)json_array_append_new(list, x509_san_text(&san, &b) == CH_OK ? out_text(buf_slice(&b))
                                                                           : out_hex(san.value));
    }
    return list;
}

static json_t *extensions_list(const Chancery__Common__V1__Request *r)
{
    json_t *list = json_array();
    for (size_t i = 0; i < r->n_extensions; i++) {
        struct buf b CLEANUP(buf_clear);
        buf_init(&b, TEXT_MAX);
        const Chancery__Common__V1__Extension *x = r->extensions[i];
        if (der_oid_text(rpc_slice(x->oid), &b) != CH_OK) {
            buf_reset(&b);
        }
        json_t *value = out_hex(rpc_slice(x->value));
        json_t *text = json_sprintf("%.*s%s %s", (int)b.len, b.len == 0 ? "" : (char *)b.ptr,
                                    x->critical ? " critical" : "", json_string_value(value));
        json_decref(value);
        (void)json_array_append_new(list, text);
    }
    return list;
}

static json_t *texts_list(char *const *texts, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        (void)json_array_append_new(list, out_text(slice_str(texts[i])));
    }
    return list;
}

static json_t *claims_list(const Chancery__Common__V1__Evidence *e)
{
    json_t *list = json_array();
    for (size_t i = 0; i < e->n_claims; i++) {
        struct buf b CLEANUP(buf_clear);
        buf_init(&b, TEXT_MAX);
        if (buf_printf(&b, "%s=%s", e->claims[i]->name, e->claims[i]->value) == CH_OK) {
            (void)json_array_append_new(list, out_text(buf_slice(&b)));
        }
    }
    return list;
}

/* Papers as they were submitted: nobody has verified them yet but for their own signature. */
static json_t *papers_list(const pending_request *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_approvals; i++) {
        const Chancery__Registration__V1__SubmittedApproval *s = p->approvals[i];
        struct approval a;
        if (s->approval == NULL ||
            approval_read(rpc_slice(s->approval->approval), &a, NULL) != CH_OK) {
            continue;
        }
        (void)json_array_append_new(
            list,
            json_pack("{s:s, s:o, s:o, s:I, s:I, s:o, s:I}", "decision",
                      a.decision == APPROVAL_APPROVE ? "approve" : "reject", "step",
                      out_text(a.step), "approver", out_hex(slice_of(a.approver, 32)),
                      "issued_at_s", (json_int_t)a.issued_at_s, "expires_at_s",
                      (json_int_t)a.expires_at_s, "submitter", out_text(slice_str(s->submitter)),
                      "submitted_at_s", (json_int_t)s->submitted_at_s));
    }
    return list;
}

static json_t *papers_text(const json_t *papers)
{
    json_t *list = json_array();
    size_t i = 0;
    json_t *p = NULL;
    json_array_foreach(papers, i, p)
    {
        const char *approver = json_string_value(json_object_get(p, "approver"));
        (void)json_array_append_new(list,
                                    json_sprintf("%s %s by key %.16s",
                                                 json_string_value(json_object_get(p, "decision")),
                                                 json_string_value(json_object_get(p, "step")),
                                                 approver == NULL ? "" : approver));
    }
    return list;
}

json_t *approval_view_json(struct cli *cli, const pending_request *p)
{
    const Chancery__Common__V1__Request *r = p->request;
    const Chancery__Common__V1__Evidence *e = r->evidence;
    json_t *papers = papers_list(p), *shown = papers_text(papers);
    json_t *v = json_pack(
        "{s:o, s:o, s:o, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o}", "request_id",
        out_hex(rpc_slice(r->request_id)), "digest", out_hex(rpc_slice(p->digest)), "state",
        out_text(slice_str(p->state)), "since_s", (json_int_t)p->since_s, "expires_at_s",
        (json_int_t)p->expires_at_s, "asked_at_s", (json_int_t)p->asked_at_s, "waits_for",
        out_text(slice_str(p->waits_for)), "steps", texts_list(p->steps, p->n_steps), "profile",
        out_text(slice_str(r->profile)), "tenant", out_text(slice_str(r->tenant)), "requester",
        out_text(slice_str(r->requester)));
    json_t *rest =
        json_pack("{s:o, s:o, s:o, s:o, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "subject",
                  subject_text(rpc_slice(r->subject_der)), "names", names_list(r), "spki_sha256",
                  out_hex(rpc_slice(r->spki_sha256)), "extensions", extensions_list(r),
                  "max_validity_s", (json_int_t)r->max_validity_s, "protocol",
                  out_text(slice_str(e->protocol)), "caller", out_text(slice_str(e->caller)),
                  "client_cert_sha256", out_hex(rpc_slice(e->client_cert_sha256)), "authentication",
                  texts_list(e->authentication, e->n_authentication), "claims", claims_list(e),
                  "proof", out_text(slice_str(e->proof)), "proof_sha256",
                  out_hex(rpc_slice(e->proof_sha256)), "approvals", papers);
    if (v == NULL || rest == NULL || json_object_update(v, rest) != 0) {
        json_decref(v);
        v = NULL;
    }
    json_decref(rest);
    if (v != NULL && !cli->out.json) {
        (void)json_object_set(v, "approvals_text", shown);
    }
    json_decref(shown);
    return v;
}

enum chancery_err approval_view_print(struct cli *cli, const pending_request *p)
{
    return out_record(&cli->out, approval_view_json(cli, p), VIEW_FIELDS,
                      sizeof VIEW_FIELDS / sizeof VIEW_FIELDS[0]);
}
