/* Requests known before: replay the outcome, or drive on what a crash or an outage left open. */
#include "pending.h"

#include "os/os.h"

#define FIND_MS 5000

/* The newest certificate that matches. */
static enum chancery_err find_one(struct registration *r,
                                  Chancery__Ca__V1__FindCertificatesRequest *req,
                                  struct arena *arena,
                                  const Chancery__Common__V1__Certificate **out, struct diag *diag)
{
    ProtobufCMessage *answer = NULL;
    req->page_size = 1;
    TRY(rpc_call_unary(r->ca, &chancery__ca__v1__ca_service__descriptor, "FindCertificates",
                       &req->base, FIND_MS, arena, &answer, diag));
    const Chancery__Ca__V1__FindCertificatesResponse *m =
        (const Chancery__Ca__V1__FindCertificatesResponse *)answer;
    if (m->n_certificates == 0) {
        return CH_NOT_FOUND;
    }
    *out = m->certificates[0];
    return CH_OK;
}

enum chancery_err registration_find_issued(struct registration *r, const uint8_t request_id[16],
                                           struct arena *arena,
                                           const Chancery__Common__V1__Certificate **out,
                                           struct diag *diag)
{
    Chancery__Ca__V1__FindCertificatesRequest req =
        CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    req.request_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)request_id};
    return find_one(r, &req, arena, out, diag);
}

/* ca did not answer: the item is finished, and no other of the batch waits for ca. */
static void finish_away(struct registration *r, struct registration_item *item,
                        const struct diag *diag, bool *ca_away)
{
    *ca_away = true;
    registration_finish(r, item, CH_UNAVAILABLE, diag, NULL, false);
}

static void finish_unasked(struct registration *r, struct registration_item *item)
{
    struct diag diag;
    enum chancery_err err =
        diag_set(&diag, CH_UNAVAILABLE, "", "registration.ca",
                 "ca does not answer, and only it knows what became of this request; retry");
    registration_finish(r, item, err, &diag, NULL, false);
}

/* The recorded certificate: the first final outcome, by serial. */
static void replay_issued(struct registration *r, struct registration_item *item,
                          const struct registration_row *row, bool *ca_away)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    arena_init(&arena, 0);
    const Chancery__Common__V1__Certificate *certificate = NULL;
    Chancery__Ca__V1__FindCertificatesRequest req =
        CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    req.issuer_id = (char *)(uintptr_t)row->issuer_id;
    req.serial = (ProtobufCBinaryData){row->serial_len, (uint8_t *)(uintptr_t)row->serial};
    enum chancery_err err = find_one(r, &req, &arena, &certificate, &diag);
    if (err == CH_NOT_FOUND) {
        err = diag_set(&diag, CH_INTEGRITY, "request_id", "registration.certificate",
                       "the request is recorded as issued, but ca has no certificate for it");
    } else if (err != CH_OK) {
        finish_away(r, item, &diag, ca_away);
        return;
    }
    registration_finish(r, item, err, &diag, certificate, true);
}

/* An open row that nobody drives any more: issued after all, or ours under the next attempt. */
static enum registration_next take_over(struct registration *r, struct registration_item *item,
                                        const struct registration_row *row, bool *ca_away)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    arena_init(&arena, 0);
    const Chancery__Common__V1__Certificate *certificate = NULL;
    enum chancery_err err =
        registration_find_issued(r, row->request_id, &arena, &certificate, &diag);
    if (err == CH_OK) {
        registration_settle_issued(r, item, certificate, true);
        return REGISTRATION_FINISHED;
    }
    if (err != CH_NOT_FOUND) {
        finish_away(r, item, &diag, ca_away);
        return REGISTRATION_FINISHED;
    }
    item->attempt = row->attempt + 1;
    err = registration_item_digest(item, &diag);
    if (err == CH_OK) {
        err = registration_store_take(r, row, item->digest, &diag);
    }
    if (err != CH_OK) {
        registration_finish(r, item, registration_retry_err(err), &diag, NULL, false);
        return REGISTRATION_FINISHED;
    }
    return REGISTRATION_DRIVE;
}

enum registration_next registration_resume(struct registration *r, struct registration_item *item,
                                           bool *ca_away)
{
    struct registration_row row;
    struct diag diag = {.text = ""};
    enum chancery_err err = registration_store_find(r, item->caller, item->key, &row, &diag);
    if (err == CH_NOT_FOUND) {
        (void)diag_set(&diag, err, "idempotency_key", "idempotency.expired",
                       "the earlier request was just removed; retry");
    }
    if (err != CH_OK) {
        registration_finish(r, item, registration_retry_err(err), &diag, NULL, false);
        return REGISTRATION_FINISHED;
    }
    if (memcmp(row.content, item->content, 32) != 0) {
        return REGISTRATION_OTHER_CONTENT;
    }
    memcpy(item->request_id, row.request_id, sizeof item->request_id);
    if (row.state == REGISTRATION_REFUSED) {
        registration_finish(r, item, row.err, &row.diag, NULL, true);
        return REGISTRATION_FINISHED;
    }
    if (row.state == REGISTRATION_OPEN && !row.ours && row.driven_until_s >= os_now_s()) {
        err = diag_set(&diag, CH_UNAVAILABLE, "idempotency_key", "idempotency.driven",
                       "another instance is working on this request; ask again in a moment");
        registration_finish(r, item, err, &diag, NULL, false);
        return REGISTRATION_FINISHED;
    }
    if (row.state != REGISTRATION_ISSUED &&
        registration_pending_restore(r, item, &row) == REGISTRATION_FINISHED) {
        return REGISTRATION_FINISHED;
    }
    if (*ca_away) {
        finish_unasked(r, item);
        return REGISTRATION_FINISHED;
    }
    if (row.state == REGISTRATION_ISSUED) {
        replay_issued(r, item, &row, ca_away);
        return REGISTRATION_FINISHED;
    }
    return take_over(r, item, &row, ca_away);
}
