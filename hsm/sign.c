/* Signatures: the mechanism table, one C_SignInit + C_Sign, and verification before anything
 * leaves.
 *
 * C_Sign is called at most once per hsm_sign_digest: after it, the device may have signed, and a
 * second signature over the same bytes would not be accounted for. What fails before C_Sign (a lost
 * session shows in C_SignInit) is repeated once the token has recovered, within the caller's
 * deadline. */
#include "hsm/hsm_int.h"

#include "os/os.h"

#define SIGN_TRIES 4

enum sign_kind { SIGN_RSA_PKCS = 1, SIGN_RSA_PSS, SIGN_ECDSA, SIGN_EDDSA };

struct sign_row {
    enum crypto_alg alg;
    enum sign_kind kind;
    CK_MECHANISM_TYPE mechanism;
    CK_MECHANISM_TYPE hash; /* PSS only */
    CK_ULONG mgf;
};

/* ML-DSA will be a row here and in lib/crypto. */
static const struct sign_row sign_rows[] = {
    {CRYPTO_ALG_RSA_SHA256, SIGN_RSA_PKCS, CKM_RSA_PKCS, 0, 0},
    {CRYPTO_ALG_RSA_SHA384, SIGN_RSA_PKCS, CKM_RSA_PKCS, 0, 0},
    {CRYPTO_ALG_RSA_SHA512, SIGN_RSA_PKCS, CKM_RSA_PKCS, 0, 0},
    {CRYPTO_ALG_RSA_PSS_SHA256, SIGN_RSA_PSS, CKM_RSA_PKCS_PSS, CKM_SHA256, CKG_MGF1_SHA256},
    {CRYPTO_ALG_RSA_PSS_SHA384, SIGN_RSA_PSS, CKM_RSA_PKCS_PSS, CKM_SHA384, CKG_MGF1_SHA384},
    {CRYPTO_ALG_RSA_PSS_SHA512, SIGN_RSA_PSS, CKM_RSA_PKCS_PSS, CKM_SHA512, CKG_MGF1_SHA512},
    {CRYPTO_ALG_ECDSA_SHA256, SIGN_ECDSA, CKM_ECDSA, 0, 0},
    {CRYPTO_ALG_ECDSA_SHA384, SIGN_ECDSA, CKM_ECDSA, 0, 0},
    {CRYPTO_ALG_ECDSA_SHA512, SIGN_ECDSA, CKM_ECDSA, 0, 0},
    {CRYPTO_ALG_ED25519, SIGN_EDDSA, CKM_EDDSA, 0, 0},
};

/* DigestInfo up to the digest (RFC 8017 9.2, note 1): CKM_RSA_PKCS pads but does not wrap. */
static const uint8_t digest_info_sha256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                             0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                             0x01, 0x05, 0x00, 0x04, 0x20};
static const uint8_t digest_info_sha384[] = {0x30, 0x41, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                             0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                             0x02, 0x05, 0x00, 0x04, 0x30};
static const uint8_t digest_info_sha512[] = {0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60,
                                             0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02,
                                             0x03, 0x05, 0x00, 0x04, 0x40};

static const struct sign_row *sign_find(enum crypto_alg alg)
{
    for (size_t i = 0; i < sizeof sign_rows / sizeof sign_rows[0]; i++) {
        if (sign_rows[i].alg == alg) {
            return &sign_rows[i];
        }
    }
    return NULL;
}

CK_MECHANISM_TYPE hsm_mechanism_of(enum crypto_alg alg)
{
    const struct sign_row *row = sign_find(alg);
    return row == NULL ? CKM_VENDOR_DEFINED : row->mechanism;
}

/* What C_Sign gets: DigestInfo for RSA PKCS#1, else the digest (or message) itself. */
static enum chancery_err sign_input(const struct sign_row *row, struct slice digest,
                                    struct buf *out)
{
    struct slice prefix = {NULL, 0};
    if (row->kind == SIGN_RSA_PKCS) {
        switch (crypto_alg_hash(row->alg)) {
        case CRYPTO_HASH_SHA256:
            prefix = slice_of(digest_info_sha256, sizeof digest_info_sha256);
            break;
        case CRYPTO_HASH_SHA384:
            prefix = slice_of(digest_info_sha384, sizeof digest_info_sha384);
            break;
        case CRYPTO_HASH_SHA512:
            prefix = slice_of(digest_info_sha512, sizeof digest_info_sha512);
            break;
        case CRYPTO_HASH_NONE:
        case CRYPTO_HASH_SHA1:
            return CH_UNSUPPORTED;
        }
    }
    TRY(buf_add(out, prefix));
    return buf_add(out, digest);
}

static enum chancery_err sign_call(struct hsm_key *k, CK_SESSION_HANDLE session,
                                   const struct sign_row *row, struct slice input,
                                   uint8_t *signature, CK_ULONG *len, bool *out_sign_called,
                                   struct diag *diag)
{
    struct hsm_token *t = k->token;
    CK_RSA_PKCS_PSS_PARAMS pss = {row->hash, row->mgf, crypto_hash_size(crypto_alg_hash(row->alg))};
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    if (row->kind == SIGN_RSA_PSS) {
        mechanism.pParameter = &pss;
        mechanism.ulParameterLen = sizeof pss;
    }
    CK_RV rv;
    HSM_CALL(rv, t->deadline_ms, t->m, C_SignInit, session, &mechanism, k->handle);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_SignInit", rv);
    }
    *out_sign_called = true;
    CK_BYTE *data = (CK_BYTE *)(uintptr_t)input.ptr; /* the API lacks const */
    HSM_CALL(rv, t->deadline_ms, t->m, C_Sign, session, data, input.len, signature, len);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_Sign", rv);
    }
    return CH_OK;
}

enum chancery_err hsm_sign_raw(struct hsm_key *k, CK_SESSION_HANDLE session, enum crypto_alg alg,
                               struct slice digest, struct buf *out, bool *out_sign_called,
                               struct diag *diag)
{
    const struct sign_row *row = sign_find(alg);
    *out_sign_called = false;
    if (row == NULL) {
        return diag_set(diag, CH_UNSUPPORTED, "alg", "hsm.alg", "no mechanism for this algorithm");
    }
    uint8_t signature[HSM_SIGNATURE_MAX];
    CK_ULONG len = sizeof signature;
    struct buf input;
    buf_init(&input, digest.len + sizeof digest_info_sha512);
    enum chancery_err err = sign_input(row, digest, &input);
    if (err == CH_OK) {
        err = sign_call(k, session, row, buf_slice(&input), signature, &len, out_sign_called, diag);
    }
    buf_clear(&input);
    TRY(err);
    struct slice raw = slice_of(signature, len);
    if (row->kind == SIGN_ECDSA) {
        err = crypto_ecdsa_raw_to_der(raw, out);
        return err == CH_OK ? CH_OK
                            : diag_set(diag, CH_INTEGRITY, k->uri, "hsm.signature",
                                       "the module returned no pair of integers");
    }
    return buf_add(out, raw);
}

static enum chancery_err sign_verify(const struct hsm_key *k, enum crypto_alg alg,
                                     struct slice digest, struct slice signature, struct diag *diag)
{
    bool valid = false;
    struct diag own = {.field = ""};
    if (crypto_verify_digest(k->pub, alg, digest, signature, &valid, &own) == CH_OK && valid) {
        return CH_OK;
    }
    return diag_set(diag, CH_INTEGRITY, k->uri, "hsm.signature",
                    "the module returned a wrong signature; it was discarded");
}

/* ---- the probe ---- */

void hsm_probe_digest(struct slice key_id, uint8_t out[32])
{
    static const char name[] = "chancery/probe/v1";
    struct crypto_hasher *hasher = crypto_hasher_new(CRYPTO_HASH_SHA256);
    crypto_hasher_update(hasher, slice_of(name, sizeof name - 1));
    crypto_hasher_update(hasher, key_id);
    crypto_hasher_final(hasher, out);
    crypto_hasher_free(hasher);
}

enum chancery_err hsm_sign_probe(struct hsm_key *k, CK_SESSION_HANDLE session, struct diag *diag)
{
    /* The probe is a digest of 32 octets. Where the key's algorithm wants another length, that hash
     * of the probe is signed, so that the device's signed set stays predictable. */
    uint8_t probe[32] = {0}, digest[CRYPTO_HASH_MAX];
    struct slice signed_bytes = slice_of(probe, sizeof probe);
    enum crypto_alg alg = crypto_alg_default(crypto_public_type(k->pub));
    enum crypto_hash hash = crypto_alg_hash(alg);
    hsm_probe_digest(slice_of(k->name.id, k->name.id_len), probe);
    if (hash != CRYPTO_HASH_NONE && crypto_hash_size(hash) != sizeof probe) {
        crypto_digest(hash, slice_of(probe, sizeof probe), digest);
        signed_bytes = slice_of(digest, crypto_hash_size(hash));
    }
    struct buf signature;
    bool called = false;
    buf_init(&signature, HSM_SIGNATURE_MAX);
    enum chancery_err err = hsm_sign_raw(k, session, alg, signed_bytes, &signature, &called, diag);
    if (err == CH_OK) {
        err = sign_verify(k, alg, signed_bytes, buf_slice(&signature), diag);
    }
    buf_clear(&signature);
    return err;
}

/* ---- public signing ---- */

static enum chancery_err sign_check_input(const struct hsm_key *k, enum crypto_alg alg,
                                          struct slice digest, struct diag *diag)
{
    if (!crypto_alg_fits(alg, crypto_public_type(k->pub))) {
        return diag_set(diag, CH_INVALID, "alg", "hsm.alg", "%s does not fit a %s key",
                        crypto_alg_name(alg), crypto_key_type_name(crypto_public_type(k->pub)));
    }
    enum crypto_hash hash = crypto_alg_hash(alg);
    if (hash != CRYPTO_HASH_NONE && digest.len != crypto_hash_size(hash)) {
        return diag_set(diag, CH_INVALID, "digest", "hsm.digest.size",
                        "%zu octets where %zu belong", digest.len, crypto_hash_size(hash));
    }
    return CH_OK;
}

/* One attempt. *out_retry: nothing was signed and trying again may help. */
static enum chancery_err sign_once(struct hsm_key *k, enum crypto_alg alg, struct slice digest,
                                   int64_t until_ms, struct buf *out, bool *out_retry,
                                   struct diag *diag)
{
    struct hsm_token *t = k->token;
    CK_SESSION_HANDLE session;
    bool called = false;
    *out_retry = false;
    TRY(hsm_session_take(t, k, until_ms, &session, diag));
    enum chancery_err err = hsm_sign_raw(k, session, alg, digest, out, &called, diag);
    if (err == CH_HSM) {
        hsm_recover_request(t->m, called ? "C_Sign" : "C_SignInit");
        *out_retry = !called;
    }
    hsm_session_put(t, session, err != CH_HSM);
    return err;
}

enum chancery_err hsm_sign_digest(struct hsm_key *k, enum crypto_alg alg, struct slice digest,
                                  unsigned deadline_ms, struct buf *out, struct diag *diag)
{
    TRY(sign_check_input(k, alg, digest, diag));
    int64_t until_ms = os_mono_ms() + deadline_ms;
    size_t start = out->len;
    bool retry = true;
    enum chancery_err err = CH_UNAVAILABLE;
    for (int tries = 0; retry && tries < SIGN_TRIES; tries++) {
        err = sign_once(k, alg, digest, until_ms, out, &retry, diag);
    }
    if (err == CH_OK) {
        err = sign_verify(k, alg, digest, slice_sub(buf_slice(out), start, out->len), diag);
    }
    if (err == CH_INTEGRITY) {
        hsm_recover_key(k, "wrong signature");
    }
    if (err != CH_OK) {
        out->len = start;
    }
    return err;
}

enum chancery_err hsm_sign(struct hsm_key *k, enum crypto_alg alg, struct slice message,
                           unsigned deadline_ms, struct buf *out, struct diag *diag)
{
    uint8_t digest[CRYPTO_HASH_MAX];
    enum crypto_hash hash = crypto_alg_hash(alg);
    if (hash == CRYPTO_HASH_NONE) {
        return hsm_sign_digest(k, alg, message, deadline_ms, out, diag);
    }
    crypto_digest(hash, message, digest);
    return hsm_sign_digest(k, alg, slice_of(digest, crypto_hash_size(hash)), deadline_ms, out,
                           diag);
}
