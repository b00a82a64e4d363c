/* trust.json, as far as the log's verification needs it. */
#include "trust.h"

#include "json.h"
#include "os/os.h"

#define TRUST_FILE_MAX ((size_t)1 << 20)

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
    return take_keys(t, root, diag);
}

void verify_trust_clear(struct verify_trust *t)
{
    for (size_t i = 0; i < t->n_keys; i++) {
        crypto_public_free(t->pub[i]);
    }
    arena_clear(&t->arena);
    memset(t, 0, sizeof *t);
}
