/* Step 3: the request is the one that registration stated, the requester holds the key, the TBS is
 * written. What fails here is the request's fault: refused, and logged by registration. */
#include "issue.h"
#include "os/os.h"
#include "pool.h"

#define ATTEMPT_MAX 1000000 /* retries of a request end long before */

static enum chancery_err check_stated(const struct ca_batch *b, struct ca_item *i)
{
    if (i->in->request == NULL || i->in->attempt == 0 || i->in->attempt > ATTEMPT_MAX) {
        return diag_set(&i->diag, CH_INVALID, "item", "batch.item",
                        "an item needs a request and an attempt from 1");
    }
    TRY(permit_request_from_proto(i->in->request, &i->arena, &i->request, &i->diag));
    TRY(permit_request_digest(&i->request, i->digest, &i->diag));
    for (size_t k = 0; k < b->statement.n; k++) {
        if (memcmp(b->statement.digests[k], i->digest, PERMIT_DIGEST) == 0) {
            return CH_OK;
        }
    }
    return diag_set(&i->diag, CH_DENIED, "request", "statement.digest",
                    "the statement does not cover this request");
}

static enum chancery_err check_possession(struct ca_item *i)
{
    struct slice pkcs10 = rpc_slice(i->in->pkcs10);
    struct x509_csr csr;
    uint8_t digest[32];
    if (!slice_eq(i->request.evidence.proof, slice_str("pkcs10"))) {
        return diag_set(&i->diag, CH_UNSUPPORTED, "request.evidence.proof", "proof.kind",
                        "the proof of possession must be a PKCS#10 request");
    }
    crypto_sha256(pkcs10, digest);
    if (!slice_eq(i->request.evidence.proof_sha256, slice_of(digest, sizeof digest))) {
        return diag_set(&i->diag, CH_INVALID, "pkcs10", "proof.digest",
                        "this is not the proof that was stated");
    }
    TRY(x509_csr_read(pkcs10, &i->arena, &csr, &i->diag));
    TRY(x509_csr_verify(&csr, &i->key, &i->diag));
    if (!slice_eq(i->request.spki_sha256, slice_of(crypto_public_spki_sha256(i->key), 32))) {
        return diag_set(&i->diag, CH_INVALID, "request.spki_sha256", "proof.key",
                        "the proof is for another key than the request");
    }
    return CH_OK;
}

/* CA_SERIAL random octets, top bit clear, first octet not zero. */
static void new_serial(uint8_t out[CA_SERIAL])
{
    do {
        os_random(out, CA_SERIAL);
        out[0] &= 0x7f;
    } while (out[0] == 0);
}

static enum chancery_err build_item(const struct ca_batch *b, struct ca_item *i)
{
    TRY(check_stated(b, i));
    const struct ca_profile *profile = ca_profile_find(b->bundle->payload, i->request.profile);
    if (profile == NULL) {
        return diag_set(&i->diag, CH_NOT_FOUND, "request.profile", "profile.unknown",
                        "there is no such profile");
    }
    TRY(check_possession(i));
    const struct tbs_choice choice = {profile->t, profile->facts, crypto_public_type(i->key),
                                      i->digest, b->now_s};
    size_t member = 0;
    TRY(tbs_issuer_choose(&choice, &member, &i->diag));
    i->profile = &profile->members[member];
    new_serial(i->serial);
    const struct tbs_input in = {&i->profile->tbs, &i->request, i->key,
                                 slice_of(i->serial, CA_SERIAL), b->now_s};
    return tbs_build(&in, &i->arena, &i->built, &i->diag);
}

static void build_one(void *ctx, size_t index)
{
    const struct ca_batch *b = ctx;
    struct ca_item *i = &b->items[index];
    enum chancery_err err = build_item(b, i);
    if (err != CH_OK) {
        /* Memory is ours, not the request's fault. */
        ca_item_end(i, err == CH_NOMEM ? CA_OUT_VOIDED : CA_OUT_REFUSED, err, &i->diag);
    }
}

void ca_batch_build(struct ca_batch *b)
{
    ca_pool_run(b->ca->pool, build_one, b, b->n);
}
