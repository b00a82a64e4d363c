/* Revoke: the owner of a certificate, or a configured revoker, through revocation. */
#include "registration.h"

#include "chancery/revocation/v1/revocation.pb-c.h"

#define REVOKE_MS 10000

static enum chancery_err reason_from_name(const char *name, Chancery__Revocation__V1__Reason *out,
                                          struct diag *diag)
{
    static const struct {
        const char *name;
        Chancery__Revocation__V1__Reason reason;
    } names[] = {
        {"", CHANCERY__REVOCATION__V1__REASON__REASON_UNSPECIFIED},
        {"unspecified", CHANCERY__REVOCATION__V1__REASON__REASON_UNSPECIFIED},
        {"keyCompromise", CHANCERY__REVOCATION__V1__REASON__REASON_KEY_COMPROMISE},
        {"cACompromise", CHANCERY__REVOCATION__V1__REASON__REASON_CA_COMPROMISE},
        {"affiliationChanged", CHANCERY__REVOCATION__V1__REASON__REASON_AFFILIATION_CHANGED},
        {"superseded", CHANCERY__REVOCATION__V1__REASON__REASON_SUPERSEDED},
        {"cessationOfOperation", CHANCERY__REVOCATION__V1__REASON__REASON_CESSATION_OF_OPERATION},
        {"privilegeWithdrawn", CHANCERY__REVOCATION__V1__REASON__REASON_PRIVILEGE_WITHDRAWN},
    };
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(names[i].name, name) == 0) {
            *out = names[i].reason;
            return CH_OK;
        }
    }
    (void)diag_set(
        diag, CH_INVALID, "reason", "revocation.reason",
        "use keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation, "
        "privilegeWithdrawn or unspecified; certificateHold does not exist here");
    return diag_ref(diag, CH_INVALID, "RFC 5280 5.3.1");
}

/* Whose certificate is it? Fills the issuer id when the caller left it out. */
static enum chancery_err find_owned(struct registration *r, struct rpc_call *call,
                                    const Chancery__Registration__V1__RevokeRequest *req,
                                    const Chancery__Common__V1__Certificate **out)
{
    Chancery__Ca__V1__FindCertificatesRequest ask =
        CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    ask.issuer_id = req->issuer_id;
    ask.serial = req->serial;
    ask.page_size = 2;
    ProtobufCMessage *reply = NULL;
    TRY(registration_peer_err(rpc_call_unary(r->ca, &chancery__ca__v1__ca_service__descriptor,
                                             "FindCertificates", &ask.base, REVOKE_MS,
                                             rpc_arena(call), &reply, rpc_diag(call))));
    const Chancery__Ca__V1__FindCertificatesResponse *found =
        (const Chancery__Ca__V1__FindCertificatesResponse *)reply;
    if (found->n_certificates != 1) {
        return diag_set(rpc_diag(call), found->n_certificates == 0 ? CH_NOT_FOUND : CH_INVALID,
                        "serial", "certificate.unknown",
                        found->n_certificates == 0
                            ? "no certificate with this serial"
                            : "several issuers used this serial; name the issuer");
    }
    *out = found->certificates[0];
    return CH_OK;
}

static enum chancery_err check_allowed(struct registration *r, struct rpc_call *call,
                                       const Chancery__Common__V1__Certificate *c)
{
    const char *caller = rpc_caller(call);
    if (strcmp(c->requester, caller) == 0 || registration_may_revoke_all(r, caller)) {
        return CH_OK;
    }
    struct diag *diag = rpc_diag(call);
    (void)diag_set(diag, CH_DENIED, "serial", "revocation.owner",
                   "only the requester of a certificate or a configured revoker may revoke it");
    struct registration_refusal refusal = {
        caller, c->profile, c->request_id.len == 16 ? c->request_id.data : NULL, CH_DENIED, diag};
    struct diag log_diag_ = {.text = ""};
    if (registration_audit_refusals(r, &refusal, 1, &log_diag_) != CH_OK) {
        *diag = log_diag_;
        return CH_UNAVAILABLE;
    }
    return CH_DENIED;
}

enum chancery_err registration_rpc_revoke(struct rpc_call *call, const ProtobufCMessage *in,
                                          ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const Chancery__Registration__V1__RevokeRequest *req =
        (const Chancery__Registration__V1__RevokeRequest *)in;
    Chancery__Registration__V1__RevokeResponse *answer =
        (Chancery__Registration__V1__RevokeResponse *)out;
    if (req->serial.len == 0 || req->serial.len > 20) {
        return diag_set(rpc_diag(call), CH_INVALID, "serial", "request.serial",
                        "a serial has 1 to 20 octets");
    }
    Chancery__Revocation__V1__RevokeItem item = CHANCERY__REVOCATION__V1__REVOKE_ITEM__INIT;
    TRY(reason_from_name(req->reason, &item.reason, rpc_diag(call)));
    const Chancery__Common__V1__Certificate *certificate = NULL;
    TRY(find_owned(r, call, req, &certificate));
    TRY(check_allowed(r, call, certificate));
    Chancery__Revocation__V1__RevokeRequest ask = CHANCERY__REVOCATION__V1__REVOKE_REQUEST__INIT;
    Chancery__Revocation__V1__RevokeItem *items[] = {&item};
    item.issuer_id = certificate->issuer_id;
    item.serial = certificate->serial;
    ask.items = items;
    ask.n_items = 1;
    ask.actor = (char *)(uintptr_t)rpc_caller(call);
    ProtobufCMessage *reply = NULL;
    TRY(registration_peer_err(
        rpc_call_unary(r->revocation, &chancery__revocation__v1__revocation_service__descriptor,
                       "Revoke", &ask.base, REVOKE_MS, rpc_arena(call), &reply, rpc_diag(call))));
    const Chancery__Revocation__V1__RevokeResponse *m =
        (const Chancery__Revocation__V1__RevokeResponse *)reply;
    if (m->n_items != 1) {
        return CH_INTERNAL;
    }
    TRY(registration_peer_err(rpc_error_read(m->items[0]->error, rpc_diag(call))));
    answer->revoked_at_s = m->items[0]->revoked_at_s;
    answer->already_revoked = m->items[0]->already_revoked;
    answer->log_index = m->items[0]->log_index;
    return CH_OK;
}
