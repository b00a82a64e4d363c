/* One signature asked for, and everything that must be true of it before the HSM hears of it. Pure:
 * no clock, no HSM call, no I/O. */
#ifndef CHANCERY_SIGNER_JOB_H
#define CHANCERY_SIGNER_JOB_H

#include "crypto/alg.h"
#include "permit/permit.h"
#include "tbs_head.h"

#define SIGNER_TBS_MAX 65536      /* certificate TBS; signer.proto says so */
#define SIGNER_SIGNATURE_MAX 1024 /* RSA-4096 makes 512 */
#define SIGNER_KEYS_MAX 64

/* An issuer key the signer holds. */
struct signer_key {
    const uint8_t *spki_sha256; /* 32 */
    enum crypto_key_type type;
    struct hsm_key *hsm; /* not looked into here */
};
struct signer_keys {
    struct signer_key keys[SIGNER_KEYS_MAX];
    size_t n;
};

/* A permit whose signature, life and root have been checked. */
struct signer_permit {
    struct permit permit;
    uint8_t sha256[PERMIT_DIGEST];
    const struct slice *items;
    size_t n_items;
};

enum signer_state {
    SIGNER_REFUSED = 0, /* a check failed (err, diag); nothing was logged or signed */
    SIGNER_CHECKED,     /* may be intended */
    SIGNER_ABORTED,     /* no INTENT, for a reason that is nobody's fault: log away, deadline */
    SIGNER_UNCERTAIN, /* INTENT may stand in the log, its acknowledgement did not come: never signed
                       */
    SIGNER_INTENDED,  /* INTENT durable: a RESULT is owed */
    SIGNER_SIGNED,    /* signature in hand and verified, RESULT not yet durable */
    SIGNER_FAILED,    /* the HSM gave no good signature */
    SIGNER_RELEASED,  /* RESULT durable: the signature may leave */
};

struct signer_job {
    enum signer_state state;
    enum chancery_err err;
    struct diag diag;
    enum permit_purpose purpose;
    struct permit_item item;
    uint8_t item_id[PERMIT_DIGEST];
    uint8_t tbs_sha256[PERMIT_DIGEST];
    const struct signer_key *key;
    enum crypto_alg alg;
    uint8_t digest[CRYPTO_HASH_MAX];
    struct slice to_sign; /* digest, or the whole TBS for Ed25519 */
    uint8_t signature[SIGNER_SIGNATURE_MAX];
    size_t signature_len;
    uint64_t intent_index, result_index;
    bool intent_before; /* the log refused the INTENT: one from an earlier call may stand there */
};

/* signer_permit_open checks a permit with the pinned keys at `now_s` (permit_check). `out` borrows
 * `items`. */
enum chancery_err signer_permit_open(struct slice permit, struct slice signature,
                                     struct crypto_public *const *keys, size_t n_keys,
                                     const struct slice *items, size_t n_items, int64_t now_s,
                                     struct signer_permit *out, struct diag *diag) MUST_CHECK;

/* signer_keys_find returns the key with that SHA-256 of its SPKI, NULL when the signer does not
 * hold it. */
const struct signer_key *signer_keys_find(const struct signer_keys *keys,
                                          const uint8_t *spki_sha256);

/* signer_job_item binds a job to item `index` of a permit: allowed, for `purpose`, for a key held
 * here. Fills item, item_id, key, purpose. Rules "permit.index", "permit.verdict",
 * "permit.purpose", "key.unknown". */
enum chancery_err signer_job_item(struct signer_job *job, const struct signer_permit *permit,
                                  size_t index, enum permit_purpose purpose,
                                  const struct signer_keys *keys, struct diag *diag) MUST_CHECK;

/* signer_job_head checks the TBS's head against item and key: kind, algorithm that fits, thisUpdate
 * of a CRL. Fills alg. Rules "tbs.*". */
enum chancery_err signer_job_head(struct signer_job *job, struct slice start, uint64_t total,
                                  struct diag *diag) MUST_CHECK;

/* signer_job_digest compares the job's tbs_sha256 with the item. Rule "tbs.digest". */
enum chancery_err signer_job_digest(const struct signer_job *job, struct diag *diag) MUST_CHECK;

/* signer_job_certificate does all of it for a whole TBSCertificate and sets state, err and diag of
 * the job; to_sign may borrow `tbs`. */
void signer_job_certificate(struct signer_job *job, const struct signer_permit *permit,
                            size_t index, const struct signer_keys *keys, struct slice tbs);

/* signer_job_refuse puts the job into state REFUSED. */
void signer_job_refuse(struct signer_job *job, enum chancery_err err, const struct diag *diag);

#endif
