/* The way of a CRL through ca (which checks it against the last one), policy and signer: a client
 * stream of header and pieces, answered by the signature, which is verified here before anything is
 * published. */
#include "chancery/ca/v1/ca.pb-c.h"
#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define SIGN_MS 30000 /* a list of a million entries takes about three seconds */
#define AHEAD_MAX 8   /* CRLs that were signed and never published, one per crash between the two */

struct sending {
    struct rpc_stream *stream;
    struct crypto_hasher *hash;
};

static enum chancery_err send_piece(void *ctx, struct slice piece, struct diag *diag)
{
    struct sending *s = ctx;
    Chancery__Ca__V1__SignCrlRequest m = CHANCERY__CA__V1__SIGN_CRL_REQUEST__INIT;
    (void)diag;
    crypto_hasher_update(s->hash, piece);
    m.chunk = (ProtobufCBinaryData){piece.len, (uint8_t *)(uintptr_t)piece.ptr};
    return rpc_stream_send(s->stream, &m.base);
}

static enum chancery_err send_header(const struct revocation_crl *crl, struct rpc_stream *stream)
{
    Chancery__Ca__V1__SignCrlRequest m = CHANCERY__CA__V1__SIGN_CRL_REQUEST__INIT;
    Chancery__Ca__V1__CrlHeader h = CHANCERY__CA__V1__CRL_HEADER__INIT;
    h.issuer_id = (char *)(uintptr_t)crl->issuer->id;
    h.shard = crl->shard;
    h.number = crl->head.number;
    h.this_update_s = crl->head.this_update_s;
    h.next_update_s = crl->head.next_update_s;
    h.tbs_length = crl->tbs_len;
    h.previous_number = crl->previous;
    m.header = &h;
    return rpc_stream_send(stream, &m.base);
}

static enum chancery_err take_signature(struct revocation_crl *crl, const struct slice digest,
                                        const Chancery__Ca__V1__SignCrlResponse *r,
                                        struct diag *diag)
{
    bool valid = false;
    struct slice signature = rpc_slice(r->signature);
    TRY(crypto_verify_digest(crl->issuer->key, crl->issuer->alg, digest, signature, &valid, diag));
    if (!valid) {
        return diag_set(diag, CH_INTEGRITY, "signature", "crl.signature",
                        "the signature is not the issuer's over this list");
    }
    buf_reset(&crl->signature);
    crl->log_index = r->log_index;
    return buf_add(&crl->signature, signature);
}

static enum chancery_err exchange(struct revocation_crl *crl, struct sending *s, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    ProtobufCMessage *out = NULL;
    uint8_t digest[CRYPTO_HASH_MAX];
    enum chancery_err err = send_header(crl, s->stream);
    if (err == CH_OK) {
        err = revocation_crl_each(crl, send_piece, s, diag);
    }
    if (err != CH_OK && err != CH_CANCELLED && err != CH_END && err != CH_UNAVAILABLE) {
        return err;
    }
    /* When ca ended the stream early, its reason comes with the status. */
    enum chancery_err why = rpc_stream_finish(s->stream, &arena, &out, diag);
    if (why != CH_OK || err != CH_OK) {
        return why != CH_OK ? why : err;
    }
    crypto_hasher_final(s->hash, digest);
    return take_signature(crl,
                          slice_of(digest, crypto_hash_size(crypto_alg_hash(crl->issuer->alg))),
                          (const Chancery__Ca__V1__SignCrlResponse *)out, diag);
}

static enum chancery_err sign_once(struct revocation *rv, struct revocation_crl *crl,
                                   struct diag *diag)
{
    struct sending s = {0};
    enum crypto_hash hash = crypto_alg_hash(crl->issuer->alg);
    if (hash == CRYPTO_HASH_NONE) {
        return diag_set(diag, CH_UNSUPPORTED, "alg", "crl.alg",
                        "this key signs whole messages: a CRL cannot be streamed to it");
    }
    TRY(rpc_stream_open(rv->ca, &chancery__ca__v1__ca_service__descriptor, "SignCrl",
                        RPC_CLIENT_STREAM, NULL, SIGN_MS, &s.stream, diag));
    s.hash = crypto_hasher_new(hash);
    enum chancery_err err = s.hash == NULL ? CH_NOMEM : exchange(crl, &s, diag);
    crypto_hasher_free(s.hash);
    rpc_stream_free(s.stream);
    return err;
}

/* A longer number may lengthen the list. */
static enum chancery_err renumber(struct revocation_crl *crl)
{
    struct buf head CLEANUP(buf_clear) = {0};
    size_t total = 0;
    buf_init(&head, X509_TBS_MAX);
    TRY(x509_crl_head_write(&crl->head, crl->entries_len, &head, &total));
    crl->tbs_len = total;
    return CH_OK;
}

enum chancery_err revocation_crl_sign(struct revocation *rv, struct revocation_crl *crl,
                                      struct diag *diag)
{
    enum chancery_err err = sign_once(rv, crl, diag);
    for (unsigned ahead = 0; ahead < AHEAD_MAX; ahead++) {
        bool reserved = err == CH_PRECONDITION && strcmp(diag->rule, "crl.number") == 0;
        if (err == CH_CONFLICT) {
            crl->previous++; /* ca signed one that was never published */
        } else if (!reserved) {
            break;
        }
        crl->head.number++;
        diag_clear(diag);
        TRY(renumber(crl));
        err = sign_once(rv, crl, diag);
    }
    if (err == CH_OK) {
        OS_FAILPOINT("revocation.crl_signed");
    }
    return err;
}
