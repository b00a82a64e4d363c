/* Step 4: policy judges the exact bytes. The permit is checked by the signer; here only that each
 * verdict is about the bytes that were sent. */
#include "issue.h"

#define PERMIT_MS 10000

typedef Chancery__Policy__V1__PermitItem permit_message;

static enum chancery_err fill_request(struct ca_batch *b, struct ca_item **asked, size_t n,
                                      Chancery__Policy__V1__PermitRequest *m)
{
    m->items = arena_alloc(b->arena, n * sizeof *m->items);
    permit_message *items = arena_alloc(b->arena, n * sizeof *items);
    Chancery__Policy__V1__CertificateItem *certificates =
        arena_alloc(b->arena, n * sizeof *certificates);
    if (m->items == NULL || items == NULL || certificates == NULL) {
        return CH_NOMEM;
    }
    m->n_items = n;
    m->bundle_sha256 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)b->bundle->sha256};
    m->statement =
        (ProtobufCBinaryData){b->statement_bytes.len, (uint8_t *)(uintptr_t)b->statement_bytes.ptr};
    m->statement_signature = (ProtobufCBinaryData){
        b->statement_signature.len, (uint8_t *)(uintptr_t)b->statement_signature.ptr};
    for (size_t k = 0; k < n; k++) {
        chancery__policy__v1__permit_item__init(&items[k]);
        chancery__policy__v1__certificate_item__init(&certificates[k]);
        certificates[k].request = asked[k]->in->request;
        certificates[k].issuer_id = (char *)(uintptr_t)asked[k]->profile->issuer->issuer_id;
        certificates[k].tbs = (ProtobufCBinaryData){asked[k]->built.tbs.len,
                                                    (uint8_t *)(uintptr_t)asked[k]->built.tbs.ptr};
        certificates[k].approvals = asked[k]->in->approvals;
        certificates[k].n_approvals = asked[k]->in->n_approvals;
        items[k].subject_case = CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CERTIFICATE;
        items[k].certificate = &certificates[k];
        m->items[k] = &items[k];
    }
    return CH_OK;
}

static enum chancery_err contradiction(struct diag *diag)
{
    return diag_set(diag, CH_INTEGRITY, "permit", "permit.answer",
                    "policy's answer is not about what was asked");
}

static void refuse(struct ca_item *i, const Chancery__Policy__V1__PermitResult *r)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = rpc_error_read(r->error, &diag);
    if (err == CH_OK) {
        err =
            diag_set(&diag, CH_REFUSED, "tbs", "policy.refused", "policy refused the certificate");
    }
    i->rules = r->rules;
    i->n_rules = r->n_rules;
    ca_item_end(i, CA_OUT_REFUSED, err, &diag);
}

static enum chancery_err take_result(struct ca_batch *b, struct ca_item *i, size_t index,
                                     const Chancery__Policy__V1__PermitResult *r, struct diag *diag)
{
    struct permit_item item;
    b->permit_items[index] = rpc_slice(r->item);
    if (r->verdict != CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS) {
        refuse(i, r);
        return CH_OK;
    }
    if (permit_item_read(rpc_slice(r->item), &item, NULL) != CH_OK ||
        item.purpose != PERMIT_CERTIFICATE || item.verdict != PERMIT_ALLOW ||
        memcmp(item.tbs_sha256, i->built.tbs_sha256, 32) != 0 ||
        memcmp(item.request_digest, i->digest, 32) != 0 ||
        memcmp(item.issuer_spki_sha256, crypto_public_spki_sha256(i->profile->issuer->key), 32) !=
            0) {
        return contradiction(diag);
    }
    i->permit_item = rpc_slice(r->item);
    i->permit_index = (uint32_t)index;
    return CH_OK;
}

enum chancery_err ca_batch_permit(struct ca_batch *b, struct diag *diag)
{
    struct ca_item *asked[PERMIT_BATCH_MAX];
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        if (b->items[i].outcome == CA_OPEN) {
            asked[n++] = &b->items[i];
        }
    }
    Chancery__Policy__V1__PermitRequest m = CHANCERY__POLICY__V1__PERMIT_REQUEST__INIT;
    ProtobufCMessage *out = NULL;
    unsigned wait = ca_batch_wait(b, PERMIT_MS);
    if (wait == 0) {
        return diag_set(diag, CH_DEADLINE, "deadline", "ca.deadline", "too little time is left");
    }
    TRY(fill_request(b, asked, n, &m));
    TRY(rpc_call_unary(b->ca->policy, &chancery__policy__v1__policy_service__descriptor, "Permit",
                       &m.base, wait, b->arena, &out, diag));
    const Chancery__Policy__V1__PermitResponse *r =
        (const Chancery__Policy__V1__PermitResponse *)out;
    b->permit_bytes = rpc_slice(r->permit);
    b->permit_signature = rpc_slice(r->permit_signature);
    if (r->n_items != n || permit_read(b->permit_bytes, &b->permit, NULL) != CH_OK ||
        b->permit.n != n || memcmp(b->permit.bundle_sha256, b->bundle->sha256, 32) != 0) {
        return contradiction(diag);
    }
    crypto_sha256(b->permit_bytes, b->permit_sha256);
    b->n_permit_items = n;
    for (size_t k = 0; k < n; k++) {
        TRY(take_result(b, asked[k], k, r->items[k], diag));
    }
    return CH_OK;
}
