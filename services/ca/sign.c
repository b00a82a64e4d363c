/* Step 6: the signer. Afterwards an open item has a signature; any other is void, and its
 * reservation is handed over: as unsigned when the signer says that no INTENT exists, else as
 * possibly signed. */
#include "issue.h"

#include "chancery/signer/v1/signer.pb-c.h"
#include "log/log.h"

#define SIGN_MS 30000

typedef Chancery__Signer__V1__SignBatchRequest sign_request;
typedef Chancery__Signer__V1__SignBatchResponse sign_response;

static ProtobufCBinaryData borrow(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static enum chancery_err fill_request(struct ca_batch *b, struct ca_item **items, size_t n,
                                      sign_request *m)
{
    Chancery__Signer__V1__SignItem *rows = arena_alloc(b->arena, n * sizeof *rows);
    m->items = arena_alloc(b->arena, n * sizeof *m->items);
    m->permit_items = arena_alloc(b->arena, b->n_permit_items * sizeof *m->permit_items);
    if (rows == NULL || m->items == NULL || m->permit_items == NULL) {
        return CH_NOMEM;
    }
    m->permit = borrow(b->permit_bytes);
    m->permit_signature = borrow(b->permit_signature);
    for (size_t k = 0; k < b->n_permit_items; k++) {
        m->permit_items[k] = borrow(b->permit_items[k]);
    }
    m->n_permit_items = b->n_permit_items;
    for (size_t k = 0; k < n; k++) {
        chancery__signer__v1__sign_item__init(&rows[k]);
        rows[k].permit_index = items[k]->permit_index;
        rows[k].tbs = borrow(items[k]->built.tbs);
        m->items[k] = &rows[k];
    }
    m->n_items = n;
    return CH_OK;
}

static void take_result(struct ca_batch *b, struct ca_item *i,
                        const Chancery__Signer__V1__SignResult *r)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = rpc_error_read(r->error, &diag);
    if (err == CH_OK && r->signature.len == 0) {
        err = diag_set(&diag, CH_INTERNAL, "signature", "signer.answer",
                       "the signer returned no signature");
    }
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "ca.not_signed", err, &diag);
        ca_item_hand_over(b, i, r->intent_logged ? CA_VOIDED : CA_UNSIGNED, err, &diag);
        return;
    }
    i->signature = rpc_slice(r->signature);
    i->intent_index = r->intent_index;
    i->result_index = r->result_index;
}

/* The call failed as a whole. Never reached, or the signer itself declined: nothing was intended.
 * Else unknown. */
static enum chancery_err call_failed(struct ca_batch *b, struct ca_item **items, size_t n,
                                     enum chancery_err err, struct diag *diag)
{
    bool declined = err == CH_UNAVAILABLE || err == CH_BUSY;
    log_diag(LOG_LEVEL_WARN, "ca.signer_failed", err, diag);
    for (size_t k = 0; k < n; k++) {
        ca_item_hand_over(b, items[k], declined ? CA_UNSIGNED : CA_VOIDED, err, diag);
    }
    return declined ? err : CH_OK;
}

enum chancery_err ca_batch_sign(struct ca_batch *b, struct diag *diag)
{
    struct ca_item *items[PERMIT_BATCH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].outcome == CA_OPEN) {
            items[n++] = &b->items[i];
        }
    }
    sign_request m = CHANCERY__SIGNER__V1__SIGN_BATCH_REQUEST__INIT;
    ProtobufCMessage *out = NULL;
    unsigned wait = ca_batch_wait(b, SIGN_MS);
    enum chancery_err err = wait > 0 ? fill_request(b, items, n, &m) : CH_DEADLINE;
    if (err != CH_OK) {
        (void)diag_set(diag, CH_UNAVAILABLE, "ca", "ca.sign", "the signer was not called: %s",
                       err_name(err));
        return call_failed(b, items, n, CH_UNAVAILABLE, diag);
    }
    err = rpc_call_unary(b->ca->signer, &chancery__signer__v1__signer_service__descriptor,
                         "SignBatch", &m.base, wait, b->arena, &out, diag);
    const sign_response *r = (const sign_response *)out;
    if (err == CH_OK && r->n_items != n) {
        err = diag_set(diag, CH_INTERNAL, "items", "signer.answer",
                       "the signer answered %zu items for %zu", r->n_items, n);
    }
    if (err != CH_OK) {
        return call_failed(b, items, n, err, diag);
    }
    for (size_t k = 0; k < n; k++) {
        take_result(b, items[k], r->items[k]);
    }
    return CH_OK;
}
