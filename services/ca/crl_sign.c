/* The second half of SignCrl. */
#include "crl_sign.h"

#include "chancery/policy/v1/policy.pb-c.h"
#include "chancery/signer/v1/signer.pb-c.h"
#include "log/log.h"
#include "os/os.h"

#define PERMIT_MS 10000
#define SIGN_MS 120000 /* a large CRL crosses a slow disk twice */
#define LOG_MS 5000
#define CHUNK ((size_t)64 << 10)

static ProtobufCBinaryData borrow(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static enum chancery_err time_for(const struct ca_crl_job *j, unsigned most, unsigned *out,
                                  struct diag *diag)
{
    int64_t left = j->deadline_mono_ms - os_mono_ms();
    if (left < 50) {
        return diag_set(diag, CH_DEADLINE, "deadline", "ca.deadline", "too little time is left");
    }
    *out = left < (int64_t)most ? (unsigned)left : most;
    return CH_OK;
}

/* ---- permit ---- */

static enum chancery_err
take_permit(struct ca_crl_job *j, const Chancery__Policy__V1__PermitResponse *r, struct diag *diag)
{
    struct permit_item item;
    if (r->n_items == 1 && r->items[0]->verdict != CHANCERY__COMMON__V1__OUTCOME__OUTCOME_PASS) {
        enum chancery_err err = rpc_error_read(r->items[0]->error, diag);
        return err != CH_OK
                   ? err
                   : diag_set(diag, CH_REFUSED, "crl", "policy.refused", "policy refused the CRL");
    }
    if (r->n_items != 1 || permit_item_read(rpc_slice(r->items[0]->item), &item, NULL) != CH_OK ||
        item.purpose != PERMIT_CRL || item.verdict != PERMIT_ALLOW ||
        memcmp(item.tbs_sha256, j->tbs_sha256, 32) != 0 || item.crl_shard != j->header.shard ||
        item.crl_number != j->header.number) {
        return diag_set(diag, CH_INTEGRITY, "permit", "permit.answer",
                        "policy's answer is not about this CRL");
    }
    j->permit_bytes = rpc_slice(r->permit);
    j->permit_signature = rpc_slice(r->permit_signature);
    j->permit_item = rpc_slice(r->items[0]->item);
    crypto_sha256(j->permit_bytes, j->permit_sha256);
    return CH_OK;
}

static enum chancery_err permit(struct ca_crl_job *j, struct diag *diag)
{
    Chancery__Policy__V1__CrlItem crl = CHANCERY__POLICY__V1__CRL_ITEM__INIT;
    Chancery__Policy__V1__PermitItem item = CHANCERY__POLICY__V1__PERMIT_ITEM__INIT,
                                     *items[] = {&item};
    Chancery__Policy__V1__PermitRequest m = CHANCERY__POLICY__V1__PERMIT_REQUEST__INIT;
    ProtobufCMessage *out = NULL;
    unsigned wait = 0;
    crl.issuer_id = (char *)(uintptr_t)j->header.issuer->issuer_id;
    crl.shard = j->header.shard;
    crl.number = j->header.number;
    crl.this_update_s = j->header.this_update_s;
    crl.next_update_s = j->header.next_update_s;
    crl.tbs_sha256 = borrow(slice_of(j->tbs_sha256, 32));
    item.subject_case = CHANCERY__POLICY__V1__PERMIT_ITEM__SUBJECT_CRL;
    item.crl = &crl;
    m.items = items;
    m.n_items = 1;
    TRY(time_for(j, PERMIT_MS, &wait, diag));
    TRY(rpc_call_unary(j->ca->policy, &chancery__policy__v1__policy_service__descriptor, "Permit",
                       &m.base, wait, j->arena, &out, diag));
    return take_permit(j, (const Chancery__Policy__V1__PermitResponse *)out, diag);
}

/* ---- signer ---- */

static enum chancery_err send_tbs(const struct ca_crl_job *j, struct rpc_stream *stream,
                                  struct buf *piece)
{
    TRY(buf_reserve(piece, CHUNK));
    for (uint64_t at = 0; at < j->spool.len; at += piece->len) {
        Chancery__Signer__V1__SignCrlRequest m = CHANCERY__SIGNER__V1__SIGN_CRL_REQUEST__INIT;
        TRY(ca_spool_read(&j->spool, at, piece->ptr, CHUNK, &piece->len));
        if (piece->len == 0) {
            return CH_IO;
        }
        m.chunk = borrow(buf_slice(piece));
        TRY(rpc_stream_send(stream, &m.base));
    }
    return CH_OK;
}

static enum chancery_err
take_signature(struct ca_crl_job *j, const Chancery__Signer__V1__SignResult *r, struct diag *diag)
{
    bool valid = false;
    if (r == NULL) {
        return diag_set(diag, CH_INTERNAL, "signature", "signer.answer",
                        "the signer answered nothing");
    }
    TRY(rpc_error_read(r->error, diag));
    j->signature = rpc_slice(r->signature);
    j->intent_index = r->intent_index;
    j->result_index = r->result_index;
    enum crypto_alg alg = j->header.issuer->alg;
    const struct slice digest = slice_of(j->digest, crypto_hash_size(crypto_alg_hash(alg)));
    TRY(crypto_verify_digest(j->header.issuer->key, alg, digest, j->signature, &valid, diag));
    return valid ? CH_OK
                 : diag_set(diag, CH_INTEGRITY, "signature", "signer.signature",
                            "the signer's signature does not verify with the issuer's key");
}

static enum chancery_err sign(struct ca_crl_job *j, struct diag *diag)
{
    Chancery__Signer__V1__SignCrlHeader header = CHANCERY__SIGNER__V1__SIGN_CRL_HEADER__INIT;
    Chancery__Signer__V1__SignCrlRequest first = CHANCERY__SIGNER__V1__SIGN_CRL_REQUEST__INIT;
    ProtobufCBinaryData item = borrow(j->permit_item);
    struct buf piece CLEANUP(buf_clear);
    struct rpc_stream *stream = NULL;
    ProtobufCMessage *out = NULL;
    unsigned wait = 0;
    buf_init(&piece, CHUNK);
    header.permit = borrow(j->permit_bytes);
    header.permit_signature = borrow(j->permit_signature);
    header.permit_items = &item;
    header.n_permit_items = 1;
    first.header = &header;
    TRY(time_for(j, SIGN_MS, &wait, diag));
    TRY(rpc_stream_open(j->ca->signer, &chancery__signer__v1__signer_service__descriptor, "SignCrl",
                        RPC_CLIENT_STREAM, &first.base, wait, &stream, diag));
    enum chancery_err err = send_tbs(j, stream, &piece);
    /* A refusal ends the stream early; the reason comes with finish. */
    enum chancery_err end = rpc_stream_finish(stream, j->arena, &out, diag);
    if (end == CH_OK && err != CH_OK) {
        end = diag_set(diag, err, "spool", "ca.spool", "the CRL could not be sent to the signer");
    }
    rpc_stream_free(stream);
    TRY(end);
    return take_signature(j, ((const Chancery__Signer__V1__SignCrlResponse *)out)->result, diag);
}

/* ---- store ---- */

static enum chancery_err read_spool(void *ctx, uint64_t at, uint8_t *out, size_t cap,
                                    size_t *out_len)
{
    return ca_spool_read(ctx, at, out, cap, out_len);
}

static void discard(const struct ca_crl_job *j)
{
    uint8_t digest[32];
    struct diag diag = {.field = ""};
    crypto_sha256(j->signature, digest);
    const struct daemon_field fields[] = {
        DAEMON_NUM("intent", j->intent_index),
        DAEMON_STR("issuer", j->header.issuer->issuer_id),
        DAEMON_STR("outcome", "discarded"),
        DAEMON_DIGEST("signature", slice_of(digest, 32)),
        DAEMON_DIGEST("tbs", slice_of(j->tbs_sha256, 32)),
    };
    const struct daemon_entry entry = {.action = "settlement", .fields = fields, .n_fields = 5};
    struct daemon_ack ack;
    enum chancery_err err = daemon_audit_append(j->ca->d, &entry, 1, LOG_MS, &ack, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_ERROR, "ca.discard_not_logged", err, &diag);
    }
}

static enum chancery_err store(struct ca_crl_job *j, struct diag *diag)
{
    struct ca_crl crl = {
        .step = {j->header.issuer->issuer_id, j->header.shard, j->header.number, j->previous_number,
                 j->header.this_update_s},
        .next_update_s = j->header.next_update_s,
        .now_s = j->now_s,
        .tbs_sha256 = slice_of(j->tbs_sha256, 32),
        .signature = j->signature,
        .tbs_length = j->spool.len,
        .entries = j->entries,
        .result_index = j->result_index,
        .permit = {slice_of(j->permit_sha256, 32), j->permit_bytes, j->permit_signature},
        .read = read_spool,
        .read_ctx = &j->spool,
    };
    enum chancery_err err = ca_store_crl(j->ca->db, &crl, diag);
    if (err == CH_UNKNOWN) {
        bool stored = false;
        struct diag again = {.field = ""};
        enum chancery_err looked = ca_store_crl_signed(j->ca->db, &crl, &stored, &again);
        err = looked != CH_OK ? CH_UNKNOWN : stored ? CH_OK : CH_UNAVAILABLE;
    }
    if (err != CH_OK && err != CH_UNKNOWN) {
        discard(j);
    }
    return err;
}

enum chancery_err ca_crl_job_sign(struct ca_crl_job *j, struct diag *diag)
{
    TRY(permit(j, diag));
    OS_FAILPOINT("ca.crl_permitted");
    TRY(sign(j, diag));
    OS_FAILPOINT("ca.crl_signed");
    TRY(store(j, diag));
    OS_FAILPOINT("ca.crl_stored");
    return CH_OK;
}
