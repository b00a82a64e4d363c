/* Key generation and token initialisation.
 *
 * SoftHSM's defaults allow decryption, unwrapping, modification and copying of private keys, so
 * every attribute is stated, then read back, then the key signs a probe, and only then it exists
 * for anyone. A pair that fails a check is destroyed. */
#include "hsm/hsm_int.h"

#include <ctype.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"

#define GENERATE_ID_SIZE 16 /* random: labels may repeat over the years, ids do not */
#define GENERATE_WAIT_MS 5000

struct generate_row {
    enum crypto_key_type type;
    CK_KEY_TYPE key_type;
    CK_MECHANISM_TYPE mechanism;
    CK_ULONG bits;     /* RSA */
    uint8_t curve[12]; /* EC: DER of the curve's OID (RFC 5480 2.1.1.1, RFC 8410 3) */
    size_t curve_len;
};

static const struct generate_row generate_rows[] = {
    {CRYPTO_KEY_RSA_2048, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 2048, {0}, 0},
    {CRYPTO_KEY_RSA_3072, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 3072, {0}, 0},
    {CRYPTO_KEY_RSA_4096, CKK_RSA, CKM_RSA_PKCS_KEY_PAIR_GEN, 4096, {0}, 0},
    {CRYPTO_KEY_P256,
     CKK_EC,
     CKM_EC_KEY_PAIR_GEN,
     0,
     {0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07},
     10},
    {CRYPTO_KEY_P384,
     CKK_EC,
     CKM_EC_KEY_PAIR_GEN,
     0,
     {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22},
     7},
    {CRYPTO_KEY_P521,
     CKK_EC,
     CKM_EC_KEY_PAIR_GEN,
     0,
     {0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23},
     7},
    {CRYPTO_KEY_ED25519,
     CKK_EC_EDWARDS,
     CKM_EC_EDWARDS_KEY_PAIR_GEN,
     0,
     {0x06, 0x03, 0x2b, 0x65, 0x70},
     5},
};

static const struct generate_row *generate_find(enum crypto_key_type type)
{
    for (size_t i = 0; i < sizeof generate_rows / sizeof generate_rows[0]; i++) {
        if (generate_rows[i].type == type) {
            return &generate_rows[i];
        }
    }
    return NULL;
}

static CK_ATTRIBUTE attribute(CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    return (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len}; /* the API lacks const */
}

#define TEMPLATE_MAX 24

static CK_ULONG generate_template_public(const struct generate_row *row, const struct hsm_uri *name,
                                         const CK_BBOOL *on_token, CK_ATTRIBUTE *out)
{
    static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    static const uint8_t exponent[] = {0x01, 0x00, 0x01}; /* 65537: FIPS 186-5 A.1.1 lower bound */
    CK_ULONG n = 0;
    out[n++] = attribute(CKA_TOKEN, on_token, sizeof *on_token);
    out[n++] = attribute(CKA_PRIVATE, &no, sizeof no);
    out[n++] = attribute(CKA_VERIFY, &yes, sizeof yes);
    out[n++] = attribute(CKA_ENCRYPT, &no, sizeof no);
    out[n++] = attribute(CKA_WRAP, &no, sizeof no);
    out[n++] = attribute(CKA_VERIFY_RECOVER, &no, sizeof no);
    out[n++] = attribute(CKA_DERIVE, &no, sizeof no);
    out[n++] = attribute(CKA_MODIFIABLE, &no, sizeof no);
    out[n++] = attribute(CKA_LABEL, name->object, strlen(name->object));
    out[n++] = attribute(CKA_ID, name->id, name->id_len);
    if (row->key_type == CKK_RSA) {
        out[n++] = attribute(CKA_MODULUS_BITS, &row->bits, sizeof row->bits);
        out[n++] = attribute(CKA_PUBLIC_EXPONENT, exponent, sizeof exponent);
    } else {
        out[n++] = attribute(CKA_EC_PARAMS, row->curve, row->curve_len);
    }
    return n;
}

static CK_ULONG generate_template_private(const struct hsm_uri *name, const CK_BBOOL *on_token,
                                          CK_ATTRIBUTE *out)
{
    static const CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_ULONG n = 0;
    out[n++] = attribute(CKA_TOKEN, on_token, sizeof *on_token);
    out[n++] = attribute(CKA_PRIVATE, &yes, sizeof yes);
    out[n++] = attribute(CKA_SENSITIVE, &yes, sizeof yes);
    out[n++] = attribute(CKA_EXTRACTABLE, &no, sizeof no);
    out[n++] = attribute(CKA_SIGN, &yes, sizeof yes);
    out[n++] = attribute(CKA_DECRYPT, &no, sizeof no);
    out[n++] = attribute(CKA_UNWRAP, &no, sizeof no);
    out[n++] = attribute(CKA_DERIVE, &no, sizeof no);
    out[n++] = attribute(CKA_SIGN_RECOVER, &no, sizeof no);
    out[n++] = attribute(CKA_MODIFIABLE, &no, sizeof no);
    out[n++] = attribute(CKA_COPYABLE, &no, sizeof no);
    out[n++] = attribute(CKA_LABEL, name->object, strlen(name->object));
    out[n++] = attribute(CKA_ID, name->id, name->id_len);
    return n;
}

enum chancery_err hsm_generate_pair(struct hsm_token *t, CK_SESSION_HANDLE session,
                                    enum crypto_key_type type, const struct hsm_uri *name,
                                    bool on_token, CK_OBJECT_HANDLE *out_public,
                                    CK_OBJECT_HANDLE *out_private, struct diag *diag)
{
    const struct generate_row *row = generate_find(type);
    if (row == NULL) {
        return diag_set(diag, CH_UNSUPPORTED, "key_type", "hsm.generate.type",
                        "keys of this type are not generated");
    }
    CK_BBOOL token_object = on_token ? CK_TRUE : CK_FALSE;
    CK_ATTRIBUTE public_attrs[TEMPLATE_MAX], private_attrs[TEMPLATE_MAX];
    CK_ULONG n_public = generate_template_public(row, name, &token_object, public_attrs);
    CK_ULONG n_private = generate_template_private(name, &token_object, private_attrs);
    CK_MECHANISM mechanism = {row->mechanism, NULL, 0};
    unsigned deadline_ms =
        t->deadline_ms > HSM_GENERATE_DEADLINE_MS ? t->deadline_ms : HSM_GENERATE_DEADLINE_MS;
    CK_RV rv;
    HSM_CALL(rv, deadline_ms, t->m, C_GenerateKeyPair, session, &mechanism, public_attrs, n_public,
             private_attrs, n_private, out_public, out_private);
    return rv == CKR_OK ? CH_OK : hsm_rv_set(diag, CH_HSM, "C_GenerateKeyPair", rv);
}

/* A label is printable ASCII so that people, URIs and logs agree on it. */
static enum chancery_err generate_check_label(const char *label, struct diag *diag)
{
    size_t len = label == NULL ? 0 : strlen(label);
    bool good = len >= 1 && len <= HSM_LABEL_MAX;
    for (size_t i = 0; good && i < len; i++) {
        good = isprint((unsigned char)label[i]) != 0;
    }
    return good ? CH_OK
                : diag_set(diag, CH_INVALID, "label", "hsm.key.label",
                           "a label is 1 to %d printable ASCII characters", HSM_LABEL_MAX);
}

static enum chancery_err generate_check_new(struct hsm_token *t, CK_SESSION_HANDLE session,
                                            const char *label, struct diag *diag)
{
    CK_ATTRIBUTE match = attribute(CKA_LABEL, label, strlen(label));
    CK_OBJECT_HANDLE found[1];
    size_t n = 0;
    TRY(hsm_find(t, session, &match, 1, found, 1, &n, diag));
    return n == 0 ? CH_OK
                  : diag_set(diag, CH_EXISTS, "label", "hsm.key.label.new",
                             "token \"%s\" already holds an object \"%s\"", t->uri.token, label);
}

static void generate_destroy(struct hsm_token *t, CK_SESSION_HANDLE session,
                             CK_OBJECT_HANDLE object)
{
    CK_RV rv;
    HSM_CALL(rv, t->deadline_ms, t->m, C_DestroyObject, session, object);
    if (rv != CKR_OK) {
        log_event(LOG_LEVEL_ERROR, "hsm.key_not_destroyed", LOG_STR("token", t->uri.token),
                  LOG_STR("result", hsm_rv_name(rv)));
    }
}

static enum chancery_err generate_on(struct hsm_token *t, CK_SESSION_HANDLE session,
                                     enum crypto_key_type type, const char *label,
                                     struct hsm_key **out, struct diag *diag)
{
    struct hsm_uri name = t->uri;
    CK_OBJECT_HANDLE public = CK_INVALID_HANDLE, private = CK_INVALID_HANDLE;
    TRY(generate_check_new(t, session, label, diag));
    memcpy(name.object, label, strlen(label) + 1);
    os_random(name.id, GENERATE_ID_SIZE);
    name.id_len = GENERATE_ID_SIZE;
    TRY(hsm_generate_pair(t, session, type, &name, true, &public, &private, diag));
    enum chancery_err err = hsm_key_adopt(t, session, private, out, diag);
    if (err != CH_OK) {
        generate_destroy(t, session, private);
        generate_destroy(t, session, public);
    }
    return err;
}

enum chancery_err hsm_key_generate(struct hsm_token *t, enum crypto_key_type type,
                                   const char *label, struct hsm_key **out, struct diag *diag)
{
    TRY(generate_check_label(label, diag));
    /* The pooled session keeps recovery out while the read-write session is in use. */
    CK_SESSION_HANDLE pooled, session;
    CK_RV rv;
    TRY(hsm_session_take(t, NULL, os_mono_ms() + GENERATE_WAIT_MS, &pooled, diag));
    HSM_CALL(rv, t->deadline_ms, t->m, C_OpenSession, t->slot, CKF_SERIAL_SESSION | CKF_RW_SESSION,
             NULL, NULL, &session);
    enum chancery_err err;
    if (rv != CKR_OK) {
        err = hsm_rv_set(diag, CH_HSM, "C_OpenSession", rv);
    } else {
        err = generate_on(t, session, type, label, out, diag);
        HSM_CALL(rv, t->deadline_ms, t->m, C_CloseSession, session);
    }
    hsm_session_put(t, pooled, err != CH_HSM);
    return err;
}

/* ---- tokens ---- */

static enum chancery_err init_find_slot(struct hsm_module *m, const char *label, CK_SLOT_ID *out,
                                        struct diag *diag)
{
    CK_SLOT_ID *slots = NULL;
    CK_ULONG n = 0;
    bool found = false, taken = false;
    TRY(hsm_slots_list(m, m->deadline_ms, &slots, &n, diag));
    for (CK_ULONG i = 0; i < n; i++) {
        CK_TOKEN_INFO info;
        CK_RV rv;
        HSM_CALL(rv, m->deadline_ms, m, C_GetTokenInfo, slots[i], &info);
        if (rv != CKR_OK) {
            continue;
        }
        bool initialised = (info.flags & CKF_TOKEN_INITIALIZED) != 0;
        taken = taken || (initialised && hsm_padded_eq(info.label, sizeof info.label, label));
        if (!initialised && !found) {
            *out = slots[i];
            found = true;
        }
    }
    free(slots);
    if (taken) {
        return diag_set(diag, CH_EXISTS, "label", "hsm.token.new", "a token \"%s\" exists", label);
    }
    return found ? CH_OK
                 : diag_set(diag, CH_NOT_FOUND, "hsm.token", "hsm.token.empty",
                            "no slot with an uninitialised token");
}

static enum chancery_err init_user_pin(struct hsm_module *m, CK_SLOT_ID slot,
                                       const struct secret *so_pin, const struct secret *pin,
                                       struct diag *diag)
{
    CK_SESSION_HANDLE session;
    CK_RV rv, ignored;
    HSM_CALL(rv, m->deadline_ms, m, C_OpenSession, slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
             NULL, &session);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_OpenSession", rv);
    }
    const char *call = "C_Login";
    HSM_CALL(rv, m->deadline_ms, m, C_Login, session, CKU_SO, so_pin->ptr, so_pin->len);
    if (rv == CKR_OK) {
        call = "C_InitPIN";
        HSM_CALL(rv, m->deadline_ms, m, C_InitPIN, session, pin->ptr, pin->len);
        HSM_CALL(ignored, m->deadline_ms, m, C_Logout, session);
    }
    HSM_CALL(ignored, m->deadline_ms, m, C_CloseSession, session);
    (void)ignored;
    return rv == CKR_OK ? CH_OK : hsm_rv_set(diag, CH_HSM, call, rv);
}

static enum chancery_err init_on(struct hsm_module *m, const char *label,
                                 const struct secret *so_pin, const struct secret *pin,
                                 struct diag *diag)
{
    CK_SLOT_ID slot = 0;
    CK_UTF8CHAR padded[32]; /* PKCS#11: blank-padded, not NUL-terminated */
    CK_RV rv;
    TRY(init_find_slot(m, label, &slot, diag));
    memset(padded, ' ', sizeof padded);
    memcpy(padded, label, strlen(label));
    HSM_CALL(rv, m->deadline_ms, m, C_InitToken, slot, so_pin->ptr, so_pin->len, padded);
    if (rv != CKR_OK) {
        return hsm_rv_set(diag, CH_HSM, "C_InitToken", rv);
    }
    return init_user_pin(m, slot, so_pin, pin, diag);
}

enum chancery_err hsm_token_init(const char *module, const char *label, const char *so_pin_file,
                                 const char *pin_file, struct diag *diag)
{
    TRY(generate_check_label(label, diag));
    if (strlen(label) > 32) {
        return diag_set(diag, CH_INVALID, "label", "hsm.token.label",
                        "a token label has at most 32 characters");
    }
    struct secret so_pin = {NULL, 0, 0}, pin = {NULL, 0, 0};
    struct hsm_module *m = NULL;
    enum chancery_err err = secret_read_file(&so_pin, so_pin_file, HSM_PIN_MAX, diag);
    if (err == CH_OK) {
        err = secret_read_file(&pin, pin_file, HSM_PIN_MAX, diag);
    }
    if (err == CH_OK) {
        err = hsm_module_ref(module, HSM_DEADLINE_DEFAULT_MS, false, &m, diag);
    }
    if (err == CH_OK) {
        hsm_module_exclusive(m, true);
        err = init_on(m, label, &so_pin, &pin, diag);
        hsm_module_exclusive(m, false);
        hsm_module_unref(m);
    }
    secret_clear(&so_pin);
    secret_clear(&pin);
    return err;
}
