/* trust.json: the ceremony's public results, pinned by the SHA-256 of the file's bytes.
 *
 * The pin in the process's configuration is what makes the content trusted; the root's signature
 * inside (trust_signature.c) must verify as well. */
#include <jansson.h>
#include <stdlib.h>

#include "daemon_int.h"
#include "os/os.h"

#define TRUST_FILE_MAX ((size_t)1 << 20) /* 100 issuers with their certificates are 200 KiB */
#define TRUST_KEYS_MAX 16                /* of one kind: old and new during a rotation, with room */
#define TRUST_ISSUERS_MAX 256

static enum chancery_err bad(struct diag *diag, const char *field, const char *text)
{
    return diag_set(diag, CH_INVALID, field, "trust.content", "trust.json: %s %s", field, text);
}

static enum chancery_err get_text(struct arena *a, const json_t *o, const char *key, bool required,
                                  const char **out, struct diag *diag)
{
    const json_t *v = json_object_get(o, key);
    if (v == NULL && !required) {
        *out = "";
        return CH_OK;
    }
    if (!json_is_string(v)) {
        return bad(diag, key, "must be a text");
    }
    *out = arena_str(a, slice_str(json_string_value(v)));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err get_base64(struct arena *a, const json_t *v, const char *field,
                                    struct slice *out, struct diag *diag)
{
    CLEANUP(buf_clear) struct buf b;
    buf_init(&b, TRUST_FILE_MAX);
    if (!json_is_string(v) || base64_decode(slice_str(json_string_value(v)), &b) != CH_OK ||
        b.len == 0) {
        return bad(diag, field, "must be canonical base64");
    }
    uint8_t *copy = arena_copy(a, buf_slice(&b));
    *out = slice_of(copy, b.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err load_keys(struct arena *a, const json_t *all, const char *kind,
                                   struct daemon_keys *out, struct diag *diag)
{
    const json_t *list = json_object_get(all, kind);
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > TRUST_KEYS_MAX) {
        return bad(diag, kind, "must be a list of 1 to 16 keys");
    }
    out->keys = arena_alloc(a, n * sizeof(struct crypto_public *));
    if (out->keys == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice spki = {0};
        TRY(get_base64(a, json_array_get(list, i), kind, &spki, diag));
        TRY(crypto_public_from_spki(spki, &out->keys[i], diag));
        crypto_public_prepare(out->keys[i]);
        out->n++;
    }
    return CH_OK;
}

static enum chancery_err load_issuer(struct arena *a, const json_t *o, struct daemon_issuer *out,
                                     struct diag *diag)
{
    TRY(get_text(a, o, "issuer_id", true, &out->issuer_id, diag));
    TRY(get_text(a, o, "crl_url", false, &out->crl_url, diag));
    TRY(get_text(a, o, "ocsp_url", false, &out->ocsp_url, diag));
    TRY(get_base64(a, json_object_get(o, "certificate"), "certificate", &out->certificate, diag));
    const json_t *shards = json_object_get(o, "shards");
    if (shards != NULL && (!json_is_integer(shards) || json_integer_value(shards) < 0 ||
                           json_integer_value(shards) > 65536)) {
        return bad(diag, "shards", "must be 0 to 65536");
    }
    out->shards = shards == NULL ? 0 : (uint32_t)json_integer_value(shards);
    return CH_OK;
}

static enum chancery_err load_issuers(struct daemon *d, const json_t *root, struct diag *diag)
{
    const json_t *list = json_object_get(root, "issuers");
    size_t n = json_array_size(list);
    if (!json_is_array(list) || n == 0 || n > TRUST_ISSUERS_MAX) {
        return bad(diag, "issuers", "must be a list of 1 to 256 issuers");
    }
    struct daemon_issuer *issuers = arena_alloc(&d->trust_arena, n * sizeof *issuers);
    if (issuers == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(load_issuer(&d->trust_arena, json_array_get(list, i), &issuers[i], diag));
    }
    d->trust.issuers = issuers;
    d->trust.n_issuers = n;
    return CH_OK;
}

static enum chancery_err load(struct daemon *d, const json_t *root, struct diag *diag)
{
    struct daemon_trust *t = &d->trust;
    struct arena *a = &d->trust_arena;
    const json_t *v = json_object_get(root, "v");
    if (!json_is_integer(v) || json_integer_value(v) != 1) {
        return bad(diag, "v", "must be 1: this program reads version 1 only");
    }
    TRY(get_text(a, root, "trust_domain", true, &t->trust_domain, diag));
    TRY(get_text(a, root, "origin", true, &t->origin, diag));
    const json_t *keys = json_object_get(root, "keys");
    TRY(load_keys(a, keys, "permit", &t->permit, diag));
    TRY(load_keys(a, keys, "statement", &t->statement, diag));
    TRY(load_keys(a, keys, "checkpoint", &t->checkpoint, diag));
    TRY(load_issuers(d, root, diag));
    const json_t *bundle = json_object_get(root, "bundle_sha256");
    size_t n = 0;
    if (!json_is_string(bundle) ||
        hex_decode(slice_str(json_string_value(bundle)), t->bundle_sha256, 32, &n) != CH_OK ||
        n != 32) {
        return bad(diag, "bundle_sha256", "must be 64 hex digits");
    }
    t->rehearsal = json_is_true(json_object_get(root, "rehearsal"));
    return CH_OK;
}

enum chancery_err daemon_trust_load(struct daemon *d, const char *path, const char *pin,
                                    struct diag *diag)
{
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, TRUST_FILE_MAX);
    TRY(os_file_read(path, &text, diag));
    crypto_sha256(buf_slice(&text), d->trust.sha256);
    uint8_t want[32];
    size_t n = 0;
    if (hex_decode(slice_str(pin), want, sizeof want, &n) != CH_OK || n != 32) {
        return diag_set(diag, CH_INVALID, "trust_sha256", "trust.pin", "must be 64 hex digits");
    }
    if (memcmp(want, d->trust.sha256, 32) != 0) {
        char got[65];
        hex_encode(slice_of(d->trust.sha256, 32), got);
        return diag_set(diag, CH_INTEGRITY, "trust_sha256", "trust.pin",
                        "%s has SHA-256 %s, not the pinned one: this is not the ceremony's file",
                        path, got);
    }
    json_error_t e;
    json_t *root = json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL) {
        return diag_set(diag, CH_MALFORMED, "trust", "trust.json", "%s:%d:%d: %s", path, e.line,
                        e.column, e.text);
    }
    enum chancery_err err = load(d, root, diag);
    err = err == CH_OK ? daemon_trust_verify(d, root, diag) : err;
    json_decref(root);
    return err;
}

static void keys_clear(struct daemon_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        crypto_public_free(keys->keys[i]);
    }
    keys->n = 0;
}

void daemon_trust_clear(struct daemon *d)
{
    keys_clear(&d->trust.permit);
    keys_clear(&d->trust.statement);
    keys_clear(&d->trust.checkpoint);
    arena_clear(&d->trust_arena);
}

const struct daemon_issuer *daemon_trust_issuer(const struct daemon *d, const char *issuer_id)
{
    for (size_t i = 0; i < d->trust.n_issuers; i++) {
        if (strcmp(d->trust.issuers[i].issuer_id, issuer_id) == 0) {
            return &d->trust.issuers[i];
        }
    }
    return NULL;
}

const struct crypto_public *daemon_keys_find(const struct daemon_keys *keys,
                                             const uint8_t spki_sha256[32])
{
    for (size_t i = 0; i < keys->n; i++) {
        if (memcmp(crypto_public_spki_sha256(keys->keys[i]), spki_sha256, 32) == 0) {
            return keys->keys[i];
        }
    }
    return NULL;
}

enum chancery_err daemon_keys_verify(const struct daemon_keys *keys, struct slice message,
                                     struct slice signature, bool *out_valid, struct diag *diag)
{
    *out_valid = false;
    for (size_t i = 0; i < keys->n && !*out_valid; i++) {
        enum crypto_alg alg = crypto_alg_default(crypto_public_type(keys->keys[i]));
        TRY(crypto_verify(keys->keys[i], alg, message, signature, out_valid, diag));
    }
    return CH_OK;
}
