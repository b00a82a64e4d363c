/* `chancery hsm check`: what a module and token can do, and what stands on the token.
 *
 * Existing keys sign nothing but their probe: everything else would be a signature nobody accounts
 * for. With `generate`, session keys (gone with their session) sign once per algorithm. */
#include "hsm/hsm_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/os.h"

#define CHECK_WAIT_MS 5000
#define CHECK_THREADS 8
#define CHECK_ROUNDS 16

struct check {
    hsm_check_fn *report;
    void *ctx;
    unsigned failed;
    struct hsm_token *t;
    CK_SESSION_HANDLE session;
    struct hsm_key *some_key; /* for the thread test */
};

PRINTF_LIKE(4, 5)
static void check_line(struct check *c, enum hsm_check_level level, const char *what,
                       const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    c->failed += level == HSM_CHECK_FAIL;
    c->report(c->ctx, level, what, text);
}

static void check_error(struct check *c, const char *what, enum chancery_err err,
                        const struct diag *diag)
{
    check_line(c, HSM_CHECK_FAIL, what, "%s: %s", err_name(err), diag->text);
}

static int check_text(const CK_UTF8CHAR *field, int size)
{
    while (size > 0 && field[size - 1] == ' ') {
        size--;
    }
    return size;
}

static void check_module(struct check *c)
{
    CK_INFO info;
    CK_TOKEN_INFO token;
    CK_RV rv;
    HSM_CALL(rv, c->t->deadline_ms, c->t->m, C_GetInfo, &info);
    if (rv == CKR_OK) {
        check_line(c, HSM_CHECK_INFO, "module", "%.*s, library %d.%d, PKCS#11 %d.%d",
                   check_text(info.manufacturerID, sizeof info.manufacturerID),
                   (const char *)info.manufacturerID, info.libraryVersion.major,
                   info.libraryVersion.minor, info.cryptokiVersion.major,
                   info.cryptokiVersion.minor);
    }
    HSM_CALL(rv, c->t->deadline_ms, c->t->m, C_GetTokenInfo, c->t->slot, &token);
    if (rv != CKR_OK) {
        check_line(c, HSM_CHECK_FAIL, "token", "C_GetTokenInfo returned %s", hsm_rv_name(rv));
        return;
    }
    check_line(c, HSM_CHECK_OK, "token", "\"%s\", serial %.*s, model %.*s", c->t->uri.token,
               check_text((const CK_UTF8CHAR *)token.serialNumber, sizeof token.serialNumber),
               (const char *)token.serialNumber, check_text(token.model, sizeof token.model),
               (const char *)token.model);
    if ((token.flags & CKF_USER_PIN_COUNT_LOW) != 0) {
        check_line(c, HSM_CHECK_WARN, "pin", "wrong PINs were tried since the last login");
    }
    if ((token.flags & CKF_RNG) == 0) {
        check_line(c, HSM_CHECK_WARN, "random", "the token has no random generator");
    }
}

static void check_mechanism(struct check *c, CK_MECHANISM_TYPE mechanism, const char *name,
                            CK_FLAGS want)
{
    CK_MECHANISM_INFO info;
    CK_RV rv;
    HSM_CALL(rv, c->t->deadline_ms, c->t->m, C_GetMechanismInfo, c->t->slot, mechanism, &info);
    if (rv != CKR_OK || (info.flags & want) != want) {
        check_line(c, HSM_CHECK_WARN, "mechanism",
                   "%s is not offered; keys that need it cannot be used", name);
        return;
    }
    check_line(c, HSM_CHECK_OK, "mechanism", "%s, key sizes %lu to %lu", name,
               (unsigned long)info.ulMinKeySize, (unsigned long)info.ulMaxKeySize);
}

static void check_mechanisms(struct check *c)
{
    check_mechanism(c, CKM_RSA_PKCS, "CKM_RSA_PKCS", CKF_SIGN);
    check_mechanism(c, CKM_RSA_PKCS_PSS, "CKM_RSA_PKCS_PSS", CKF_SIGN);
    check_mechanism(c, CKM_ECDSA, "CKM_ECDSA", CKF_SIGN);
    check_mechanism(c, CKM_EDDSA, "CKM_EDDSA", CKF_SIGN);
    check_mechanism(c, CKM_RSA_PKCS_KEY_PAIR_GEN, "CKM_RSA_PKCS_KEY_PAIR_GEN",
                    CKF_GENERATE_KEY_PAIR);
    check_mechanism(c, CKM_EC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", CKF_GENERATE_KEY_PAIR);
    check_mechanism(c, CKM_EC_EDWARDS_KEY_PAIR_GEN, "CKM_EC_EDWARDS_KEY_PAIR_GEN",
                    CKF_GENERATE_KEY_PAIR);
}

static void check_sessions(struct check *c)
{
    CK_SESSION_HANDLE open[HSM_SESSIONS_MAX];
    unsigned n = 0;
    CK_RV rv = CKR_OK, ignored;
    while (n < c->t->max_sessions && rv == CKR_OK) {
        HSM_CALL(rv, c->t->deadline_ms, c->t->m, C_OpenSession, c->t->slot, CKF_SERIAL_SESSION,
                 NULL, NULL, &open[n]);
        n += rv == CKR_OK;
    }
    for (unsigned i = 0; i < n; i++) {
        HSM_CALL(ignored, c->t->deadline_ms, c->t->m, C_CloseSession, open[i]);
        (void)ignored;
    }
    check_line(c, n == c->t->max_sessions ? HSM_CHECK_OK : HSM_CHECK_WARN, "sessions",
               "%u of %u further sessions opened%s%s", n, c->t->max_sessions,
               rv == CKR_OK ? "" : ", then ", rv == CKR_OK ? "" : hsm_rv_name(rv));
}

/* ---- objects ---- */

static void check_private(struct check *c, CK_OBJECT_HANDLE object)
{
    struct diag diag = {.field = ""};
    struct hsm_uri name = {.token = ""};
    struct hsm_key *key = NULL;
    enum chancery_err err = hsm_key_name(c->t, c->session, object, &name, &diag);
    if (err == CH_OK) {
        err = hsm_key_adopt(c->t, c->session, object, &key, &diag);
    }
    if (err != CH_OK) {
        check_line(c, HSM_CHECK_FAIL, "key", "private key \"%s\": %s: %s", name.object,
                   err_name(err), diag.text);
        return;
    }
    c->some_key = key;
    check_line(c, HSM_CHECK_OK, "key", "%s %s: attributes as required, probe signed and verified",
               crypto_key_type_name(hsm_key_type(key)), key->uri);
    if (hsm_key_type(key) == CRYPTO_KEY_ED25519) {
        check_line(c, HSM_CHECK_INFO, "key",
                   "\"%s\" is Ed25519: libp11 cannot use any key of this token", name.object);
    }
}

static void check_public(struct check *c, CK_OBJECT_HANDLE object)
{
    struct diag diag = {.field = ""};
    struct hsm_uri name;
    CK_OBJECT_HANDLE private_key;
    if (hsm_key_name(c->t, c->session, object, &name, &diag) != CH_OK ||
        hsm_key_locate(c->t, c->session, &name, &private_key, &diag) != CH_OK) {
        check_line(c, HSM_CHECK_WARN, "object",
                   "a public key without its private key, as a killed key generation leaves it: %s",
                   diag.text);
    }
}

static void check_class(struct check *c, CK_OBJECT_CLASS object_class,
                        void (*look)(struct check *c, CK_OBJECT_HANDLE object), const char *stray)
{
    CK_ATTRIBUTE match = {CKA_CLASS, &object_class, sizeof object_class};
    CK_OBJECT_HANDLE found[HSM_FIND_MAX];
    size_t n = 0;
    struct diag diag = {.field = ""};
    enum chancery_err err = hsm_find(c->t, c->session, &match, 1, found, HSM_FIND_MAX, &n, &diag);
    if (err != CH_OK) {
        check_error(c, "objects", err, &diag);
        return;
    }
    for (size_t i = 0; look != NULL && i < n; i++) {
        look(c, found[i]);
    }
    if (look == NULL && n > 0) {
        check_line(c, HSM_CHECK_WARN, "object", "%zu %s on a token for signing keys", n, stray);
    }
}

static void check_objects(struct check *c)
{
    check_class(c, CKO_PRIVATE_KEY, check_private, NULL);
    check_class(c, CKO_PUBLIC_KEY, check_public, NULL);
    check_class(c, CKO_SECRET_KEY, NULL, "secret keys");
    check_class(c, CKO_CERTIFICATE, NULL, "certificates");
    check_class(c, CKO_DATA, NULL, "data objects");
}

/* ---- threads ---- */

static void *check_thread(void *arg)
{
    struct check *c = arg;
    uintptr_t bad = 0;
    for (int i = 0; i < CHECK_ROUNDS; i++) {
        CK_SESSION_HANDLE session;
        if (hsm_session_take(c->t, NULL, os_mono_ms() + CHECK_WAIT_MS, &session, NULL) != CH_OK) {
            bad++;
            continue;
        }
        enum chancery_err err = hsm_sign_probe(c->some_key, session, NULL);
        hsm_session_put(c->t, session, err == CH_OK);
        bad += err != CH_OK;
    }
    return (void *)bad;
}

static void check_threads(struct check *c)
{
    pthread_t threads[CHECK_THREADS];
    unsigned started = 0;
    uintptr_t bad = 0;
    if (c->some_key == NULL) {
        check_line(c, HSM_CHECK_INFO, "threads", "no key to sign with");
        return;
    }
    while (started < CHECK_THREADS &&
           pthread_create(&threads[started], NULL, check_thread, c) == 0) {
        started++;
    }
    for (unsigned i = 0; i < started; i++) {
        void *result = NULL;
        (void)pthread_join(threads[i], &result);
        bad += (uintptr_t)result;
    }
    check_line(c, bad == 0 ? HSM_CHECK_OK : HSM_CHECK_FAIL, "threads",
               "%u threads signed %u probes, %u failed", started, started * CHECK_ROUNDS,
               (unsigned)bad);
}

/* ---- algorithms, with session keys ---- */

static void check_sign(struct check *c, struct hsm_key *k, enum crypto_alg alg)
{
    uint8_t digest[CRYPTO_HASH_MAX];
    struct diag diag = {.field = ""};
    struct buf signature;
    bool called = false, valid = false;
    size_t size = crypto_hash_size(crypto_alg_hash(alg));
    struct slice data = slice_of(digest, size == 0 ? sizeof digest : size);
    os_random(digest, sizeof digest);
    buf_init(&signature, HSM_SIGNATURE_MAX);
    enum chancery_err err = hsm_sign_raw(k, c->session, alg, data, &signature, &called, &diag);
    if (err == CH_OK) {
        err = crypto_verify_digest(k->pub, alg, data, buf_slice(&signature), &valid, &diag);
    }
    if (err == CH_OK && valid) {
        check_line(c, HSM_CHECK_OK, "algorithm", "%s with %s", crypto_alg_name(alg),
                   crypto_key_type_name(crypto_public_type(k->pub)));
    } else {
        check_line(c, HSM_CHECK_FAIL, "algorithm", "%s with %s: %s", crypto_alg_name(alg),
                   crypto_key_type_name(crypto_public_type(k->pub)),
                   err == CH_OK ? "the signature does not verify" : diag.text);
    }
    buf_clear(&signature);
}

static void check_type(struct check *c, enum crypto_key_type type)
{
    char uri[] = "(session key)";
    struct hsm_key k = {.token = c->t, .uri = uri};
    struct diag diag = {.field = ""};
    CK_OBJECT_HANDLE public_key = CK_INVALID_HANDLE;
    CK_RV ignored;
    (void)snprintf(k.name.object, sizeof k.name.object, "chancery-check-%d", (int)type);
    os_random(k.name.id, 16);
    k.name.id_len = 16;
    enum chancery_err err =
        hsm_generate_pair(c->t, c->session, type, &k.name, false, &public_key, &k.handle, &diag);
    if (err != CH_OK) {
        check_error(c, crypto_key_type_name(type), err, &diag);
        return;
    }
    err = hsm_public_read(c->t, c->session, &k.name, &k.pub, &diag);
    if (err != CH_OK) {
        check_error(c, crypto_key_type_name(type), err, &diag);
    }
    for (int alg = CRYPTO_ALG_RSA_SHA256; err == CH_OK && alg <= CRYPTO_ALG_ED25519; alg++) {
        if (crypto_alg_fits((enum crypto_alg)alg, type)) {
            check_sign(c, &k, (enum crypto_alg)alg);
        }
    }
    crypto_public_free(k.pub);
    HSM_CALL(ignored, c->t->deadline_ms, c->t->m, C_DestroyObject, c->session, k.handle);
    HSM_CALL(ignored, c->t->deadline_ms, c->t->m, C_DestroyObject, c->session, public_key);
    (void)ignored;
}

static void check_algorithms(struct check *c)
{
    static const enum crypto_key_type types[] = {
        CRYPTO_KEY_RSA_2048, CRYPTO_KEY_P256, CRYPTO_KEY_P384, CRYPTO_KEY_P521, CRYPTO_KEY_ED25519};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        check_type(c, types[i]);
    }
}

enum chancery_err hsm_check(const struct hsm_opts *opts, bool generate, hsm_check_fn *report,
                            void *ctx, unsigned *out_failed, struct diag *diag)
{
    struct check c = {.report = report, .ctx = ctx};
    TRY(hsm_open(opts, &c.t, diag));
    enum chancery_err err =
        hsm_session_take(c.t, NULL, os_mono_ms() + CHECK_WAIT_MS, &c.session, diag);
    if (err == CH_OK) {
        check_module(&c);
        check_mechanisms(&c);
        check_sessions(&c);
        check_objects(&c);
        if (generate) {
            check_algorithms(&c);
        }
        hsm_session_put(c.t, c.session, true);
        check_threads(&c);
        *out_failed = c.failed;
    }
    hsm_close(c.t);
    return err;
}
