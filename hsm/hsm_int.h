/* Private to hsm/: module, token, key, sessions.
 *
 * Locking: one mutex per module guards everything below it; it is never held across a PKCS#11 call.
 * `active` counts threads inside the module with a session; `exclusive` is held by whoever
 * re-initialises or attaches. A thread enters only while ready and not exclusive, so after a drain
 * no old session or object handle is in anyone's hands. The registry's mutex is taken before a
 * module's. */
#ifndef CHANCERY_HSM_HSM_INT_H
#define CHANCERY_HSM_HSM_INT_H

#include <p11-kit/pkcs11.h>
#include <pthread.h>

#include "hsm/hsm.h"
#include "hsm/uri.h"

#define HSM_DEADLINE_DEFAULT_MS 5000
#define HSM_GENERATE_DEADLINE_MS 120000 /* RSA-4096 took 10 s in SoftHSM on a loaded machine */
#define HSM_SESSIONS_MAX 32
#define HSM_KEYS_MAX 64        /* keys opened per token */
#define HSM_SIGNATURE_MAX 1024 /* RSA-8192; longest we make is RSA-4096's 512 */
#define HSM_PIN_MAX 255        /* SoftHSM's limit; PKCS#11 names none */
#define HSM_BACKOFF_FIRST_MS 50
#define HSM_BACKOFF_MAX_MS 500 /* so that work resumes within a second of the fault's end */
#define HSM_EXIT_HUNG 75       /* EX_TEMPFAIL: the supervisor restarts */

enum hsm_key_state {
    HSM_KEY_LOST = 0, /* handle unknown: the token must be attached again */
    HSM_KEY_UNPROVEN, /* found, public key equal, probe outstanding */
    HSM_KEY_GOOD,
};

struct hsm_key {
    struct hsm_token *token;
    struct hsm_key *next;
    char *uri;
    struct hsm_uri name; /* label and id */
    struct crypto_public *pub;
    CK_OBJECT_HANDLE handle;
    enum hsm_key_state state;
};

struct hsm_token {
    struct hsm_module *m;
    struct hsm_token *next;
    struct hsm_uri uri; /* token part */
    struct secret pin;
    unsigned deadline_ms;
    CK_SLOT_ID slot;
    CK_SESSION_HANDLE anchor; /* keeps the login alive while the pool is empty */
    bool attached;
    bool pin_refused; /* never tried again: tokens lock after a few wrong PINs */
    CK_SESSION_HANDLE idle[HSM_SESSIONS_MAX];
    unsigned n_idle, n_open, max_sessions;
    struct hsm_key *keys;
    unsigned n_keys;
};

struct hsm_module {
    struct hsm_module *next;
    char *path;
    void *dl;
    CK_FUNCTION_LIST *fn;
    unsigned refs;
    bool libp11; /* held by hsm/evp.c: its library finalises the module under everyone's feet */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* any state below */
    unsigned active, waiters;
    bool ready, exclusive;
    bool wanted;     /* re-initialise */
    bool probe;      /* a key is unproven */
    bool recovering; /* an attempt runs: tokens and keys may not be freed, exclusive not taken */
    bool closing;
    unsigned deadline_ms; /* longest of its tokens: for C_Initialize, C_Finalize */
    struct hsm_token *tokens;
    pthread_t recoverer;
    bool has_recoverer;
    int64_t lost_at_ms;
};

/* ---- watchdog.c ---- */
struct hsm_watch {
    const char *what;
    int64_t until_ms;
    struct hsm_watch *prev, *next;
};
enum chancery_err hsm_watchdog_start(struct diag *diag) MUST_CHECK;
/* hsm_thread_start makes a thread that takes no signals: they belong to the program. */
bool hsm_thread_start(pthread_t *out, void *(*start)(void *), void *arg);
void hsm_watch_begin(struct hsm_watch *w, const char *what, unsigned deadline_ms);
void hsm_watch_end(struct hsm_watch *w);

/* HSM_CALL(rv, deadline_ms, module, C_Xxx, arguments...) makes one guarded PKCS#11 call. */
#define HSM_CALL(rv, deadline, module, name, ...)                                                  \
    do {                                                                                           \
        struct hsm_watch watch_;                                                                   \
        hsm_watch_begin(&watch_, #name, (deadline));                                               \
        (rv) = (module)->fn->name(__VA_ARGS__);                                                    \
        hsm_watch_end(&watch_);                                                                    \
    } while (0)

/* ---- module.c ---- */
/* hsm_module_ref loads and initialises a module or returns the loaded one. `libp11`: alone and not
 * initialised. CH_PRECONDITION when the other kind of user holds it. */
enum chancery_err hsm_module_ref(const char *path, unsigned deadline_ms, bool libp11,
                                 struct hsm_module **out, struct diag *diag) MUST_CHECK;
void hsm_module_unref(struct hsm_module *m);
CK_RV hsm_module_initialize(struct hsm_module *m);
void hsm_module_exclusive(struct hsm_module *m, bool on); /* waits; no drain */

/* hsm_rv_set fills diag for a failed call: rule "hsm.<what>", text with the CKR name. Returns
 * `err`. */
enum chancery_err hsm_rv_set(struct diag *diag, enum chancery_err err, const char *call, CK_RV rv);
const char *hsm_rv_name(CK_RV rv); /* "CKR_DEVICE_ERROR", or "an unknown CKR code" */

/* ---- token.c ---- */
enum chancery_err hsm_token_slot(struct hsm_module *m, const struct hsm_uri *uri,
                                 unsigned deadline_ms, CK_SLOT_ID *out, CK_TOKEN_INFO *out_info,
                                 struct diag *diag) MUST_CHECK;
/* hsm_token_attach finds the slot, opens the anchor, logs in. The caller holds `exclusive`. */
enum chancery_err hsm_token_attach(struct hsm_token *t, struct diag *diag) MUST_CHECK;
/* hsm_pin_read reads the PIN from where `opts` says; hsm_open_pin is hsm_open with a PIN in hand.
 */
enum chancery_err hsm_pin_read(const struct hsm_opts *opts, struct secret *pin,
                               struct diag *diag) MUST_CHECK;
enum chancery_err hsm_open_pin(const struct hsm_opts *opts, const struct secret *pin,
                               struct hsm_token **out, struct diag *diag) MUST_CHECK;
/* hsm_slots_list: all slots, malloc'ed. */
enum chancery_err hsm_slots_list(struct hsm_module *m, unsigned deadline_ms, CK_SLOT_ID **out,
                                 CK_ULONG *out_n, struct diag *diag) MUST_CHECK;
/* hsm_padded_eq compares a blank-padded CK_TOKEN_INFO field with text. */
bool hsm_padded_eq(const CK_UTF8CHAR *field, size_t size, const char *text);

/* ---- session.c ---- */
/* hsm_session_take waits until `until_ms` (monotonic) for a usable token, for `k` (may be NULL) to
 * be good, and for a free session. CH_BUSY, CH_UNAVAILABLE. */
enum chancery_err hsm_session_take(struct hsm_token *t, const struct hsm_key *k, int64_t until_ms,
                                   CK_SESSION_HANDLE *out, struct diag *diag) MUST_CHECK;
/* hsm_session_put returns it; after an unexpected error (`good` false) it is closed instead. */
void hsm_session_put(struct hsm_token *t, CK_SESSION_HANDLE session, bool good);

/* ---- key.c ---- */
#define HSM_FIND_MAX 256 /* objects looked at per search */
enum chancery_err hsm_find(struct hsm_token *t, CK_SESSION_HANDLE session, CK_ATTRIBUTE *match,
                           CK_ULONG n_match, CK_OBJECT_HANDLE *out, size_t cap, size_t *out_n,
                           struct diag *diag) MUST_CHECK;
/* hsm_attribute_get reads one attribute into `out`. CH_NOT_FOUND when the object has none. */
enum chancery_err hsm_attribute_get(struct hsm_token *t, CK_SESSION_HANDLE session,
                                    CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, uint8_t *out,
                                    size_t cap, size_t *out_len, struct diag *diag) MUST_CHECK;
/* hsm_key_name reads label and id of an object. */
enum chancery_err hsm_key_name(struct hsm_token *t, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, struct hsm_uri *out,
                               struct diag *diag) MUST_CHECK;
/* hsm_public_read builds the public key that stands beside a private key (same CKA_ID and label).
 */
enum chancery_err hsm_public_read(struct hsm_token *t, CK_SESSION_HANDLE session,
                                  const struct hsm_uri *name, struct crypto_public **out,
                                  struct diag *diag) MUST_CHECK;
/* hsm_key_locate finds the private key with this label and id, exactly one. */
enum chancery_err hsm_key_locate(struct hsm_token *t, CK_SESSION_HANDLE session,
                                 const struct hsm_uri *name, CK_OBJECT_HANDLE *out,
                                 struct diag *diag) MUST_CHECK;
/* hsm_key_adopt makes a struct hsm_key of a private key object: public key, attributes, probe. */
enum chancery_err hsm_key_adopt(struct hsm_token *t, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE object, struct hsm_key **out,
                                struct diag *diag) MUST_CHECK;
void hsm_key_free(struct hsm_key *k);

/* ---- attributes.c ---- */
/* hsm_attributes_required checks I1 on a private key object: generated in the token, sensitive,
 * never extractable, signs and does nothing else, cannot be changed or copied. CH_INTEGRITY names
 * the first attribute that differs. */
enum chancery_err hsm_attributes_required(struct hsm_token *t, CK_SESSION_HANDLE session,
                                          CK_OBJECT_HANDLE object, struct diag *diag) MUST_CHECK;

/* ---- sign.c ---- */
/* hsm_sign_raw makes one C_SignInit + C_Sign on a session in hand; `out` gets the X.509 form, not
 * yet verified. *out_sign_called says whether C_Sign was reached. */
enum chancery_err hsm_sign_raw(struct hsm_key *k, CK_SESSION_HANDLE session, enum crypto_alg alg,
                               struct slice digest, struct buf *out, bool *out_sign_called,
                               struct diag *diag) MUST_CHECK;
/* hsm_sign_probe signs and verifies the probe message of `k`. */
enum chancery_err hsm_sign_probe(struct hsm_key *k, CK_SESSION_HANDLE session,
                                 struct diag *diag) MUST_CHECK;
/* hsm_mechanism_of: the mechanism `alg` goes out as, for hsm/check.c. */
CK_MECHANISM_TYPE hsm_mechanism_of(enum crypto_alg alg);

/* ---- generate.c ---- */
/* hsm_generate_pair makes a pair with the given label and id; `on_token` false makes session
 * objects (diagnosis). */
enum chancery_err hsm_generate_pair(struct hsm_token *t, CK_SESSION_HANDLE session,
                                    enum crypto_key_type type, const struct hsm_uri *name,
                                    bool on_token, CK_OBJECT_HANDLE *out_public,
                                    CK_OBJECT_HANDLE *out_private, struct diag *diag) MUST_CHECK;

/* ---- recover.c ---- */
enum chancery_err hsm_recover_start(struct hsm_module *m, struct diag *diag) MUST_CHECK;
void hsm_recover_stop(struct hsm_module *m);
/* hsm_recover_request asks for re-initialisation after an unexpected error (`why` for the log). */
void hsm_recover_request(struct hsm_module *m, const char *why);
/* hsm_recover_key stops one key until a probe of it verifies. */
void hsm_recover_key(struct hsm_key *k, const char *why);

#endif
