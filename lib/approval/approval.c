/* chancery/approval/v1: writer, reader, checks. */
#include "approval/approval.h"

#include "crypto/alg.h"
#include "permit/canon.h"

#define CANON_APPROVAL "chancery/approval/v1\n"
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 4096 /* as for the keys this installation makes; bounds the work per check */
#define RSA_EXPONENT_OCTETS 3 /* 65537 and more have three */

bool approval_step_ok(struct slice step)
{
    for (size_t i = 0; i < step.len; i++) {
        uint8_t c = step.ptr[i];
        bool first = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (!first && (i == 0 || (c != '-' && c != '.'))) {
            return false;
        }
    }
    return step.len > 0 && step.len <= APPROVAL_STEP_MAX;
}

static enum chancery_err check(const struct approval *a, struct diag *diag)
{
    if (a->purpose != APPROVAL_REQUEST && a->purpose != APPROVAL_BUNDLE &&
        a->purpose != APPROVAL_REVOCATION) {
        return diag_set(diag, CH_INVALID, "approval.purpose", "approval.purpose",
                        "an approval is for a request, a bundle or a revocation job");
    }
    if (a->decision != APPROVAL_APPROVE && a->decision != APPROVAL_REJECT) {
        return diag_set(diag, CH_INVALID, "approval.decision", "approval.decision",
                        "an approval approves or rejects");
    }
    if (!approval_step_ok(a->step) ||
        (a->purpose == APPROVAL_BUNDLE && !slice_eq(a->step, slice_str(APPROVAL_STEP_PROMOTION)))) {
        return diag_set(diag, CH_INVALID, "approval.step", "approval.step",
                        "a step is named by 1 to %d of a-z 0-9 - . and a bundle's is \"%s\"",
                        APPROVAL_STEP_MAX, APPROVAL_STEP_PROMOTION);
    }
    int64_t life = 0;
    if (a->issued_at_s < 0 || __builtin_sub_overflow(a->expires_at_s, a->issued_at_s, &life) ||
        life <= 0 || life > APPROVAL_LIFE_MAX_S) {
        return diag_set(diag, CH_INVALID, "approval.expires_at_s", "approval.life",
                        "an approval lives 1 second to %d days",
                        (int)(APPROVAL_LIFE_MAX_S / 86400));
    }
    return CH_OK;
}

enum chancery_err approval_write(const struct approval *a, struct buf *out, struct diag *diag)
{
    TRY(check(a, diag));
    TRY(buf_add_str(out, CANON_APPROVAL));
    TRY(buf_add_u8(out, (uint8_t)a->purpose));
    TRY(canon_put_digest(out, a->subject));
    TRY(canon_put_bytes(out, a->step));
    TRY(buf_add_u8(out, (uint8_t)a->decision));
    TRY(canon_put_i64(out, a->issued_at_s));
    TRY(canon_put_i64(out, a->expires_at_s));
    return canon_put_digest(out, a->approver);
}

enum chancery_err approval_read(struct slice bytes, struct approval *out, struct diag *diag)
{
    struct canon_reader r = canon_open(bytes, CANON_APPROVAL);
    struct approval a = {.purpose = (enum approval_purpose)canon_u8(&r)};
    canon_digest(&r, a.subject);
    a.step = canon_bytes(&r, APPROVAL_STEP_MAX);
    a.decision = (enum approval_decision)canon_u8(&r);
    a.issued_at_s = canon_i64(&r);
    a.expires_at_s = canon_i64(&r);
    canon_digest(&r, a.approver);
    TRY(canon_finish(&r, "approval.format", diag));
    TRY(check(&a, diag));
    *out = a;
    return CH_OK;
}

static bool rsa_ok(const struct crypto_public *key)
{
    unsigned bits = crypto_public_bits(key);
    return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX &&
           crypto_public_rsa_e(key).len >= RSA_EXPONENT_OCTETS;
}

enum chancery_err approval_key_ok(const struct crypto_public *key, struct diag *diag)
{
    bool ok = false;
    switch (crypto_public_type(key)) {
    case CRYPTO_KEY_P256:
    case CRYPTO_KEY_P384:
    case CRYPTO_KEY_ED25519:
        ok = true;
        break;
    case CRYPTO_KEY_RSA_2048:
    case CRYPTO_KEY_RSA_3072:
    case CRYPTO_KEY_RSA_4096:
    case CRYPTO_KEY_RSA_OTHER:
        ok = rsa_ok(key);
        break;
    case CRYPTO_KEY_NONE:
    case CRYPTO_KEY_P521:
        break;
    }
    return ok ? CH_OK
              : diag_set(diag, CH_UNSUPPORTED, "approval.approver", "approval.key",
                         "an officer's key is P-256, P-384, Ed25519, or RSA of %d to %d bits with "
                         "an exponent of 65537 or more",
                         RSA_BITS_MIN, RSA_BITS_MAX);
}

enum chancery_err approval_check_times(const struct approval *a, int64_t now_s, struct diag *diag)
{
    if (a->expires_at_s <= now_s) {
        return diag_set(diag, CH_PRECONDITION, "approval.expires_at_s", "approval.expired",
                        "the approval expired; the officer must sign again");
    }
    if (a->issued_at_s - CANON_SKEW_S > now_s) {
        return diag_set(diag, CH_PRECONDITION, "approval.issued_at_s", "approval.future",
                        "the approval is from the future; compare the clocks");
    }
    return CH_OK;
}

enum chancery_err approval_check_signature(const struct approval *a, struct slice bytes,
                                           struct slice signature, const struct crypto_public *key,
                                           struct diag *diag)
{
    bool valid = false;
    if (memcmp(a->approver, crypto_public_spki_sha256(key), sizeof a->approver) != 0) {
        return diag_set(diag, CH_CRYPTO, "approval.approver", "approval.key",
                        "the approval names another key");
    }
    TRY(approval_key_ok(key, diag));
    enum chancery_err err = crypto_verify(key, crypto_alg_default(crypto_public_type(key)), bytes,
                                          signature, &valid, NULL);
    if (err == CH_NOMEM) {
        return err;
    }
    return err == CH_OK && valid ? CH_OK
                                 : diag_set(diag, CH_CRYPTO, "signature", "approval.signature",
                                            "the officer's key did not sign these octets");
}

enum chancery_err approval_check(struct slice bytes, struct slice signature,
                                 const struct crypto_public *key, int64_t now_s,
                                 struct approval *out, struct diag *diag)
{
    struct approval a;
    TRY(approval_read(bytes, &a, diag));
    TRY(approval_check_signature(&a, bytes, signature, key, diag));
    TRY(approval_check_times(&a, now_s, diag));
    *out = a;
    return CH_OK;
}
