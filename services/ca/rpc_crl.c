/* SignCrl: a header, then the TBSCertList in chunks. Every octet is spooled, hashed and checked as
 * it comes; nothing is asked of policy or signer before the whole has passed. */
#include "chancery/ca/v1/ca.pb-c.h"
#include "crl_sign.h"
#include "lease.h"
#include "os/os.h"
#include "rpc.h"

#define CHUNK_MAX ((size_t)64 << 10)
#define SKEW_S 5 /* what clocks may differ by */
#define NEXT_UPDATE_MAX_S (400LL * 86400)

typedef Chancery__Ca__V1__SignCrlRequest crl_request;

static enum chancery_err bad(struct diag *diag, const char *field, const char *rule,
                             const char *text)
{
    return diag_set(diag, CH_INVALID, field, rule, "%s", text);
}

static enum chancery_err check_header(const Chancery__Ca__V1__CrlHeader *h, struct ca_crl_job *j,
                                      struct diag *diag)
{
    const struct ca_issuer *issuer = ca_issuer_find(j->ca, slice_str(h->issuer_id));
    if (issuer == NULL || h->shard >= issuer->shards) {
        return diag_set(diag, CH_NOT_FOUND, "header.issuer_id", "crl.series",
                        "there is no such issuer or shard");
    }
    if (h->number == 0 || h->number > INT64_MAX || h->number <= h->previous_number) {
        return bad(diag, "header.number", "crl.number",
                   "the number must be above the previous one");
    }
    /* thisUpdate is not in the future, nextUpdate after it (RFC 5280 5.1.2.4, 5.1.2.5); how long is
     * policy's word. */
    if (h->this_update_s > j->now_s + SKEW_S || h->next_update_s <= h->this_update_s ||
        h->next_update_s - h->this_update_s > NEXT_UPDATE_MAX_S) {
        return bad(diag, "header.this_update_s", "crl.times",
                   "thisUpdate or nextUpdate cannot be right");
    }
    if (h->tbs_length == 0 || h->tbs_length > CA_CRL_MAX) {
        return diag_set(diag, CH_LIMIT, "header.tbs_length", "crl.length",
                        "a CRL has at most 1 GiB");
    }
    j->header =
        (struct ca_crl_header){issuer, h->shard, h->number, h->this_update_s, h->next_update_s};
    j->previous_number = h->previous_number;
    j->tbs_length = h->tbs_length;
    return CH_OK;
}

static enum chancery_err read_header(struct rpc_call *call, struct ca_crl_job *j, struct diag *diag)
{
    ProtobufCMessage *message = NULL;
    enum chancery_err err = rpc_recv(call, &message);
    const crl_request *m = (const crl_request *)message;
    if (err == CH_END || (err == CH_OK && (m->header == NULL || m->chunk.len > 0))) {
        return bad(diag, "header", "crl.header", "the first message must be a header alone");
    }
    TRY(err);
    TRY(check_header(m->header, j, diag));
    rpc_recv_reset(call);
    if (ca_lease_epoch(j->ca->lease) == 0) { /* issuers are recorded with the first lease */
        return diag_set(diag, CH_UNAVAILABLE, "ca", "ca.lease",
                        "this instance has not started fully; try later");
    }
    const struct ca_crl_step step = {j->header.issuer->issuer_id, j->header.shard, j->header.number,
                                     j->previous_number, j->header.this_update_s};
    return ca_store_crl_reserve(j->ca->db, &step, diag);
}

/* ---- the CRL before ---- */

struct previous {
    const struct ca_crl_job *j;
    uint32_t seq;
};

static enum chancery_err next_piece(void *ctx, struct buf *out, struct diag *diag)
{
    struct previous *p = ctx;
    if (p->j->previous_number == 0) {
        return CH_END;
    }
    enum chancery_err err =
        ca_store_crl_chunk(p->j->ca->db, p->j->header.issuer->issuer_id, p->j->header.shard,
                           p->j->previous_number, p->seq, out, diag);
    if (err == CH_END && p->seq == 0) {
        return diag_set(diag, CH_INTEGRITY, "crl", "crl.previous.lost",
                        "the last signed CRL is not in the database");
    }
    p->seq++;
    return err;
}

static enum chancery_err all_expired(void *ctx, const struct slice *serials, size_t n, bool *out,
                                     struct diag *diag)
{
    const struct previous *p = ctx;
    return ca_store_all_expired(p->j->ca->db, p->j->header.issuer->issuer_id, serials, n,
                                p->j->header.this_update_s, out, diag);
}

/* ---- receiving ---- */

static enum chancery_err take_chunk(struct ca_crl_job *j, struct ca_crl_check *check,
                                    struct slice chunk, struct diag *diag)
{
    if (chunk.len == 0 || chunk.len > CHUNK_MAX || chunk.len > j->tbs_length - j->spool.len) {
        return diag_set(diag, CH_LIMIT, "chunk", "crl.chunk",
                        "chunks have 1 octet to 64 KiB and no more than the header says in all");
    }
    TRY(ca_spool_add(&j->spool, chunk, diag));
    crypto_hasher_update(j->sha256, chunk);
    if (j->own != NULL) {
        crypto_hasher_update(j->own, chunk);
    }
    return ca_crl_check_push(check, chunk, diag);
}

static enum chancery_err receive(struct rpc_call *call, struct ca_crl_job *j,
                                 struct ca_crl_check *check, struct diag *diag)
{
    for (;;) {
        ProtobufCMessage *message = NULL;
        enum chancery_err err = rpc_recv(call, &message);
        if (err == CH_END) {
            break;
        }
        TRY(err);
        const crl_request *m = (const crl_request *)message;
        if (m->header != NULL) {
            return bad(diag, "header", "crl.header", "a second header");
        }
        TRY(take_chunk(j, check, rpc_slice(m->chunk), diag));
        rpc_recv_reset(call);
    }
    if (j->spool.len != j->tbs_length) {
        return bad(diag, "header.tbs_length", "crl.length",
                   "the CRL is shorter than the header says");
    }
    TRY(ca_crl_check_finish(check, &j->entries, diag));
    crypto_hasher_final(j->sha256, j->tbs_sha256);
    if (j->own != NULL) {
        crypto_hasher_final(j->own, j->digest);
    } else {
        memcpy(j->digest, j->tbs_sha256, 32);
    }
    return CH_OK;
}

static enum chancery_err check_stream(struct rpc_call *call, struct ca_crl_job *j,
                                      struct diag *diag)
{
    struct previous previous = {.j = j};
    const struct ca_crl_sources sources = {next_piece, all_expired, &previous};
    struct ca_crl_check *check = NULL;
    enum crypto_hash own = crypto_alg_hash(j->header.issuer->alg);
    j->sha256 = crypto_hasher_new(CRYPTO_HASH_SHA256);
    j->own = own == CRYPTO_HASH_SHA256 ? NULL : crypto_hasher_new(own);
    if (j->sha256 == NULL || (own != CRYPTO_HASH_SHA256 && j->own == NULL)) {
        return CH_NOMEM;
    }
    const char *dir = daemon_state_dir(j->ca->d);
    TRY(ca_spool_open(dir == NULL ? "/tmp" : dir, &j->spool, diag));
    TRY(ca_crl_check_new(&j->header, &sources, &check));
    enum chancery_err err = receive(call, j, check, diag);
    ca_crl_check_free(check);
    return err;
}

enum chancery_err ca_rpc_crl(struct rpc_call *call, const ProtobufCMessage *in,
                             ProtobufCMessage *out, void *ctx)
{
    struct diag *diag = rpc_diag(call);
    struct ca_crl_job j = {
        .ca = ctx, .spool = {.fd = -1}, .arena = rpc_arena(call), .now_s = os_now_s()};
    (void)in;
    j.deadline_mono_ms = os_mono_ms() + rpc_time_left_ms(call);
    enum chancery_err err = read_header(call, &j, diag);
    if (err == CH_OK) {
        err = check_stream(call, &j, diag);
    }
    OS_FAILPOINT("ca.crl_checked");
    if (err == CH_OK) {
        err = ca_crl_job_sign(&j, diag);
    }
    if (err == CH_OK) {
        Chancery__Ca__V1__SignCrlResponse *m = (Chancery__Ca__V1__SignCrlResponse *)out;
        m->signature = rpc_bytes(rpc_arena(call), j.signature);
        m->log_index = j.result_index;
        err = m->signature.data == NULL ? CH_NOMEM : CH_OK;
    }
    ca_spool_close(&j.spool);
    crypto_hasher_free(j.sha256);
    crypto_hasher_free(j.own);
    return err;
}
