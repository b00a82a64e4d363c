/* Officers of table tests: a bundle's officers keep their ids, identities and roles and get keys
 * that are made from their ids, so that a test can sign for them. The bundle that is tested so is
 * not the bundle that is promoted: only its officers' keys differ. */
#include "trial/table_officers.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "approval/approval.h"
#include "conf/conf.h"

#define SEED_HEAD "chancery/test-officer\n"
#define FILE_MAX ((size_t)8 << 20)

static EVP_PKEY *key_of(const char *id)
{
    uint8_t seed[32];
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 4096);
    if (buf_add_str(&b, SEED_HEAD) != CH_OK || buf_add_str(&b, id) != CH_OK) {
        return NULL;
    }
    crypto_sha256(buf_slice(&b), seed);
    return EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, sizeof seed);
}

static enum chancery_err spki_of(EVP_PKEY *key, struct buf *out)
{
    uint8_t *der = NULL;
    int n = key == NULL ? -1 : i2d_PUBKEY(key, &der);
    enum chancery_err err = n > 0 ? buf_add(out, slice_of(der, (size_t)n)) : CH_CRYPTO;
    OPENSSL_free(der);
    return err;
}

/* Appends `text` with each `from` replaced. */
static enum chancery_err replace(struct slice text, struct slice from, struct slice to,
                                 struct buf *out)
{
    while (text.len > 0) {
        const uint8_t *at = memmem(text.ptr, text.len, from.ptr, from.len);
        size_t before = at == NULL ? text.len : (size_t)(at - text.ptr);
        TRY(buf_add(out, slice_sub(text, 0, before)));
        if (at == NULL) {
            return CH_OK;
        }
        TRY(buf_add(out, to));
        text = slice_sub(text, before + from.len, text.len);
    }
    return CH_OK;
}

static enum chancery_err exchange_key(const struct conf_node *officer, struct slice *text,
                                      struct arena *arena)
{
    const char *id = NULL, *key = NULL;
    struct buf spki CLEANUP(buf_clear), base64 CLEANUP(buf_clear), out CLEANUP(buf_clear);
    buf_init(&spki, 256);
    buf_init(&base64, 512);
    buf_init(&out, FILE_MAX);
    if (conf_kind(officer) != CONF_MAP ||
        conf_string(officer, "id", CONF_REQUIRED, &id, NULL) != CH_OK ||
        conf_string(officer, "key", CONF_REQUIRED, &key, NULL) != CH_OK || key[0] == '\0') {
        return CH_OK; /* the bundle's compiler says what is wrong */
    }
    EVP_PKEY *own = key_of(id);
    enum chancery_err err = spki_of(own, &spki);
    EVP_PKEY_free(own);
    TRY(err);
    TRY(base64_encode(buf_slice(&spki), &base64));
    TRY(replace(*text, slice_str(key), buf_slice(&base64), &out));
    uint8_t *copy = arena_copy(arena, buf_slice(&out));
    *text = slice_of(copy, out.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err trial_officers_exchange(const struct policy_file *file, struct arena *arena,
                                          struct slice *out, struct diag *diag)
{
    struct conf_doc *doc = NULL;
    *out = file->content;
    TRY(conf_parse(file->path, file->content, &doc, diag));
    const struct conf_node *list = conf_get(conf_root(doc), "officers");
    enum chancery_err err = CH_OK;
    for (size_t i = 0; err == CH_OK && conf_kind(list) == CONF_LIST && i < conf_count(list); i++) {
        err = exchange_key(conf_at(list, i), out, arena);
    }
    conf_free(doc);
    return err;
}

static enum chancery_err sign(EVP_PKEY *key, struct slice message, struct arena *arena,
                              struct slice *out)
{
    uint8_t signature[64];
    size_t len = sizeof signature;
    EVP_MD_CTX *md = EVP_MD_CTX_new();
    bool ok = md != NULL && EVP_DigestSignInit(md, NULL, NULL, NULL, key) == 1 &&
              EVP_DigestSign(md, signature, &len, message.ptr, message.len) == 1;
    EVP_MD_CTX_free(md);
    if (!ok) {
        return CH_CRYPTO;
    }
    uint8_t *copy = arena_copy(arena, slice_of(signature, len));
    *out = slice_of(copy, len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err trial_officers_sign(const struct trial_signed_off *s, const uint8_t subject[32],
                                      int64_t at_s, struct arena *arena,
                                      struct policy_approval *out, struct diag *diag)
{
    struct buf spki CLEANUP(buf_clear), bytes CLEANUP(buf_clear);
    struct approval a = {.purpose = APPROVAL_REQUEST,
                         .decision = s->reject ? APPROVAL_REJECT : APPROVAL_APPROVE,
                         .step = slice_str(s->step),
                         .issued_at_s = at_s,
                         .expires_at_s = at_s + 86400};
    EVP_PKEY *key = key_of(s->officer);
    buf_init(&spki, 256);
    buf_init(&bytes, 1024);
    memcpy(a.subject, subject, 32);
    enum chancery_err err = spki_of(key, &spki);
    if (err == CH_OK) {
        crypto_sha256(buf_slice(&spki), a.approver);
        err = approval_write(&a, &bytes, diag);
    }
    uint8_t *copy = err == CH_OK ? arena_copy(arena, buf_slice(&bytes)) : NULL;
    if (err == CH_OK) {
        out->bytes = slice_of(copy, bytes.len);
        err = copy == NULL ? CH_NOMEM : sign(key, out->bytes, arena, &out->signature);
    }
    EVP_PKEY_free(key);
    return err;
}
