/* PKCS#11: tokens, sessions, keys, signatures. The only module that includes PKCS#11 headers.
 *
 * Direct calls on a module loaded at run time. Tokens and keys are named by pkcs11: URI (RFC 7512),
 * never by slot number. A signature is verified with the public key before it is returned. When a
 * session or the token is lost: calls drain, the module is re-initialised, the key found again, its
 * public key compared, a probe signed, and work resumes. A call that outlives its deadline cannot
 * be cancelled: the watchdog ends the process with _exit(75) and its supervisor restarts it.
 * Thread-safe: any number of threads may sign; sessions are pooled. */
#ifndef CHANCERY_HSM_HSM_H
#define CHANCERY_HSM_HSM_H

#include "base/bytes.h"
#include "base/secret.h"
#include "crypto/alg.h"

struct hsm_token;
struct hsm_key;

struct hsm_opts {
    const char *module;    /* path of the PKCS#11 module */
    const char *token_uri; /* "pkcs11:token=chancery-ca" (serial=... optional); no PIN in it */
    const char *pin_file;  /* root-only file; or NULL with pin_fd >= 0 */
    int pin_fd;            /* -1 when pin_file is used */
    unsigned sessions;     /* signing sessions; 0: 2 per core, at most 32 */
    unsigned deadline_ms;  /* per PKCS#11 call; 0: 5000 */
};

/* hsm_open loads the module, finds the token, logs in. */
enum chancery_err hsm_open(const struct hsm_opts *opts, struct hsm_token **out,
                           struct diag *diag) MUST_CHECK;
void hsm_close(struct hsm_token *t);

/* hsm_healthy says whether the token worked at its last use (false while recovering). */
bool hsm_healthy(const struct hsm_token *t);

/* hsm_key_open finds one private key by URI attributes (object=label and/or id=...) on the token,
 * reads its public key, checks the attributes of I1 (hsm_attributes_required), probe-signs and
 * verifies. The key is owned by the token. CH_NOT_FOUND, CH_INTEGRITY (attributes), CH_HSM. */
enum chancery_err hsm_key_open(struct hsm_token *t, const char *key_uri, struct hsm_key **out,
                               struct diag *diag) MUST_CHECK;

/* hsm_keys_open opens every signing key on the token (signer). `out` holds up to `cap`. A key that
 * fails a check is skipped and logged (hsm.key_skipped); an error only when none is left, or when
 * the device fails (CH_HSM): then nothing is known of the keys. An empty token: CH_OK, 0. */
enum chancery_err hsm_keys_open(struct hsm_token *t, struct hsm_key **out, size_t cap,
                                size_t *out_n, struct diag *diag) MUST_CHECK;

const char *hsm_key_uri(const struct hsm_key *k);
struct slice hsm_key_spki(const struct hsm_key *k);          /* SubjectPublicKeyInfo DER */
const uint8_t *hsm_key_spki_sha256(const struct hsm_key *k); /* 32 bytes */
const struct crypto_public *hsm_key_public(const struct hsm_key *k);
enum crypto_key_type hsm_key_type(const struct hsm_key *k); /* crypto/alg.h */

/* hsm_sign_digest signs a digest with `alg` (digest length must match); for Ed25519 `digest` is the
 * whole message. Appends the X.509 signature value (ECDSA: DER) to `out` after verifying it.
 * `deadline_ms` bounds queueing for a session. CH_BUSY, CH_UNAVAILABLE (recovering), CH_HSM,
 * CH_INTEGRITY (module returned a wrong signature: key is stopped until it recovers by probe). */
enum chancery_err hsm_sign_digest(struct hsm_key *k, enum crypto_alg alg, struct slice digest,
                                  unsigned deadline_ms, struct buf *out,
                                  struct diag *diag) MUST_CHECK;

/* hsm_sign hashes `message` and signs. */
enum chancery_err hsm_sign(struct hsm_key *k, enum crypto_alg alg, struct slice message,
                           unsigned deadline_ms, struct buf *out, struct diag *diag) MUST_CHECK;

/* hsm_key_generate makes a key pair in the token with every attribute explicit, reads them back,
 * probe-signs, and returns it opened. label: printable ASCII, 1..64; must be new on the token.
 * extractable/wrappable keys do not exist here. */
enum chancery_err hsm_key_generate(struct hsm_token *t, enum crypto_key_type type,
                                   const char *label, struct hsm_key **out,
                                   struct diag *diag) MUST_CHECK;

/* The fixed probe message of a key: SHA-256 of "chancery/probe/v1" || CKA_ID. Its signatures are
 * known and not counted as issuance. */
void hsm_probe_digest(struct slice key_id, uint8_t out[32]);

/* hsm_token_init initialises an empty token slot: label, SO PIN and user PIN from files. CH_EXISTS
 * when a token with that label exists. */
enum chancery_err hsm_token_init(const char *module, const char *label, const char *so_pin_file,
                                 const char *pin_file, struct diag *diag) MUST_CHECK;

/* ---- diagnosis (`chancery hsm check`) ---- */
enum hsm_check_level { HSM_CHECK_OK = 1, HSM_CHECK_INFO, HSM_CHECK_WARN, HSM_CHECK_FAIL };
typedef void hsm_check_fn(void *ctx, enum hsm_check_level level, const char *what,
                          const char *detail);

/* hsm_check examines module and token: mechanisms, sessions, threads, attributes of each key, stray
 * and unusable objects, sign and verify per algorithm (only with existing keys unless `generate`:
 * then temporary session keys). *out_failed counts FAIL lines. */
enum chancery_err hsm_check(const struct hsm_opts *opts, bool generate, hsm_check_fn *report,
                            void *ctx, unsigned *out_failed, struct diag *diag) MUST_CHECK;

/* ---- where OpenSSL needs an EVP_PKEY: libp11, fenced (hsm/evp.c) ---- */
struct hsm_evp;
/* hsm_evp_open opens one RSA or EC key through libp11 for short use (CMS, X509_sign, TLS). Refuses
 * tokens that hold an Ed25519 key (libp11 0.4.12 then sees no keys at all). Every use is under the
 * watchdog; after any error the handle is dead and must be reopened. */
enum chancery_err hsm_evp_open(const struct hsm_opts *opts, const char *key_uri,
                               struct hsm_evp **out, struct diag *diag) MUST_CHECK;
void *hsm_evp_pkey(struct hsm_evp *e); /* EVP_PKEY *, borrowed */
/* hsm_evp_enter/leave bracket each OpenSSL call that uses the key, so that the watchdog guards it.
 */
void hsm_evp_enter(struct hsm_evp *e);
void hsm_evp_leave(struct hsm_evp *e);
void hsm_evp_close(struct hsm_evp *e);

#endif
