/* trust.json, as far as the log's verification needs it. */
#include "trust.h"

#include "json.h"
#include "os/os.h"

#define TRUST_FILE_MAX ((size_t)1 << 20)
#define TRUST_CONTEXT "chancery/trust/v1\n"
#define TRUST_ROOT "root" /* issuer whose key signs the file */

static enum chancery_err bad(struct diag *diag, const char *field, const char *text)
{
    return diag_set(diag, CH_INVALID, field, "trust.content", "trust.json: %s %s", field, text);
}

static enum chancery_err check_pin(struct verify_trust *t, struct slice file, const char *pin,
                                   struct diag *diag)
{
    uint8_t digest[32];
    uint8_t want[32];
    size_t n = 0;
    crypto_sha256(file, digest);
    hex_encode(slice_of(digest, sizeof digest), t->sha256);
    if (pin == NULL) {
        return CH_OK;
    }
    if (hex_decode(slice_str(pin), want, sizeof want, &n) != CH_OK || n != sizeof want) {
        return diag_set(diag, CH_INVALID, "--trust-sha256", "trust.pin",
                        "64 hex digits are expected");
    }
    if (memcmp(want, digest, sizeof want) != 0) {
        return diag_set(diag, CH_INTEGRITY, "--trust-sha256", "trust.pin",
                        "the file has SHA-256 %s: it is not the pinned trust.json", t->sha256);
    }
    return CH_OK;
}

static enum chancery_err forged(struct diag *diag, const char *text)
{
    return diag_set(diag, CH_INTEGRITY, "signature", "trust.signature", "trust.json: %s", text);
}

static struct slice get_text(const struct verify_json *object, const char *name)
{
    const struct verify_json *v = verify_json_get(object, name);
    return v != NULL && v->kind == VERIFY_JSON_TEXT ? v->text : (struct slice){0};
}

/* Appends TRUST_CONTEXT and the SHA-256 of the canonical JSON without the member "signature". */
static enum chancery_err signed_bytes(const struct verify_json *root, struct arena *arena,
                                      struct buf *out)
{
    uint8_t digest[32];
    struct verify_json body = *root, **tail = &body.first;
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, TRUST_FILE_MAX);
    body.first = NULL;
    for (const struct verify_json *v = root->first; v != NULL; v = v->next) {
        if (slice_eq(v->name, slice_str("signature"))) {
            continue;
        }
        struct verify_json *copy = arena_alloc(arena, sizeof *copy);
        if (copy == NULL) {
            return CH_NOMEM;
        }
        *copy = *v;
        copy->next = NULL;
        *tail = copy;
        tail = &copy->next;
    }
    TRY(verify_json_write(&body, &text));
    crypto_sha256(buf_slice(&text), digest);
    TRY(buf_add_str(out, TRUST_CONTEXT));
    return buf_add(out, slice_of(digest, sizeof digest));
}

static enum chancery_err root_key(const struct verify_json *root, struct crypto_public **out,
                                  struct diag *diag)
{
    const struct verify_json *list = verify_json_get(root, "issuers");
    CLEANUP(buf_clear) struct buf der;
    buf_init(&der, TRUST_FILE_MAX);
    for (const struct verify_json *v = list == NULL ? NULL : list->first; v != NULL; v = v->next) {
        if (slice_eq(get_text(v, "issuer_id"), slice_str(TRUST_ROOT)) &&
            base64_decode(get_text(v, "certificate"), &der) == CH_OK) {
            return crypto_public_from_certificate(buf_slice(&der), out, diag);
        }
    }
    return forged(diag, "no root with a certificate among the issuers");
}

static enum chancery_err check_signature(const struct crypto_public *key,
                                         const struct verify_json *root, struct arena *arena,
                                         struct diag *diag)
{
    const struct verify_json *member = verify_json_get(root, "signature");
    struct slice name = get_text(member, "alg");
    char alg_name[32] = "";
    bool valid = false;
    CLEANUP(buf_clear) struct buf message;
    CLEANUP(buf_clear) struct buf signature;
    buf_init(&message, 64);
    buf_init(&signature, 1024);
    if (name.len > 0 && name.len < sizeof alg_name) {
        memcpy(alg_name, name.ptr, name.len);
    }
    enum crypto_alg alg = crypto_alg_from_name(alg_name);
    if (!slice_eq(get_text(member, "key"), slice_str(TRUST_ROOT)) ||
        !crypto_alg_fits(alg, crypto_public_type(key)) ||
        base64_decode(get_text(member, "value"), &signature) != CH_OK) {
        return forged(diag, "no signature by the root, or one that does not parse");
    }
    TRY(signed_bytes(root, arena, &message));
    TRY(crypto_verify(key, alg, buf_slice(&message), buf_slice(&signature), &valid, diag));
    return valid ? CH_OK : forged(diag, "the root's key did not sign this content");
}

static enum chancery_err take_key(struct verify_trust *t, const struct verify_json *v,
                                  struct diag *diag)
{
    CLEANUP(buf_clear) struct buf spki;
    buf_init(&spki, 4096);
    if (t->n_keys == VERIFY_KEYS_MAX || v->kind != VERIFY_JSON_TEXT ||
        base64_decode(v->text, &spki) != CH_OK) {
        return bad(diag, "keys.checkpoint", "must be a short list of base64 public keys");
    }
    struct crypto_public *pub = NULL;
    TRY(crypto_public_from_spki(buf_slice(&spki), &pub, diag));
    t->pub[t->n_keys] = pub;
    t->keys[t->n_keys] = (struct tlog_key){t->origin, pub};
    uint8_t id[4];
    return tlog_key_id(&t->keys[t->n_keys++], id) == CH_OK
               ? CH_OK
               : bad(diag, "keys.checkpoint", "has a key that signs no checkpoints");
}

static enum chancery_err take_keys(struct verify_trust *t, const struct verify_json *root,
                                   struct diag *diag)
{
    const struct verify_json *list = verify_json_get(verify_json_get(root, "keys"), "checkpoint");
    bool p256 = false;
    bool ed25519 = false;
    if (list == NULL || list->kind != VERIFY_JSON_LIST) {
        return bad(diag, "keys.checkpoint", "is missing");
    }
    for (const struct verify_json *v = list->first; v != NULL; v = v->next) {
        TRY(take_key(t, v, diag));
        p256 = p256 || crypto_public_type(t->pub[t->n_keys - 1]) == CRYPTO_KEY_P256;
        ed25519 = ed25519 || crypto_public_type(t->pub[t->n_keys - 1]) == CRYPTO_KEY_ED25519;
    }
    return p256 && ed25519 ? CH_OK
                           : bad(diag, "keys.checkpoint", "must hold a P-256 and an Ed25519 key");
}

enum chancery_err verify_trust_load(struct verify_trust *t, const char *path, const char *pin,
                                    struct diag *diag)
{
    memset(t, 0, sizeof *t);
    CLEANUP(buf_clear) struct buf file;
    buf_init(&file, TRUST_FILE_MAX);
    TRY(os_file_read(path, &file, diag));
    TRY(check_pin(t, buf_slice(&file), pin, diag));
    struct verify_json *root = NULL;
    size_t at = 0;
    if (verify_json_read(buf_slice(&file), &t->arena, &root, &at) != CH_OK) {
        return diag_set(diag, CH_MALFORMED, path, "trust.json", "not JSON at octet %zu", at);
    }
    const struct verify_json *v = verify_json_get(root, "v");
    const struct verify_json *origin = verify_json_get(root, "origin");
    const struct verify_json *domain = verify_json_get(root, "trust_domain");
    const struct verify_json *rehearsal = verify_json_get(root, "rehearsal");
    if (v == NULL || v->kind != VERIFY_JSON_NUMBER || v->num != 1) {
        return bad(diag, "v", "must be 1: this program reads version 1 only");
    }
    if (origin == NULL || origin->kind != VERIFY_JSON_TEXT) {
        return bad(diag, "origin", "is missing");
    }
    if (domain == NULL || domain->kind != VERIFY_JSON_TEXT) {
        return bad(diag, "trust_domain", "is missing");
    }
    t->origin = origin->text;
    t->trust_domain = domain->text;
    t->rehearsal = rehearsal != NULL && rehearsal->kind == VERIFY_JSON_BOOL && rehearsal->num != 0;
    TRY(take_keys(t, root, diag));
    struct crypto_public *key = NULL;
    TRY(root_key(root, &key, diag));
    enum chancery_err err = check_signature(key, root, &t->arena, diag);
    crypto_public_free(key);
    return err;
}

void verify_trust_clear(struct verify_trust *t)
{
    for (size_t i = 0; i < t->n_keys; i++) {
        crypto_public_free(t->pub[i]);
    }
    arena_clear(&t->arena);
    memset(t, 0, sizeof *t);
}
