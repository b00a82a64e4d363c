/* SignBatch and ListKeys: messages in, jobs through the cycle, messages out. */
#include "hsm/hsm.h"
#include "os/os.h"
#include "signer.h"

typedef Chancery__Signer__V1__SignBatchRequest sign_batch_request;
typedef Chancery__Signer__V1__SignBatchResponse sign_batch_response;
typedef Chancery__Signer__V1__SignResult sign_result;

enum chancery_err signer_open_permit(const struct signer *s, struct slice permit,
                                     struct slice signature, const struct slice *items,
                                     size_t n_items, struct signer_permit *out, struct diag *diag)
{
    const struct daemon_keys *pinned = &daemon_trust(s->daemon)->permit;
    /* A clock that stepped back would revive expired permits; a log or token known to be away would
     * only burn permit items. */
    if (!daemon_clock_ok(s->daemon) || !daemon_ready(s->daemon)) {
        return diag_set(diag, CH_UNAVAILABLE, "signer", "signer.not_ready",
                        "the clock, the log or the token is not ready; nothing was done; retry");
    }
    return signer_permit_open(permit, signature, pinned->keys, pinned->n, items, n_items,
                              os_now_s(), out, diag);
}

const struct slice *signer_items(struct arena *arena, const ProtobufCBinaryData *items, size_t n,
                                 bool copy)
{
    struct slice *out = arena_alloc(arena, (n + 1) * sizeof *out);
    for (size_t i = 0; out != NULL && i < n; i++) {
        out[i] = rpc_slice(items[i]);
        if (copy) {
            out[i].ptr = arena_copy(arena, out[i]);
            if (out[i].ptr == NULL) {
                return NULL;
            }
        }
    }
    return out;
}

struct signer_request signer_request_of(const struct rpc_call *call,
                                        const struct signer_permit *permit)
{
    return (struct signer_request){
        .caller = rpc_caller(call),
        .permit_sha256 = slice_of(permit->sha256, sizeof permit->sha256),
        .permit_expires_s = permit->permit.expires_at_s,
        .time_left_ms = rpc_time_left_ms(call),
    };
}

sign_result *signer_result_of(struct arena *arena, const struct signer_job *job)
{
    sign_result *out = arena_alloc(arena, sizeof *out);
    if (out == NULL) {
        return NULL;
    }
    chancery__signer__v1__sign_result__init(out);
    out->intent_logged = signer_job_intent_possible(job);
    out->intent_index = job->intent_index;
    out->result_index = job->result_index;
    if (job->state == SIGNER_RELEASED) {
        out->signature = rpc_bytes(arena, slice_of(job->signature, job->signature_len));
        return out->signature.data == NULL ? NULL : out;
    }
    out->error = rpc_error_detail(arena, job->err, &job->diag);
    return out->error == NULL ? NULL : out;
}

static enum chancery_err sign_limits(const sign_batch_request *in, struct diag *diag)
{
    if (in->n_items == 0 || in->n_items > PERMIT_BATCH_MAX ||
        in->n_permit_items > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_LIMIT, "items", "signer.items", "1 to %d items per call",
                        PERMIT_BATCH_MAX);
    }
    return CH_OK;
}

/* An item may be used once in a call as in the log; the log could not tell two of one Append apart
 * before one of them is durable. */
static bool sign_repeated(const sign_batch_request *in, size_t i)
{
    for (size_t k = 0; k < i; k++) {
        if (in->items[k]->permit_index == in->items[i]->permit_index) {
            return true;
        }
    }
    return false;
}

static enum chancery_err sign_check(const struct signer *s, const sign_batch_request *in,
                                    const struct slice *items, struct signer_permit *permit,
                                    struct signer_job *jobs, struct diag *out_diag)
{
    struct diag diag = {.field = ""};
    enum chancery_err err =
        signer_open_permit(s, rpc_slice(in->permit), rpc_slice(in->permit_signature), items,
                           in->n_permit_items, permit, &diag);
    if (err == CH_UNAVAILABLE) { /* our fault, no refusal */
        *out_diag = diag;
        return err;
    }
    if (err != CH_OK) {
        crypto_sha256(rpc_slice(in->permit), permit->sha256);
    }
    for (size_t i = 0; i < in->n_items; i++) {
        struct slice tbs = rpc_slice(in->items[i]->tbs);
        jobs[i].purpose = PERMIT_CERTIFICATE;
        if (err != CH_OK) {
            crypto_sha256(tbs, jobs[i].tbs_sha256);
            signer_job_refuse(&jobs[i], err, &diag);
        } else if (sign_repeated(in, i)) {
            struct diag twice;
            crypto_sha256(tbs, jobs[i].tbs_sha256);
            signer_job_refuse(&jobs[i],
                              diag_set(&twice, CH_PRECONDITION, "permit_index", "permit.repeated",
                                       "the permit item stands twice in this call"),
                              &twice);
        } else {
            signer_job_certificate(&jobs[i], permit, in->items[i]->permit_index, &s->keys, tbs);
        }
    }
    return CH_OK;
}

enum chancery_err signer_sign_batch(struct rpc_call *call, const ProtobufCMessage *in_message,
                                    ProtobufCMessage *out_message, void *ctx)
{
    const struct signer *s = ctx;
    const sign_batch_request *in = (const sign_batch_request *)in_message;
    sign_batch_response *out = (sign_batch_response *)out_message;
    struct arena *arena = rpc_arena(call);
    struct signer_permit permit = {.n_items = 0};
    TRY(sign_limits(in, rpc_diag(call)));
    const struct slice *items = signer_items(arena, in->permit_items, in->n_permit_items, false);
    struct signer_job *jobs = arena_alloc(arena, in->n_items * sizeof *jobs);
    out->items = arena_alloc(arena, in->n_items * sizeof *out->items);
    if (items == NULL || jobs == NULL || out->items == NULL) {
        return CH_NOMEM;
    }
    TRY(sign_check(s, in, items, &permit, jobs, rpc_diag(call)));
    OS_FAILPOINT("signer.permit_checked");
    struct signer_request request = signer_request_of(call, &permit);
    signer_cycle_run(&s->cycle, &request, jobs, in->n_items);
    for (size_t i = 0; i < in->n_items; i++) {
        out->items[i] = signer_result_of(arena, &jobs[i]);
        if (out->items[i] == NULL) {
            return CH_NOMEM;
        }
    }
    out->n_items = in->n_items;
    return CH_OK;
}

enum chancery_err signer_list_keys(struct rpc_call *call, const ProtobufCMessage *in,
                                   ProtobufCMessage *out_message, void *ctx)
{
    const struct signer *s = ctx;
    Chancery__Signer__V1__ListKeysResponse *out =
        (Chancery__Signer__V1__ListKeysResponse *)out_message;
    struct arena *arena = rpc_arena(call);
    (void)in;
    out->keys = arena_alloc(arena, (s->keys.n + 1) * sizeof *out->keys);
    for (size_t i = 0; out->keys != NULL && i < s->keys.n; i++) {
        const struct hsm_key *k = s->keys.keys[i].hsm;
        Chancery__Signer__V1__Key *key = arena_alloc(arena, sizeof *key);
        if (key == NULL) {
            return CH_NOMEM;
        }
        chancery__signer__v1__key__init(key);
        key->uri = arena_str(arena, slice_str(hsm_key_uri(k)));
        key->algorithm = arena_str(arena, slice_str(crypto_key_type_name(hsm_key_type(k))));
        key->spki_der = rpc_bytes(arena, hsm_key_spki(k));
        key->spki_sha256 = rpc_bytes(arena, slice_of(hsm_key_spki_sha256(k), PERMIT_DIGEST));
        if (key->uri == NULL || key->algorithm == NULL) {
            return CH_NOMEM;
        }
        out->keys[i] = key;
    }
    out->n_keys = out->keys == NULL ? 0 : s->keys.n;
    return out->keys == NULL ? CH_NOMEM : CH_OK;
}
