/* The signature inside trust.json: the root's key over the canonical JSON without that member.
 *
 * The pin says which file; the signature says that the ceremony's root key made all of it, so that
 * nobody can pin a file that was put together by hand. Format: docs/CEREMONY.md, Outputs. */
#include <jansson.h>
#include <stdlib.h>

#include "daemon_int.h"

#define TRUST_CONTEXT "chancery/trust/v1\n"
#define TRUST_ROOT "root"        /* issuer whose key signs; the member `key` says so too */
#define TRUST_SIGNATURE_MAX 1024 /* RSA-4096 has 512 */

static enum chancery_err refuse(struct diag *diag, const char *text)
{
    return diag_set(diag, CH_INTEGRITY, "signature", "trust.signature", "trust.json: %s", text);
}

/* TRUST_CONTEXT || SHA-256(canonical JSON without "signature"). */
static enum chancery_err message(json_t *root, uint8_t out[sizeof TRUST_CONTEXT - 1 + 32])
{
    json_t *body = json_copy(root);
    if (body == NULL || json_object_del(body, "signature") != 0) {
        json_decref(body);
        return CH_NOMEM;
    }
    char *text = json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT);
    json_decref(body);
    if (text == NULL) {
        return CH_NOMEM;
    }
    memcpy(out, TRUST_CONTEXT, sizeof TRUST_CONTEXT - 1);
    crypto_sha256(slice_str(text), out + sizeof TRUST_CONTEXT - 1);
    free(text);
    return CH_OK;
}

static enum chancery_err check(const struct crypto_public *key, json_t *root, struct slice value,
                               struct diag *diag)
{
    uint8_t signed_bytes[sizeof TRUST_CONTEXT - 1 + 32];
    const char *name =
        json_string_value(json_object_get(json_object_get(root, "signature"), "alg"));
    enum crypto_alg alg = name == NULL ? CRYPTO_ALG_NONE : crypto_alg_from_name(name);
    bool valid = false;
    if (!crypto_alg_fits(alg, crypto_public_type(key))) {
        return refuse(diag, "the signature's algorithm is unknown or not one of the root's key");
    }
    TRY(message(root, signed_bytes));
    TRY(crypto_verify(key, alg, slice_of(signed_bytes, sizeof signed_bytes), value, &valid, diag));
    return valid ? CH_OK : refuse(diag, "the root's key did not sign this content");
}

enum chancery_err daemon_trust_verify(const struct daemon *d, json_t *root, struct diag *diag)
{
    const json_t *member = json_object_get(root, "signature");
    const char *by = json_string_value(json_object_get(member, "key"));
    const char *value = json_string_value(json_object_get(member, "value"));
    const struct daemon_issuer *issuer = daemon_trust_issuer(d, TRUST_ROOT);
    if (by == NULL || value == NULL || strcmp(by, TRUST_ROOT) != 0 || issuer == NULL) {
        return refuse(diag, "no signature by the root, or no root among the issuers");
    }
    CLEANUP(buf_clear) struct buf signature;
    buf_init(&signature, TRUST_SIGNATURE_MAX);
    if (base64_decode(slice_str(value), &signature) != CH_OK) {
        return refuse(diag, "the signature is not canonical base64");
    }
    struct crypto_public *key = NULL;
    TRY(crypto_public_from_certificate(issuer->certificate, &key, diag));
    enum chancery_err err = check(key, root, buf_slice(&signature), diag);
    crypto_public_free(key);
    return err;
}
