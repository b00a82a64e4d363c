/* GetCertificate, ListCertificates, GetIssuer: reads through ca, status from revocation. */
#include "registration.h"

#include "chancery/revocation/v1/revocation.pb-c.h"
#include "os/os.h"

#define READ_MS 8000
#define PAGE_MAX 500
#define PAGE_DEFAULT 50

static const char *reason_name(Chancery__Revocation__V1__Reason reason)
{
    switch (reason) {
    case CHANCERY__REVOCATION__V1__REASON__REASON_KEY_COMPROMISE:
        return "keyCompromise";
    case CHANCERY__REVOCATION__V1__REASON__REASON_CA_COMPROMISE:
        return "cACompromise";
    case CHANCERY__REVOCATION__V1__REASON__REASON_AFFILIATION_CHANGED:
        return "affiliationChanged";
    case CHANCERY__REVOCATION__V1__REASON__REASON_SUPERSEDED:
        return "superseded";
    case CHANCERY__REVOCATION__V1__REASON__REASON_CESSATION_OF_OPERATION:
        return "cessationOfOperation";
    case CHANCERY__REVOCATION__V1__REASON__REASON_PRIVILEGE_WITHDRAWN:
        return "privilegeWithdrawn";
    default:
        return "unspecified";
    }
}

static void set_status(Chancery__Common__V1__Certificate *c,
                       const Chancery__Revocation__V1__CertStatus *s, int64_t now_s)
{
    bool revoked = strcmp(s->status, "revoked") == 0;
    const char *status = revoked ? "revoked" : c->not_after_s < now_s ? "expired" : s->status;
    c->status = (char *)(uintptr_t)status;
    if (revoked) {
        c->revoked_at_s = s->revoked_at_s;
        c->revocation_reason = (char *)(uintptr_t)reason_name(s->reason);
    }
}

/* Fills the status of certificates that live in `arena`. */
static enum chancery_err add_status(struct registration *r, struct arena *arena,
                                    Chancery__Common__V1__Certificate **list, size_t n,
                                    struct diag *diag)
{
    if (n == 0) {
        return CH_OK;
    }
    Chancery__Revocation__V1__GetStatusRequest req =
        CHANCERY__REVOCATION__V1__GET_STATUS_REQUEST__INIT;
    Chancery__Revocation__V1__StatusKey *rows = arena_alloc(arena, n * sizeof *rows);
    req.keys = arena_alloc(arena, n * sizeof *req.keys);
    if (rows == NULL || req.keys == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__revocation__v1__status_key__init(&rows[i]);
        rows[i].issuer_id = list[i]->issuer_id;
        rows[i].serial = list[i]->serial;
        req.keys[i] = &rows[i];
    }
    req.n_keys = n;
    ProtobufCMessage *answer = NULL;
    TRY(registration_peer_err(
        rpc_call_unary(r->revocation, &chancery__revocation__v1__revocation_service__descriptor,
                       "GetStatus", &req.base, READ_MS, arena, &answer, diag)));
    const Chancery__Revocation__V1__GetStatusResponse *m =
        (const Chancery__Revocation__V1__GetStatusResponse *)answer;
    if (m->n_statuses != n) {
        return CH_INTERNAL;
    }
    int64_t now_s = os_now_s();
    for (size_t i = 0; i < n; i++) {
        set_status(list[i], m->statuses[i], now_s);
    }
    return CH_OK;
}

static enum chancery_err find(struct registration *r, struct arena *arena,
                              const Chancery__Ca__V1__FindCertificatesRequest *req,
                              Chancery__Ca__V1__FindCertificatesResponse **out, struct diag *diag)
{
    ProtobufCMessage *answer = NULL;
    TRY(registration_peer_err(rpc_call_unary(r->ca, &chancery__ca__v1__ca_service__descriptor,
                                             "FindCertificates", &req->base, READ_MS, arena,
                                             &answer, diag)));
    *out = (Chancery__Ca__V1__FindCertificatesResponse *)answer;
    return add_status(r, arena, (*out)->certificates, (*out)->n_certificates, diag);
}

/* Leaves the caller's own certificates. */
static void keep_own(Chancery__Ca__V1__FindCertificatesResponse *found, const char *caller)
{
    size_t kept = 0;
    for (size_t i = 0; i < found->n_certificates; i++) {
        if (strcmp(found->certificates[i]->requester, caller) == 0) {
            found->certificates[kept++] = found->certificates[i];
        }
    }
    found->n_certificates = kept;
}

enum chancery_err registration_rpc_get(struct rpc_call *call, const ProtobufCMessage *in,
                                       ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const Chancery__Registration__V1__GetCertificateRequest *req =
        (const Chancery__Registration__V1__GetCertificateRequest *)in;
    if ((req->serial.len == 0 && req->request_id.len == 0) || req->serial.len > 20 ||
        (req->request_id.len != 0 && req->request_id.len != 16)) {
        return diag_set(rpc_diag(call), CH_INVALID, "serial", "request.serial",
                        "name a serial (1 to 20 octets) or a request id (16 octets)");
    }
    Chancery__Ca__V1__FindCertificatesRequest ask =
        CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    ask.issuer_id = req->issuer_id;
    ask.serial = req->serial;
    ask.request_id = req->request_id;
    ask.page_size = 2;
    Chancery__Ca__V1__FindCertificatesResponse *found = NULL;
    TRY(find(r, rpc_arena(call), &ask, &found, rpc_diag(call)));
    if (!registration_may_read_all(r, rpc_caller(call))) {
        keep_own(found, rpc_caller(call)); /* somebody else's is as unknown as none */
    }
    if (found->n_certificates == 0) {
        return diag_set(rpc_diag(call), CH_NOT_FOUND, "serial", "certificate.unknown",
                        "no certificate with this serial or request id");
    }
    if (found->n_certificates > 1) {
        return diag_set(rpc_diag(call), CH_INVALID, "issuer_id", "certificate.ambiguous",
                        "several issuers used this serial; name the issuer");
    }
    ((Chancery__Registration__V1__GetCertificateResponse *)out)->certificate =
        found->certificates[0];
    return CH_OK;
}

/* Status is not ca's to know, so pages are filtered here and may be shorter than asked. */
static size_t keep_status(Chancery__Common__V1__Certificate **list, size_t n, const char *status)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (status[0] == '\0' || strcmp(list[i]->status, status) == 0) {
            list[kept++] = list[i];
        }
    }
    return kept;
}

enum chancery_err registration_rpc_list(struct rpc_call *call, const ProtobufCMessage *in,
                                        ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const Chancery__Registration__V1__ListCertificatesRequest *req =
        (const Chancery__Registration__V1__ListCertificatesRequest *)in;
    Chancery__Registration__V1__ListCertificatesResponse *answer =
        (Chancery__Registration__V1__ListCertificatesResponse *)out;
    if (req->page_size > PAGE_MAX) {
        return diag_set(rpc_diag(call), CH_INVALID, "page_size", "request.page_size",
                        "a page has at most %d certificates", PAGE_MAX);
    }
    if (req->status[0] != '\0' && strcmp(req->status, "good") != 0 &&
        strcmp(req->status, "revoked") != 0 && strcmp(req->status, "expired") != 0) {
        return diag_set(rpc_diag(call), CH_INVALID, "status", "request.status",
                        "status is good, revoked or expired");
    }
    Chancery__Ca__V1__FindCertificatesRequest ask =
        CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    ask.issuer_id = req->issuer_id;
    ask.profile = req->profile;
    ask.requester = req->requester;
    if (!registration_may_read_all(r, rpc_caller(call))) {
        if (req->requester[0] != '\0' && strcmp(req->requester, rpc_caller(call)) != 0) {
            return diag_set(rpc_diag(call), CH_DENIED, "requester", "certificate.reader",
                            "only a configured reader or revoker sees certificates of others");
        }
        ask.requester = (char *)(uintptr_t)rpc_caller(call);
    }
    ask.name = req->name;
    ask.not_after_before_s = req->not_after_before_s;
    ask.not_after_after_s = req->not_after_after_s;
    ask.spki_sha256 = req->spki_sha256;
    ask.page_size = req->page_size == 0 ? PAGE_DEFAULT : req->page_size;
    ask.cursor = req->cursor;
    Chancery__Ca__V1__FindCertificatesResponse *found = NULL;
    TRY(find(r, rpc_arena(call), &ask, &found, rpc_diag(call)));
    answer->certificates = found->certificates;
    answer->n_certificates = keep_status(found->certificates, found->n_certificates, req->status);
    answer->next_cursor = found->next_cursor;
    return CH_OK;
}

enum chancery_err registration_rpc_issuers(struct rpc_call *call, const ProtobufCMessage *in,
                                           ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const char *wanted = ((const Chancery__Registration__V1__GetIssuerRequest *)in)->issuer_id;
    Chancery__Registration__V1__GetIssuerResponse *answer =
        (Chancery__Registration__V1__GetIssuerResponse *)out;
    Chancery__Ca__V1__ListIssuersRequest ask = CHANCERY__CA__V1__LIST_ISSUERS_REQUEST__INIT;
    ProtobufCMessage *reply = NULL;
    TRY(registration_peer_err(rpc_call_unary(r->ca, &chancery__ca__v1__ca_service__descriptor,
                                             "ListIssuers", &ask.base, READ_MS, rpc_arena(call),
                                             &reply, rpc_diag(call))));
    const Chancery__Ca__V1__ListIssuersResponse *all =
        (const Chancery__Ca__V1__ListIssuersResponse *)reply;
    answer->issuers = all->issuers;
    for (size_t i = 0; i < all->n_issuers; i++) {
        if (wanted[0] == '\0' || strcmp(all->issuers[i]->issuer_id, wanted) == 0) {
            answer->issuers[answer->n_issuers++] = all->issuers[i];
        }
    }
    if (answer->n_issuers == 0 && wanted[0] != '\0') {
        return diag_set(rpc_diag(call), CH_NOT_FOUND, "issuer_id", "issuer.unknown",
                        "no issuer with this id; chancery issuer list shows them");
    }
    return CH_OK;
}
