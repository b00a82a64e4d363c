/* Keys: found by label and CKA_ID, public half read from the token, adopted after all checks. */
#include "hsm/hsm_int.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"

#define KEY_OPEN_WAIT_MS 5000
#define KEY_NUMBER_MAX 2049 /* octets of an RSA-16384 modulus and more than any point */

enum chancery_err hsm_find(struct hsm_token *t, CK_SESSION_HANDLE session, CK_ATTRIBUTE *match,
                           CK_ULONG n_match, CK_OBJECT_HANDLE *out, size_t cap, size_t *out_n,
                           struct diag *diag)
{
    CK_RV rv;
    CK_ULONG n = 0;
    size_t total = 0;
    HSM_CALL(rv, t->deadline_ms, t->m, C_FindObjectsInit, session, match, n_match);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_FindObjectsInit", rv);
    }
    do {
        HSM_CALL(rv, t->deadline_ms, t->m, C_FindObjects, session, out + total, cap - total, &n);
        total += rv == CKR_OK ? n : 0;
    } while (rv == CKR_OK && n > 0 && total < cap);
    CK_RV final;
    HSM_CALL(final, t->deadline_ms, t->m, C_FindObjectsFinal, session);
    if (rv != CKR_OK || final != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_FindObjects", rv != CKR_OK ? rv : final);
    }
    *out_n = total;
    return CH_OK;
}

enum chancery_err hsm_attribute_get(struct hsm_token *t, CK_SESSION_HANDLE session,
                                    CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, uint8_t *out,
                                    size_t cap, size_t *out_len, struct diag *diag)
{
    CK_ATTRIBUTE attribute = {type, out, cap};
    CK_RV rv;
    HSM_CALL(rv, t->deadline_ms, t->m, C_GetAttributeValue, session, object, &attribute, 1);
    if (rv == CKR_ATTRIBUTE_TYPE_INVALID) {
        return hsm_rv_set(diag, CH_NOT_FOUND, "C_GetAttributeValue", rv);
    }
    if (rv != CKR_OK || attribute.ulValueLen > cap) {
        return hsm_rv_set(diag, rv == CKR_BUFFER_TOO_SMALL ? CH_LIMIT : CH_HSM,
                          "C_GetAttributeValue", rv);
    }
    *out_len = attribute.ulValueLen;
    return CH_OK;
}

static enum chancery_err key_ulong(struct hsm_token *t, CK_SESSION_HANDLE session,
                                   CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, CK_ULONG *out,
                                   struct diag *diag)
{
    CK_ULONG value = 0;
    size_t len = 0;
    TRY(hsm_attribute_get(t, session, object, type, (uint8_t *)&value, sizeof value, &len, diag));
    if (len != sizeof value) {
        return diag_set(diag, CH_HSM, "hsm", "hsm.attribute.size", "a CK_ULONG of %zu octets", len);
    }
    *out = value;
    return CH_OK;
}

enum chancery_err hsm_key_name(struct hsm_token *t, CK_SESSION_HANDLE session,
                               CK_OBJECT_HANDLE object, struct hsm_uri *out, struct diag *diag)
{
    struct hsm_uri name = t->uri;
    uint8_t label[HSM_LABEL_MAX];
    size_t len = 0;
    TRY(hsm_attribute_get(t, session, object, CKA_LABEL, label, sizeof label, &len, diag));
    if (slice_has_nul(slice_of(label, len))) {
        return diag_set(diag, CH_UNSUPPORTED, "hsm.key", "hsm.key.label", "a NUL in a key's label");
    }
    memcpy(name.object, label, len);
    name.object[len] = '\0';
    TRY(hsm_attribute_get(t, session, object, CKA_ID, name.id, sizeof name.id, &name.id_len, diag));
    name.type = HSM_URI_TYPE_PRIVATE;
    *out = name;
    return CH_OK;
}

/* Fills a search template for a class and what is given of label and id; returns its length. */
static CK_ULONG key_template(const CK_OBJECT_CLASS *object_class, const struct hsm_uri *name,
                             CK_ATTRIBUTE out[3])
{
    CK_ULONG n = 0;
    out[n++] = (CK_ATTRIBUTE){CKA_CLASS, (void *)(uintptr_t)object_class, sizeof *object_class};
    if (name->object[0] != '\0') {
        out[n++] = (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)name->object, strlen(name->object)};
    }
    if (name->id_len > 0) {
        out[n++] = (CK_ATTRIBUTE){CKA_ID, (void *)(uintptr_t)name->id, name->id_len};
    }
    return n;
}

static enum chancery_err key_find_one(struct hsm_token *t, CK_SESSION_HANDLE session,
                                      CK_OBJECT_CLASS object_class, const struct hsm_uri *name,
                                      CK_OBJECT_HANDLE *out, struct diag *diag)
{
    const char *kind = object_class == CKO_PRIVATE_KEY ? "private" : "public";
    CK_ATTRIBUTE match[3];
    CK_ULONG n_match = key_template(&object_class, name, match);
    CK_OBJECT_HANDLE found[2];
    size_t n = 0;
    TRY(hsm_find(t, session, match, n_match, found, 2, &n, diag));
    if (n == 0) {
        return diag_set(diag, CH_NOT_FOUND, "hsm.key", "hsm.key.found",
                        "no %s key \"%s\" on token \"%s\"", kind, name->object, t->uri.token);
    }
    if (n > 1) {
        return diag_set(diag, CH_INVALID, "hsm.key", "hsm.key.unique",
                        "several %s keys \"%s\" on token \"%s\"; name one by id=", kind,
                        name->object, t->uri.token);
    }
    *out = found[0];
    return CH_OK;
}

enum chancery_err hsm_key_locate(struct hsm_token *t, CK_SESSION_HANDLE session,
                                 const struct hsm_uri *name, CK_OBJECT_HANDLE *out,
                                 struct diag *diag)
{
    return key_find_one(t, session, CKO_PRIVATE_KEY, name, out, diag);
}

/* ---- public keys ---- */

static enum chancery_err key_openssl(struct diag *diag, const char *what)
{
    ERR_clear_error();
    return diag_set(diag, CH_CRYPTO, "hsm.key", "hsm.key.public", "%s", what);
}

/* Turns an OpenSSL key into our checked form and frees it. */
static enum chancery_err key_from_evp(EVP_PKEY *pkey, struct crypto_public **out, struct diag *diag)
{
    unsigned char *der = NULL;
    int len = pkey == NULL ? -1 : i2d_PUBKEY(pkey, &der);
    EVP_PKEY_free(pkey);
    if (len <= 0) {
        return key_openssl(diag, "the token's public key is not usable");
    }
    enum chancery_err err = crypto_public_from_spki(slice_of(der, (size_t)len), out, diag);
    OPENSSL_free(der);
    if (err == CH_OK) {
        crypto_public_prepare(*out); /* verifies everything that the key signs */
    }
    return err;
}

static EVP_PKEY *key_evp_from_params(const char *type, OSSL_PARAM_BLD *builder)
{
    EVP_PKEY *pkey = NULL;
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (params == NULL || ctx == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) <= 0) {
        pkey = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    OSSL_PARAM_free(params);
    return pkey;
}

static enum chancery_err key_public_rsa(struct hsm_token *t, CK_SESSION_HANDLE session,
                                        CK_OBJECT_HANDLE object, struct crypto_public **out,
                                        struct diag *diag)
{
    uint8_t modulus[KEY_NUMBER_MAX], exponent[KEY_NUMBER_MAX];
    size_t n_len = 0, e_len = 0;
    TRY(hsm_attribute_get(t, session, object, CKA_MODULUS, modulus, sizeof modulus, &n_len, diag));
    TRY(hsm_attribute_get(t, session, object, CKA_PUBLIC_EXPONENT, exponent, sizeof exponent,
                          &e_len, diag));
    BIGNUM *n = BN_bin2bn(modulus, (int)n_len, NULL);
    BIGNUM *e = BN_bin2bn(exponent, (int)e_len, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (n != NULL && e != NULL && builder != NULL &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1) {
        pkey = key_evp_from_params("RSA", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key_from_evp(pkey, out, diag);
}

/* Sizes of the points we know: Ed25519, P-256, P-384, P-521 uncompressed. */
static bool key_is_point_size(int len)
{
    return len == 32 || len == 65 || len == 97 || len == 133;
}

/* CKA_EC_POINT is a DER OCTET STRING around the point (PKCS#11 2.40 curr 2.3.3); older modules give
 * the bare point, which begins with 04 too. It is taken as wrapped when all of it parses as an
 * OCTET STRING of a point's size; no bare point of a known size does. */
static void key_unwrap_point(const uint8_t *value, size_t len, uint8_t *out, size_t *out_len)
{
    const unsigned char *p = value;
    ASN1_OCTET_STRING *octets = d2i_ASN1_OCTET_STRING(NULL, &p, (long)len);
    if (octets != NULL && p == value + len && key_is_point_size(ASN1_STRING_length(octets))) {
        *out_len = (size_t)ASN1_STRING_length(octets);
        memcpy(out, ASN1_STRING_get0_data(octets), *out_len);
    } else {
        *out_len = len;
        memcpy(out, value, len);
    }
    ASN1_OCTET_STRING_free(octets);
    ERR_clear_error();
}

/* CKA_EC_PARAMS as a named curve; NULL when it is something else. */
static const char *key_curve(const uint8_t *params, size_t len)
{
    const unsigned char *p = params;
    ASN1_OBJECT *oid = d2i_ASN1_OBJECT(NULL, &p, (long)len);
    const char *name = oid != NULL && p == params + len ? OBJ_nid2sn(OBJ_obj2nid(oid)) : NULL;
    ASN1_OBJECT_free(oid);
    ERR_clear_error();
    return name;
}

static enum chancery_err key_public_ec(struct hsm_token *t, CK_SESSION_HANDLE session,
                                       CK_OBJECT_HANDLE object, struct crypto_public **out,
                                       struct diag *diag)
{
    uint8_t params[64], wrapped[KEY_NUMBER_MAX], point[KEY_NUMBER_MAX];
    size_t params_len = 0, wrapped_len = 0, point_len = 0;
    TRY(hsm_attribute_get(t, session, object, CKA_EC_PARAMS, params, sizeof params, &params_len,
                          diag));
    TRY(hsm_attribute_get(t, session, object, CKA_EC_POINT, wrapped, sizeof wrapped, &wrapped_len,
                          diag));
    const char *curve = key_curve(params, params_len);
    if (curve == NULL) {
        return diag_set(diag, CH_UNSUPPORTED, "hsm.key", "hsm.key.curve",
                        "only named curves are accepted");
    }
    key_unwrap_point(wrapped, wrapped_len, point, &point_len);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    EVP_PKEY *pkey = NULL;
    if (builder != NULL &&
        OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, curve, 0) == 1 &&
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point, point_len) == 1) {
        pkey = key_evp_from_params("EC", builder);
    }
    OSSL_PARAM_BLD_free(builder);
    return key_from_evp(pkey, out, diag);
}

static enum chancery_err key_public_edwards(struct hsm_token *t, CK_SESSION_HANDLE session,
                                            CK_OBJECT_HANDLE object, struct crypto_public **out,
                                            struct diag *diag)
{
    uint8_t wrapped[KEY_NUMBER_MAX], point[KEY_NUMBER_MAX];
    size_t wrapped_len = 0, len = 0;
    TRY(hsm_attribute_get(t, session, object, CKA_EC_POINT, wrapped, sizeof wrapped, &wrapped_len,
                          diag));
    key_unwrap_point(wrapped, wrapped_len, point, &len);
    return key_from_evp(EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, len), out, diag);
}

enum chancery_err hsm_public_read(struct hsm_token *t, CK_SESSION_HANDLE session,
                                  const struct hsm_uri *name, struct crypto_public **out,
                                  struct diag *diag)
{
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    CK_ULONG type = 0;
    TRY(key_find_one(t, session, CKO_PUBLIC_KEY, name, &object, diag));
    TRY(key_ulong(t, session, object, CKA_KEY_TYPE, &type, diag));
    switch (type) {
    case CKK_RSA:
        return key_public_rsa(t, session, object, out, diag);
    case CKK_EC:
        return key_public_ec(t, session, object, out, diag);
    case CKK_EC_EDWARDS:
        return key_public_edwards(t, session, object, out, diag);
    default:
        return diag_set(diag, CH_UNSUPPORTED, "hsm.key", "hsm.key.type", "key type 0x%lx",
                        (unsigned long)type);
    }
}

/* ---- struct hsm_key ---- */

void hsm_key_free(struct hsm_key *k)
{
    if (k == NULL) {
        return;
    }
    crypto_public_free(k->pub);
    free(k->uri);
    free(k);
}

static enum chancery_err key_set_uri(struct hsm_key *k)
{
    struct buf text;
    buf_init(&text, HSM_URI_MAX);
    enum chancery_err err = hsm_uri_write(&k->name, &text);
    if (err == CH_OK) {
        err = buf_add_u8(&text, 0);
    }
    if (err != CH_OK) {
        buf_clear(&text);
        return err;
    }
    k->uri = (char *)text.ptr;
    return CH_OK;
}

/* A key of this token that is open already. */
static struct hsm_key *key_known(struct hsm_token *t, const struct hsm_uri *name)
{
    struct hsm_key *k;
    (void)pthread_mutex_lock(&t->m->lock);
    for (k = t->keys; k != NULL; k = k->next) {
        if (strcmp(k->name.object, name->object) == 0 &&
            slice_eq(slice_of(k->name.id, k->name.id_len), slice_of(name->id, name->id_len))) {
            break;
        }
    }
    (void)pthread_mutex_unlock(&t->m->lock);
    return k;
}

static enum chancery_err key_check(struct hsm_key *k, CK_SESSION_HANDLE session, struct diag *diag)
{
    TRY(hsm_public_read(k->token, session, &k->name, &k->pub, diag));
    if (crypto_alg_default(crypto_public_type(k->pub)) == CRYPTO_ALG_NONE) {
        return diag_set(diag, CH_UNSUPPORTED, k->name.object, "hsm.key.type",
                        "no signature algorithm for this kind of key");
    }
    TRY(hsm_attributes_required(k->token, session, k->handle, diag));
    TRY(key_set_uri(k));
    return hsm_sign_probe(k, session, diag);
}

enum chancery_err hsm_key_adopt(struct hsm_token *t, CK_SESSION_HANDLE session,
                                CK_OBJECT_HANDLE object, struct hsm_key **out, struct diag *diag)
{
    struct hsm_uri name = {0};
    TRY(hsm_key_name(t, session, object, &name, diag));
    struct hsm_key *known = key_known(t, &name);
    if (known != NULL) {
        *out = known;
        return CH_OK;
    }
    struct hsm_key *k = calloc(1, sizeof *k);
    if (k == NULL) {
        return diag_set(diag, CH_NOMEM, "hsm.key", "hsm.memory", "out of memory");
    }
    k->token = t;
    k->name = name;
    k->handle = object;
    enum chancery_err err = key_check(k, session, diag);
    if (err == CH_OK && t->n_keys == HSM_KEYS_MAX) {
        err = diag_set(diag, CH_LIMIT, "hsm.key", "hsm.keys", "more than %d keys", HSM_KEYS_MAX);
    }
    if (err != CH_OK) {
        hsm_key_free(k);
        return err;
    }
    (void)pthread_mutex_lock(&t->m->lock);
    k->state = HSM_KEY_GOOD;
    k->next = t->keys;
    t->keys = k;
    t->n_keys++;
    (void)pthread_mutex_unlock(&t->m->lock);
    *out = k;
    return CH_OK;
}

static bool key_on_token(const struct hsm_token *t, const struct hsm_uri *uri)
{
    return (uri->token[0] == '\0' || strcmp(uri->token, t->uri.token) == 0) &&
           (uri->serial[0] == '\0' || t->uri.serial[0] == '\0' ||
            strcmp(uri->serial, t->uri.serial) == 0);
}

enum chancery_err hsm_key_open(struct hsm_token *t, const char *key_uri, struct hsm_key **out,
                               struct diag *diag)
{
    struct hsm_uri uri;
    TRY(hsm_uri_parse(slice_str(key_uri), &uri, diag));
    if ((uri.object[0] == '\0' && uri.id_len == 0) || uri.type == HSM_URI_TYPE_PUBLIC ||
        !key_on_token(t, &uri)) {
        return diag_set(diag, CH_INVALID, "hsm.key", "hsm.key.uri",
                        "the URI must name one private key of this token by object= or id=");
    }
    CK_SESSION_HANDLE session;
    CK_OBJECT_HANDLE object = CK_INVALID_HANDLE;
    TRY(hsm_session_take(t, NULL, os_mono_ms() + KEY_OPEN_WAIT_MS, &session, diag));
    enum chancery_err err = hsm_key_locate(t, session, &uri, &object, diag);
    if (err == CH_OK) {
        err = hsm_key_adopt(t, session, object, out, diag);
    }
    hsm_session_put(t, session, err != CH_HSM);
    return err;
}

static enum chancery_err keys_adopt_all(struct hsm_token *t, CK_SESSION_HANDLE session,
                                        struct hsm_key **out, size_t cap, size_t *out_n,
                                        struct diag *diag)
{
    CK_OBJECT_CLASS object_class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE match = {CKA_CLASS, &object_class, sizeof object_class};
    CK_OBJECT_HANDLE found[HSM_FIND_MAX];
    size_t n = 0;
    TRY(hsm_find(t, session, &match, 1, found, HSM_FIND_MAX, &n, diag));
    if (n > cap) {
        return diag_set(diag, CH_LIMIT, "hsm.key", "hsm.keys", "%zu private keys, room for %zu", n,
                        cap);
    }
    /* A key generation that was killed may leave a broken pair: it must not stop the good keys. */
    enum chancery_err err = CH_OK;
    size_t adopted = 0;
    for (size_t i = 0; i < n; i++) {
        struct diag own = {.field = ""};
        enum chancery_err one = hsm_key_adopt(t, session, found[i], &out[adopted], &own);
        if (one == CH_OK) {
            adopted++;
            continue;
        }
        err = one;
        if (diag != NULL) {
            *diag = own;
        }
        if (one == CH_HSM) {
            return one; /* the device, not the key: a good key must not be missing for good */
        }
        log_diag(LOG_LEVEL_ERROR, "hsm.key_skipped", one, &own);
    }
    *out_n = adopted;
    return adopted > 0 ? CH_OK : err;
}

enum chancery_err hsm_keys_open(struct hsm_token *t, struct hsm_key **out, size_t cap,
                                size_t *out_n, struct diag *diag)
{
    CK_SESSION_HANDLE session;
    TRY(hsm_session_take(t, NULL, os_mono_ms() + KEY_OPEN_WAIT_MS, &session, diag));
    enum chancery_err err = keys_adopt_all(t, session, out, cap, out_n, diag);
    hsm_session_put(t, session, err != CH_HSM);
    return err;
}

const char *hsm_key_uri(const struct hsm_key *k)
{
    return k->uri;
}

struct slice hsm_key_spki(const struct hsm_key *k)
{
    return crypto_public_spki(k->pub);
}

const uint8_t *hsm_key_spki_sha256(const struct hsm_key *k)
{
    return crypto_public_spki_sha256(k->pub);
}

const struct crypto_public *hsm_key_public(const struct hsm_key *k)
{
    return k->pub;
}

enum crypto_key_type hsm_key_type(const struct hsm_key *k)
{
    return crypto_public_type(k->pub);
}
