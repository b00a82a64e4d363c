/* Checks of one signature asked for. */
#include "job.h"

enum chancery_err signer_permit_open(struct slice permit, struct slice signature,
                                     struct crypto_public *const *keys, size_t n_keys,
                                     const struct slice *items, size_t n_items, int64_t now_s,
                                     struct signer_permit *out, struct diag *diag)
{
    struct signer_permit made = {.items = items, .n_items = n_items};
    if (n_items == 0 || n_items > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_LIMIT, "permit_items", "permit.items",
                        "a permit has 1 to %d items, %zu came", PERMIT_BATCH_MAX, n_items);
    }
    TRY(permit_check(permit, signature, keys, n_keys, items, n_items, now_s, &made.permit, diag));
    crypto_sha256(permit, made.sha256);
    *out = made;
    return CH_OK;
}

const struct signer_key *signer_keys_find(const struct signer_keys *keys,
                                          const uint8_t *spki_sha256)
{
    for (size_t i = 0; i < keys->n; i++) {
        if (memcmp(keys->keys[i].spki_sha256, spki_sha256, PERMIT_DIGEST) == 0) {
            return &keys->keys[i];
        }
    }
    return NULL;
}

enum chancery_err signer_job_item(struct signer_job *job, const struct signer_permit *permit,
                                  size_t index, enum permit_purpose purpose,
                                  const struct signer_keys *keys, struct diag *diag)
{
    job->purpose = purpose;
    if (index >= permit->n_items) {
        return diag_set(diag, CH_INVALID, "permit_index", "permit.index",
                        "item %zu of a permit with %zu", index, permit->n_items);
    }
    permit_item_id(permit->items[index], job->item_id);
    TRY(permit_item_read(permit->items[index], &job->item, diag));
    if (job->item.verdict != PERMIT_ALLOW) {
        return diag_set(diag, CH_REFUSED, "permit_index", "permit.verdict",
                        "policy refused this item");
    }
    if (job->item.purpose != purpose) {
        return diag_set(diag, CH_REFUSED, "permit_index", "permit.purpose",
                        "the permit is for a %s",
                        job->item.purpose == PERMIT_CRL ? "CRL" : "certificate");
    }
    job->key = signer_keys_find(keys, job->item.issuer_spki_sha256);
    return job->key != NULL
               ? CH_OK
               : diag_set(diag, CH_NOT_FOUND, "permit_index", "key.unknown",
                          "the permit names an issuer key that this signer does not hold");
}

enum chancery_err signer_job_head(struct signer_job *job, struct slice start, uint64_t total,
                                  struct diag *diag)
{
    struct signer_tbs_head head;
    TRY(signer_tbs_head_read(start, total, job->purpose, &head, diag));
    if (!crypto_alg_fits(head.alg, job->key->type)) {
        return diag_set(diag, CH_INVALID, "tbs.signature", "tbs.algorithm.key",
                        "the TBS says %s, the issuer key is %s", crypto_alg_name(head.alg),
                        crypto_key_type_name(job->key->type));
    }
    if (job->purpose == PERMIT_CRL && head.this_update_s != job->item.crl_this_update_s) {
        return diag_set(diag, CH_REFUSED, "tbs.thisUpdate", "tbs.this_update",
                        "thisUpdate is not the one the permit is for");
    }
    job->alg = head.alg;
    return CH_OK;
}

enum chancery_err signer_job_digest(const struct signer_job *job, struct diag *diag)
{
    return memcmp(job->tbs_sha256, job->item.tbs_sha256, PERMIT_DIGEST) == 0
               ? CH_OK
               : diag_set(diag, CH_REFUSED, "tbs", "tbs.digest",
                          "these are not the bytes that the permit is for");
}

void signer_job_refuse(struct signer_job *job, enum chancery_err err, const struct diag *diag)
{
    job->state = SIGNER_REFUSED;
    job->err = err;
    job->diag = *diag;
}

static enum chancery_err job_certificate(struct signer_job *job, const struct signer_permit *permit,
                                         size_t index, const struct signer_keys *keys,
                                         struct slice tbs, struct diag *diag)
{
    if (tbs.len > SIGNER_TBS_MAX) {
        return diag_set(diag, CH_LIMIT, "tbs", "tbs.size", "longer than %d octets", SIGNER_TBS_MAX);
    }
    crypto_sha256(tbs, job->tbs_sha256); /* first: refusals name the bytes too */
    TRY(signer_job_item(job, permit, index, PERMIT_CERTIFICATE, keys, diag));
    TRY(signer_job_digest(job, diag));
    TRY(signer_job_head(job, tbs, tbs.len, diag));
    enum crypto_hash hash = crypto_alg_hash(job->alg);
    if (hash == CRYPTO_HASH_NONE) {
        job->to_sign = tbs; /* Ed25519 signs the message (RFC 8410 6) */
        return CH_OK;
    }
    if (hash == CRYPTO_HASH_SHA256) {
        memcpy(job->digest, job->tbs_sha256, PERMIT_DIGEST);
    } else {
        crypto_digest(hash, tbs, job->digest);
    }
    job->to_sign = slice_of(job->digest, crypto_hash_size(hash));
    return CH_OK;
}

void signer_job_certificate(struct signer_job *job, const struct signer_permit *permit,
                            size_t index, const struct signer_keys *keys, struct slice tbs)
{
    struct diag diag = {.field = ""};
    enum chancery_err err = job_certificate(job, permit, index, keys, tbs, &diag);
    if (err != CH_OK) {
        signer_job_refuse(job, err, &diag);
        return;
    }
    job->state = SIGNER_CHECKED;
}
