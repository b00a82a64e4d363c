/* SignCrl: a TBSCertList streamed in chunks, hashed here, compared with the permit, then the cycle.
 *
 * Constant memory: the first octets are kept for the head, the rest only passes through the hashes.
 */
#include "der/der.h"
#include "os/os.h"
#include "signer.h"

#define CRL_MAX ((uint64_t)1 << 30) /* 1 GiB: five times a complete CRL of five million entries */
#define CRL_CHUNK_MAX 65536         /* signer.proto says so */

typedef Chancery__Signer__V1__SignCrlRequest crl_request;
typedef Chancery__Signer__V1__SignCrlHeader crl_header;

struct crl_stream {
    struct signer_job *job;
    uint8_t *head;
    size_t head_len;
    uint64_t total;
    struct crypto_hasher *sha256;
    struct crypto_hasher
        *own; /* hash of the algorithm when it is not SHA-256; NULL before it is known */
    bool head_read;
};

/* Copies the header out of the stream's memory and binds the job to its permit item. */
static enum chancery_err crl_open(struct rpc_call *call, const struct signer *s,
                                  struct signer_permit *permit, struct signer_job *job,
                                  struct diag *diag)
{
    ProtobufCMessage *message = NULL;
    enum chancery_err err = rpc_recv(call, &message);
    if (err != CH_OK) {
        return err == CH_END ? diag_set(diag, CH_INVALID, "header", "signer.crl.header",
                                        "the stream is empty")
                             : err;
    }
    const crl_request *first = (const crl_request *)message;
    const crl_header *header = first->header;
    if (header == NULL || first->chunk.len > 0 || header->n_permit_items > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_INVALID, "header", "signer.crl.header",
                        "the first message is a header alone, with at most %d permit items",
                        PERMIT_BATCH_MAX);
    }
    const struct slice *items =
        signer_items(rpc_arena(call), header->permit_items, header->n_permit_items, true);
    if (items == NULL) {
        return CH_NOMEM;
    }
    crypto_sha256(rpc_slice(header->permit), permit->sha256);
    TRY(signer_open_permit(s, rpc_slice(header->permit), rpc_slice(header->permit_signature), items,
                           header->n_permit_items, permit, diag));
    return signer_job_item(job, permit, header->permit_index, PERMIT_CRL, &s->keys, diag);
}

/* Reads the head once enough is there and starts the algorithm's own hash with what was kept. */
static enum chancery_err crl_head(struct crl_stream *c, uint64_t total, struct diag *diag)
{
    struct slice start = slice_of(c->head, c->head_len);
    TRY(signer_job_head(c->job, start, total, diag));
    enum crypto_hash hash = crypto_alg_hash(c->job->alg);
    if (hash == CRYPTO_HASH_NONE) {
        return diag_set(diag, CH_UNSUPPORTED, "tbs.signature", "tbs.algorithm.stream",
                        "this algorithm signs the whole message, which a stream does not keep");
    }
    if (hash != CRYPTO_HASH_SHA256) {
        c->own = crypto_hasher_new(hash);
        if (c->own == NULL) {
            return CH_NOMEM;
        }
        crypto_hasher_update(c->own, start);
    }
    c->head_read = true;
    return CH_OK;
}

/* The length that the outer SEQUENCE promises; CH_MALFORMED when there is none. */
static enum chancery_err crl_promised(const struct crl_stream *c, uint64_t *out, struct diag *diag)
{
    uint8_t tag = 0;
    size_t header = 0, content = 0;
    if (der_peek_header(slice_of(c->head, c->head_len), &tag, &header, &content) != CH_OK) {
        return diag_set(diag, CH_MALFORMED, "tbs", "tbs.der", "no outer SEQUENCE");
    }
    *out = (uint64_t)header + content;
    return CH_OK;
}

static enum chancery_err crl_chunk(struct crl_stream *c, struct slice chunk, struct diag *diag)
{
    if (chunk.len == 0 || chunk.len > CRL_CHUNK_MAX || c->total + chunk.len > CRL_MAX) {
        return diag_set(diag, CH_LIMIT, "chunk", "signer.crl.chunk",
                        "a chunk has 1 to %d octets, a CRL at most 1 GiB", CRL_CHUNK_MAX);
    }
    c->total += chunk.len;
    crypto_hasher_update(c->sha256, chunk);
    size_t room = SIGNER_TBS_HEAD_MAX - c->head_len;
    size_t kept = chunk.len < room ? chunk.len : room;
    memcpy(c->head + c->head_len, chunk.ptr, kept);
    c->head_len += kept;
    if (!c->head_read && c->head_len == SIGNER_TBS_HEAD_MAX) {
        uint64_t promised = 0;
        TRY(crl_promised(c, &promised, diag));
        TRY(crl_head(c, promised, diag));
    }
    if (c->own != NULL) {
        crypto_hasher_update(c->own, slice_sub(chunk, kept, chunk.len));
    }
    return CH_OK;
}

/* After the last chunk: everything that only the whole can show. */
static enum chancery_err crl_finish(struct crl_stream *c, struct diag *diag)
{
    struct signer_job *job = c->job;
    uint64_t promised = 0;
    crypto_hasher_final(c->sha256, job->tbs_sha256);
    TRY(signer_job_digest(job, diag));
    TRY(crl_promised(c, &promised, diag));
    if (promised != c->total) {
        return diag_set(diag, CH_MALFORMED, "tbs", "tbs.length",
                        "the outer SEQUENCE is not as long as the bytes that came");
    }
    if (!c->head_read) {
        TRY(crl_head(c, c->total, diag));
    }
    if (c->own != NULL) {
        crypto_hasher_final(c->own, job->digest);
    } else {
        memcpy(job->digest, job->tbs_sha256, PERMIT_DIGEST);
    }
    job->to_sign = slice_of(job->digest, crypto_hash_size(crypto_alg_hash(job->alg)));
    job->state = SIGNER_CHECKED;
    return CH_OK;
}

static enum chancery_err crl_receive(struct rpc_call *call, struct crl_stream *c, struct diag *diag)
{
    for (;;) {
        ProtobufCMessage *message = NULL;
        rpc_recv_reset(call);
        enum chancery_err err = rpc_recv(call, &message);
        if (err == CH_END) {
            return crl_finish(c, diag);
        }
        TRY(err);
        const crl_request *part = (const crl_request *)message;
        if (part->header != NULL) {
            return diag_set(diag, CH_INVALID, "header", "signer.crl.header", "a second header");
        }
        TRY(crl_chunk(c, rpc_slice(part->chunk), diag));
    }
}

static enum chancery_err crl_check(struct rpc_call *call, const struct signer *s,
                                   struct signer_permit *permit, struct signer_job *job,
                                   struct diag *diag)
{
    TRY(crl_open(call, s, permit, job, diag));
    struct crl_stream c = {.job = job};
    c.head = arena_alloc(rpc_arena(call), SIGNER_TBS_HEAD_MAX);
    c.sha256 = crypto_hasher_new(CRYPTO_HASH_SHA256);
    enum chancery_err err = CH_NOMEM;
    if (c.head != NULL && c.sha256 != NULL) {
        err = crl_receive(call, &c, diag);
    }
    crypto_hasher_free(c.sha256);
    crypto_hasher_free(c.own);
    return err;
}

/* Failures of the transport are no refusals: nobody is told, nothing is logged. */
static bool crl_is_transport(enum chancery_err err)
{
    return err == CH_CANCELLED || err == CH_DEADLINE || err == CH_UNAVAILABLE || err == CH_IO ||
           err == CH_NOMEM;
}

enum chancery_err signer_sign_crl(struct rpc_call *call, const ProtobufCMessage *in,
                                  ProtobufCMessage *out_message, void *ctx)
{
    const struct signer *s = ctx;
    Chancery__Signer__V1__SignCrlResponse *out =
        (Chancery__Signer__V1__SignCrlResponse *)out_message;
    struct signer_permit permit = {.n_items = 0};
    struct diag diag = {.field = ""};
    (void)in; /* a client stream */
    struct signer_job *job = arena_alloc(rpc_arena(call), sizeof *job);
    if (job == NULL) {
        return CH_NOMEM;
    }
    job->purpose = PERMIT_CRL;
    enum chancery_err err = crl_check(call, s, &permit, job, &diag);
    if (err != CH_OK && crl_is_transport(err)) {
        *rpc_diag(call) = diag;
        return err;
    }
    if (err != CH_OK) {
        signer_job_refuse(job, err, &diag);
    }
    OS_FAILPOINT("signer.permit_checked");
    struct signer_request request = signer_request_of(call, &permit);
    signer_cycle_run(&s->cycle, &request, job, 1);
    out->result = signer_result_of(rpc_arena(call), job);
    return out->result == NULL ? CH_NOMEM : CH_OK;
}
