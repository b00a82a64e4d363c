/* Approve: takes an officer's signed approval of a pending request.
 *
 * It is stored, and the judge will verify it with the keys of the policy bundle. Here only what can
 * be seen without the bundle is refused at once, so that an officer learns of a slip now and not
 * when the request is asked about again. Logged before it is stored: what counts is in the log. */
#include "pending.h"

#include "approval/approval.h"
#include "crypto/alg.h"
#include "os/os.h"

#define SPKI_MAX 1024 /* an RSA-4096 key has 550 octets */

typedef Chancery__Registration__V1__ApproveRequest approve_request;

/* Refusals are logged before they are answered. */
static enum chancery_err refuse(struct registration *r, struct rpc_call *call, const char *profile,
                                const approve_request *in, enum chancery_err err)
{
    struct diag *diag = rpc_diag(call), failure = {.text = ""};
    if (err == CH_NOMEM || err == CH_UNAVAILABLE || err == CH_BUSY || err == CH_DB) {
        return registration_retry_err(err);
    }
    struct registration_refusal refusal = {rpc_caller(call), profile,
                                           in->request_id.len == 16 ? in->request_id.data : NULL,
                                           registration_answer_err(err), diag};
    if (registration_audit_refusals(r, &refusal, 1, &failure) != CH_OK) {
        *diag = failure;
        return CH_UNAVAILABLE;
    }
    return refusal.err;
}

/* Format, subject, key, signature, times: all that needs no bundle. */
static enum chancery_err check_paper(const approve_request *in, const struct registration_held *h,
                                     struct approval *out, struct diag *diag)
{
    struct crypto_public *key = NULL;
    if (in->approval == NULL || in->approver_spki.len > SPKI_MAX) {
        return diag_set(diag, CH_INVALID, "approval", "approval.format",
                        "send approval, signature and the approver's public key");
    }
    TRY(crypto_public_from_spki(rpc_slice(in->approver_spki), &key, diag));
    enum chancery_err err =
        approval_check(rpc_slice(in->approval->approval), rpc_slice(in->approval->signature), key,
                       os_now_s(), out, diag);
    crypto_public_free(key);
    TRY(err);
    if (out->purpose != APPROVAL_REQUEST || !slice_eq(slice_of(out->subject, 32), h->digest)) {
        return diag_set(diag, CH_INVALID, "approval.subject", "approval.subject",
                        "this approval is not for this request");
    }
    return CH_OK;
}

static enum chancery_err check(struct registration *r, struct rpc_call *call,
                               const approve_request *in, struct registration_held *h,
                               struct approval *a)
{
    struct diag *diag = rpc_diag(call);
    if (in->request_id.len != 16) {
        return diag_set(diag, CH_INVALID, "request_id", "request.request_id",
                        "a request id has 16 octets");
    }
    enum chancery_err err =
        registration_store_held(r, rpc_slice(in->request_id), rpc_arena(call), h, diag);
    if (err == CH_NOT_FOUND) {
        return diag_set(diag, err, "request_id", "approval.request",
                        "no such request waits for approvals");
    }
    TRY(err);
    TRY(check_paper(in, h, a, diag));
    if (strcmp(h->requester, rpc_caller(call)) == 0) {
        return diag_set(diag, CH_DENIED, "approval", "approval.self",
                        "nobody approves an own request");
    }
    if (h->state == REGISTRATION_ISSUED || h->state == REGISTRATION_REFUSED) {
        return diag_set(diag, CH_PRECONDITION, "request_id", "approval.decided",
                        "this request has its outcome already");
    }
    return CH_OK;
}

static enum chancery_err log_paper(struct registration *r, const struct rpc_call *call,
                                   const struct registration_held *h, const struct approval *a,
                                   const uint8_t sha256[32], uint64_t *out_index, struct diag *diag)
{
    char step[APPROVAL_STEP_MAX + 1];
    memcpy(step, a->step.ptr, a->step.len);
    step[a->step.len] = '\0';
    const struct daemon_field fields[] = {
        DAEMON_STR("caller", rpc_caller(call)),
        DAEMON_DIGEST("request", h->request_id),
        DAEMON_DIGEST("digest", h->digest),
        DAEMON_DIGEST("approval", slice_of(sha256, 32)),
        DAEMON_DIGEST("approver", slice_of(a->approver, sizeof a->approver)),
        DAEMON_STR("step", step),
        DAEMON_STR("profile", h->profile),
        DAEMON_NUM("expires_at", a->expires_at_s),
    };
    const char *action = a->decision == APPROVAL_APPROVE ? "approval" : "rejection";
    return daemon_audit(r->daemon, action, fields, sizeof fields / sizeof fields[0], out_index,
                        diag);
}

static enum chancery_err retry(enum chancery_err err)
{
    return err == CH_OK ? CH_OK : registration_retry_err(err);
}

/* CH_END: it is stored already. */
static enum chancery_err check_room(struct registration *r, struct rpc_call *call,
                                    struct slice request_id, const uint8_t sha256[32])
{
    bool known = false;
    int64_t all = 0, own = 0;
    TRY(registration_store_paper_known(r, request_id, sha256, rpc_caller(call), &known, &all, &own,
                                       rpc_diag(call)));
    if (known) {
        return CH_END;
    }
    if (all >= REGISTRATION_APPROVALS_MAX || own >= REGISTRATION_APPROVALS_OF_ONE) {
        return diag_set(rpc_diag(call), CH_LIMIT, "approval", "approval.count",
                        "at most %d approvals of one request, %d of them submitted by one caller",
                        REGISTRATION_APPROVALS_MAX, REGISTRATION_APPROVALS_OF_ONE);
    }
    return CH_OK;
}

enum chancery_err registration_rpc_approve(struct rpc_call *call, const ProtobufCMessage *message,
                                           ProtobufCMessage *out, void *ctx)
{
    struct registration *r = ctx;
    const approve_request *in = (const approve_request *)message;
    Chancery__Registration__V1__ApproveResponse *answer =
        (Chancery__Registration__V1__ApproveResponse *)out;
    struct registration_held h = {.profile = ""};
    struct approval a;
    uint8_t sha256[32];
    enum chancery_err err = check(r, call, in, &h, &a);
    if (err != CH_OK) {
        return refuse(r, call, h.profile, in, err);
    }
    crypto_sha256(rpc_slice(in->approval->approval), sha256);
    err = check_room(r, call, h.request_id, sha256);
    if (err == CH_END) {
        answer->already = true;
        return CH_OK;
    }
    if (err != CH_OK) {
        return refuse(r, call, h.profile, in, err);
    }
    TRY(retry(log_paper(r, call, &h, &a, sha256, &answer->log_index, rpc_diag(call))));
    const struct registration_paper p = {.approval = rpc_slice(in->approval->approval),
                                         .signature = rpc_slice(in->approval->signature),
                                         .submitter = rpc_caller(call),
                                         .submitted_at_s = os_now_s()};
    return retry(registration_store_paper_add(r, h.request_id, sha256, &p, rpc_diag(call)));
}
