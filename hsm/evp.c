/* libp11, fenced in: an EVP_PKEY for code in OpenSSL that insists on one (CMS, X509_sign, TLS).
 *
 * What libp11 0.4.12 does, and the fence against it:
 * - one Ed25519 key on the token makes it see no key at all, with an empty error queue: the token
 * is looked at with direct calls first, and refused when it holds one;
 * - it waits for ever when C_OpenSession fails: every use stands under the watchdog;
 * - handles never recover: after any error the handle is dead, the caller opens another;
 * - it finalises the module on unload: it must be the module's only user in the process;
 * - its EC callback may fall back to a key of zeros: its public key is compared here, and whoever
 * signs verifies before storing. */
#include "hsm/hsm_int.h"

#include <libp11.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "os/os.h"

struct hsm_evp {
    struct hsm_module *m;
    PKCS11_CTX *ctx;
    PKCS11_SLOT *slots;
    unsigned n_slots;
    bool loaded;
    EVP_PKEY *pkey;
    unsigned deadline_ms;
    struct hsm_watch watch;
};

/* What direct calls found out before libp11 is let near the token. */
struct evp_target {
    struct hsm_uri token, key;
    struct crypto_public *pub;
};

static enum chancery_err evp_no_edwards(struct hsm_token *t, CK_SESSION_HANDLE session,
                                        struct diag *diag)
{
    CK_KEY_TYPE type = CKK_EC_EDWARDS;
    CK_ATTRIBUTE match = {CKA_KEY_TYPE, &type, sizeof type};
    CK_OBJECT_HANDLE found[1];
    size_t n = 0;
    TRY(hsm_find(t, session, &match, 1, found, 1, &n, diag));
    return n == 0 ? CH_OK
                  : diag_set(
                        diag, CH_UNSUPPORTED, "hsm.token", "hsm.evp.ed25519",
                        "token \"%s\" holds an Ed25519 key, which hides all keys from libp11; move "
                        "it to another token",
                        t->uri.token);
}

static enum chancery_err evp_look(struct hsm_token *t, CK_SESSION_HANDLE session,
                                  const char *key_uri, struct evp_target *out, struct diag *diag)
{
    struct hsm_uri uri;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    TRY(hsm_uri_parse(slice_str(key_uri), &uri, diag));
    if (uri.object[0] == '\0' && uri.id_len == 0) {
        return diag_set(diag, CH_INVALID, "hsm.key", "hsm.key.uri", "the URI names no key");
    }
    TRY(evp_no_edwards(t, session, diag));
    TRY(hsm_key_locate(t, session, &uri, &object, diag));
    TRY(hsm_key_name(t, session, object, &out->key, diag));
    TRY(hsm_attributes_required(t, session, object, diag));
    return hsm_public_read(t, session, &out->key, &out->pub, diag);
}

static enum chancery_err evp_prepare(const struct hsm_opts *opts, const struct secret *pin,
                                     const char *key_uri, struct evp_target *out, struct diag *diag)
{
    struct hsm_token *t = NULL;
    CK_SESSION_HANDLE session;
    TRY(hsm_open_pin(opts, pin, &t, diag));
    out->token = t->uri;
    enum chancery_err err =
        hsm_session_take(t, NULL, os_mono_ms() + t->deadline_ms, &session, diag);
    if (err == CH_OK) {
        err = evp_look(t, session, key_uri, out, diag);
        hsm_session_put(t, session, err != CH_HSM);
    }
    hsm_close(t);
    return err;
}

static enum chancery_err evp_failed(struct diag *diag, const char *call)
{
    unsigned long code = ERR_peek_last_error();
    char text[160] = "no detail";
    if (code != 0) {
        ERR_error_string_n(code, text, sizeof text);
    }
    ERR_clear_error();
    return diag_set(diag, CH_HSM, "hsm", "hsm.evp", "%s failed: %s", call, text);
}

static PKCS11_SLOT *evp_slot(const struct hsm_evp *e, const struct hsm_uri *uri)
{
    for (unsigned i = 0; i < e->n_slots; i++) {
        const PKCS11_TOKEN *token = e->slots[i].token;
        if (token != NULL && token->initialized && strcmp(token->label, uri->token) == 0 &&
            (uri->serial[0] == '\0' || strcmp(token->serialnr, uri->serial) == 0)) {
            return &e->slots[i];
        }
    }
    return NULL;
}

static enum chancery_err evp_login(PKCS11_SLOT *slot, const struct secret *pin, struct diag *diag)
{
    char text[HSM_PIN_MAX + 1];
    memcpy(text, pin->ptr, pin->len);
    text[pin->len] = '\0';
    int result = PKCS11_login(slot, 0, text);
    OPENSSL_cleanse(text, sizeof text);
    return result == 0 ? CH_OK : evp_failed(diag, "PKCS11_login");
}

static enum chancery_err evp_key(struct hsm_evp *e, PKCS11_SLOT *slot,
                                 const struct evp_target *target, struct diag *diag)
{
    PKCS11_KEY *keys = NULL;
    unsigned n = 0;
    if (PKCS11_enumerate_keys(slot->token, &keys, &n) != 0) {
        return evp_failed(diag, "PKCS11_enumerate_keys");
    }
    struct slice want = slice_of(target->key.id, target->key.id_len);
    for (unsigned i = 0; i < n && e->pkey == NULL; i++) {
        if (keys[i].label != NULL && strcmp(keys[i].label, target->key.object) == 0 &&
            slice_eq(slice_of(keys[i].id, keys[i].id_len), want)) {
            e->pkey = PKCS11_get_private_key(&keys[i]);
        }
    }
    if (e->pkey == NULL) {
        return evp_failed(diag, "PKCS11_get_private_key");
    }
    unsigned char *spki = NULL;
    int len = i2d_PUBKEY(e->pkey, &spki);
    bool same = len > 0 && slice_eq(slice_of(spki, (size_t)len), crypto_public_spki(target->pub));
    OPENSSL_free(spki);
    return same ? CH_OK
                : diag_set(diag, CH_INTEGRITY, "hsm.key", "hsm.key.changed",
                           "libp11 found another public key than the direct look");
}

static enum chancery_err evp_load(struct hsm_evp *e, const char *module, const struct secret *pin,
                                  const struct evp_target *target, struct diag *diag)
{
    e->ctx = PKCS11_CTX_new();
    if (e->ctx == NULL || PKCS11_CTX_load(e->ctx, module) != 0) {
        return evp_failed(diag, "PKCS11_CTX_load");
    }
    e->loaded = true;
    if (PKCS11_enumerate_slots(e->ctx, &e->slots, &e->n_slots) != 0) {
        return evp_failed(diag, "PKCS11_enumerate_slots");
    }
    PKCS11_SLOT *slot = evp_slot(e, &target->token);
    if (slot == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "hsm.token", "hsm.token.found", "no token \"%s\"",
                        target->token.token);
    }
    TRY(evp_login(slot, pin, diag));
    return evp_key(e, slot, target, diag);
}

static enum chancery_err evp_open(const struct hsm_opts *opts, const struct secret *pin,
                                  const struct evp_target *target, struct hsm_evp **out,
                                  struct diag *diag)
{
    struct hsm_evp *e = calloc(1, sizeof *e);
    if (e == NULL) {
        return diag_set(diag, CH_NOMEM, "hsm", "hsm.memory", "out of memory");
    }
    e->deadline_ms = opts->deadline_ms == 0 ? HSM_DEADLINE_DEFAULT_MS : opts->deadline_ms;
    enum chancery_err err = hsm_module_ref(opts->module, e->deadline_ms, true, &e->m, diag);
    if (err == CH_OK) {
        hsm_evp_enter(e);
        err = evp_load(e, opts->module, pin, target, diag);
        hsm_evp_leave(e);
    }
    if (err != CH_OK) {
        hsm_evp_close(e);
        return err;
    }
    *out = e;
    return CH_OK;
}

enum chancery_err hsm_evp_open(const struct hsm_opts *opts, const char *key_uri,
                               struct hsm_evp **out, struct diag *diag)
{
    struct secret pin = {NULL, 0, 0};
    struct evp_target target = {.pub = NULL};
    enum chancery_err err = hsm_pin_read(opts, &pin, diag);
    if (err == CH_OK) {
        err = evp_prepare(opts, &pin, key_uri, &target, diag);
    }
    if (err == CH_OK) {
        err = evp_open(opts, &pin, &target, out, diag);
    }
    crypto_public_free(target.pub);
    secret_clear(&pin);
    return err;
}

void *hsm_evp_pkey(struct hsm_evp *e)
{
    return e->pkey;
}

void hsm_evp_enter(struct hsm_evp *e)
{
    hsm_watch_begin(&e->watch, "libp11", e->deadline_ms);
}

void hsm_evp_leave(struct hsm_evp *e)
{
    hsm_watch_end(&e->watch);
}

void hsm_evp_close(struct hsm_evp *e)
{
    if (e == NULL) {
        return;
    }
    if (e->m != NULL) {
        hsm_evp_enter(e);
        EVP_PKEY_free(e->pkey);
        if (e->slots != NULL) {
            PKCS11_release_all_slots(e->ctx, e->slots, e->n_slots);
        }
        if (e->loaded) {
            PKCS11_CTX_unload(e->ctx);
        }
        if (e->ctx != NULL) {
            PKCS11_CTX_free(e->ctx);
        }
        hsm_evp_leave(e);
        hsm_module_unref(e->m);
    }
    free(e);
}
