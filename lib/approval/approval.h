/* chancery/approval/v1: an officer's signed yes or no about one thing named by its digest.
 *
 * The octets that approval_write makes are what the officer signs, with the own key and the default
 * algorithm of its type (crypto_alg_default). docs/ISSUANCE.md has the layout. Pure: no clock, no
 * I/O. Whether the key is an officer's, and how many approvals are enough, is policy's to say. */
#ifndef CHANCERY_APPROVAL_APPROVAL_H
#define CHANCERY_APPROVAL_APPROVAL_H

#include "base/bytes.h"

#define APPROVAL_LIFE_MAX_S ((int64_t)30 * 86400) /* longer is forgotten, not considered */
#define APPROVAL_STEP_MAX 64                      /* octets of a step's name */
#define APPROVAL_MAX 171                          /* octets of an approval: 107 and its step */
#define APPROVAL_SIGNATURE_MAX 512                /* RSA-4096; the others are shorter */
#define APPROVAL_STEP_PROMOTION "promotion"       /* step of an approval of a bundle */

enum approval_purpose {
    APPROVAL_PURPOSE_NONE = 0,
    APPROVAL_REQUEST = 1,   /* subject: request digest, chancery/request/v1 */
    APPROVAL_BUNDLE = 2,    /* subject: bundle hash, chancery/bundle/v1; step "promotion" */
    APPROVAL_REVOCATION = 3 /* subject: digest of a revocation job */
};
enum approval_decision { APPROVAL_DECISION_NONE = 0, APPROVAL_APPROVE = 1, APPROVAL_REJECT = 2 };

struct approval {
    enum approval_purpose purpose;
    enum approval_decision decision;
    uint8_t subject[32];
    struct slice step; /* name of the step approved: see approval_step_ok */
    int64_t issued_at_s, expires_at_s;
    uint8_t approver[32]; /* SHA-256 of the approver's SubjectPublicKeyInfo DER */
};

/* approval_step_ok: 1 to APPROVAL_STEP_MAX of a-z 0-9 - . and begins with a letter or digit. */
bool approval_step_ok(struct slice step);

/* approval_write appends the canonical octets, which are also the octets to sign. CH_INVALID rules
 * "approval.purpose", "approval.step", "approval.decision", "approval.life" (1 second to
 * APPROVAL_LIFE_MAX_S, times not negative). */
enum chancery_err approval_write(const struct approval *a, struct buf *out,
                                 struct diag *diag) MUST_CHECK;

/* approval_read reads exactly one approval; `step` borrows from `bytes`. CH_MALFORMED
 * "approval.format", and CH_INVALID as approval_write. Nothing is verified. */
enum chancery_err approval_read(struct slice bytes, struct approval *out,
                                struct diag *diag) MUST_CHECK;

/* approval_key_ok: officers sign with P-256, P-384, Ed25519, or RSA of 2048 to 4096 bits with an
 * exponent of 65537 or more (NIST SP 800-57 part 1, 5.6.1; FIPS 186-5 A.1.1). CH_UNSUPPORTED
 * "approval.key". */
struct crypto_public;
enum chancery_err approval_key_ok(const struct crypto_public *key, struct diag *diag) MUST_CHECK;

/* approval_check_times: CH_PRECONDITION "approval.expired" from expires_at_s on, "approval.future"
 * when it was issued more than the clock skew (5 s) after now_s. */
enum chancery_err approval_check_times(const struct approval *a, int64_t now_s,
                                       struct diag *diag) MUST_CHECK;

/* approval_check_signature: `key` is the approver's (CH_CRYPTO "approval.key"), is fit to sign
 * approvals, and signed `bytes` (CH_CRYPTO "approval.signature"). `a` was read from `bytes`. */
enum chancery_err approval_check_signature(const struct approval *a, struct slice bytes,
                                           struct slice signature, const struct crypto_public *key,
                                           struct diag *diag) MUST_CHECK;

/* approval_check reads, then checks signature and times; errors as above. */
enum chancery_err approval_check(struct slice bytes, struct slice signature,
                                 const struct crypto_public *key, int64_t now_s,
                                 struct approval *out, struct diag *diag) MUST_CHECK;

#endif
