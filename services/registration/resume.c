/* Requests known before: replay the outcome, or drive on what a crash or an outage left open. */
#include "registration.h"

#include "os/os.h"

#define FIND_MS 5000

enum chancery_err registration_find_issued(struct registration *r, const uint8_t request_id[16],
                                           struct arena *arena,
                                           const Chancery__Common__V1__Certificate **out,
                                           struct diag *diag)
{
    Chancery__Ca__V1__FindCertificatesRequest req = CHANCERY__CA__V1__FIND_CERTIFICATES_REQUEST__INIT;
    req.request_id = (ProtobufCBinaryData){16, (uint8_t *)(uintptr_t)request_id};
    req.page_size = 1;
    ProtobufCMessage *answer = NULL;
    TRY(rpc_call_unary(r->ca, &chancery__ca__v1__ca_service__descriptor, "FindCertificates", &req.base,
                       FIND_MS, arena, &answer, diag));
    const Chancery__Ca__V1__FindCertificatesResponse *m =
        (const Chancery__Ca__V1__FindCertificatesResponse *)answer;
    if (m->n_certificates == 0) {
        return CH_NOT_FOUND;
    }
    *out = m->certificates[0];
    return CH_OK;
}

static void finish_issued(struct registration *r, struct registration_item *item, bool record)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    arena_init(&arena, 0);
    const Chancery__Common__V1__Certificate *certificate = NULL;
    enum chancery_err err = registration_find_issued(r, item->request_id, &arena, &certificate, &diag);
    if (err == CH_NOT_FOUND) {
        err = diag_set(&diag, CH_INTEGRITY, "request_id", "registration.certificate",
                       "the request is recorded as issued, but ca has no certificate for it");
    }
    if (err == CH_OK && record) {
        struct registration_outcome outcome = {.request_id = item->request_id, .certificate = certificate};
        err = registration_store_outcomes(r, &outcome, 1, &diag);
    }
    registration_finish(r, item, err, &diag, certificate, true);
}

/* An open row that nobody drives any more: issued after all, or ours under the next attempt. */
static bool take_over(struct registration *r, struct registration_item *item,
                      const struct registration_row *row)
{
    struct arena arena CLEANUP(arena_clear);
    struct diag diag = {.text = ""};
    arena_init(&arena, 0);
    const Chancery__Common__V1__Certificate *certificate = NULL;
    enum chancery_err err = registration_find_issued(r, row->request_id, &arena, &certificate, &diag);
    if (err == CH_OK) {
        finish_issued(r, item, true);
        return false;
    }
    if (err == CH_NOT_FOUND) {
        err = registration_store_take(r, row, &diag);
    }
    if (err == CH_OK) {
        item->attempt = row->attempt + 1;
        err = registration_item_digest(item, &diag);
    }
    if (err != CH_OK) {
        registration_finish(r, item, err == CH_CONFLICT ? CH_UNAVAILABLE : err, &diag, NULL, false);
        return false;
    }
    return true;
}

void registration_resume(struct registration *r, struct registration_item *item, bool *out_drive)
{
    *out_drive = false;
    struct registration_row row;
    struct diag diag = {.text = ""};
    enum chancery_err err = registration_store_find(r, item->caller, item->key, &row, &diag);
    if (err == CH_NOT_FOUND) {
        err = diag_set(&diag, CH_UNAVAILABLE, "idempotency_key", "idempotency.expired",
                       "the earlier request was just removed; retry");
    }
    if (err == CH_OK && memcmp(row.content, item->content, 32) != 0) {
        err = diag_set(&diag, CH_EXISTS, "idempotency_key", "idempotency.content",
                       "this key was used for another request; choose a new one");
    }
    if (err != CH_OK) {
        registration_finish(r, item, err, &diag, NULL, false);
        return;
    }
    memcpy(item->request_id, row.request_id, sizeof item->request_id);
    if (row.state == REGISTRATION_ISSUED) {
        finish_issued(r, item, false);
    } else if (row.state == REGISTRATION_REFUSED) {
        registration_finish(r, item, row.err, &row.diag, NULL, true);
    } else if (row.ours || row.driven_until_s < os_now_s()) {
        *out_drive = take_over(r, item, &row);
    } else {
        (void)diag_set(&diag, CH_UNAVAILABLE, "idempotency_key", "idempotency.driven",
                       "another instance is working on this request; ask again in a moment");
        registration_finish(r, item, CH_UNAVAILABLE, &diag, NULL, false);
    }
}
