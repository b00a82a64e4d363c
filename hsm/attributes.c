/* What an issuer, responder, checkpoint, permit or statement key must be: invariant I1 as
 * attributes. */
#include "hsm/hsm_int.h"

struct attribute_rule {
    CK_ATTRIBUTE_TYPE type;
    const char *name;
    bool value;
    /* A right the module does not know for this kind of key is a right it does not give. Only for
     * rights: a missing protection is a refusal. */
    bool absent_is_fine;
};

static const struct attribute_rule attribute_rules[] = {
    {CKA_TOKEN, "CKA_TOKEN", true, false},
    {CKA_PRIVATE, "CKA_PRIVATE", true, false},
    {CKA_SENSITIVE, "CKA_SENSITIVE", true, false},
    {CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false, false},
    {CKA_LOCAL, "CKA_LOCAL", true, false},
    {CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE", true, false},
    {CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE", true, false},
    {CKA_SIGN, "CKA_SIGN", true, false},
    {CKA_DECRYPT, "CKA_DECRYPT", false, true},
    {CKA_UNWRAP, "CKA_UNWRAP", false, true},
    {CKA_DERIVE, "CKA_DERIVE", false, true},
    {CKA_SIGN_RECOVER, "CKA_SIGN_RECOVER", false, true},
    {CKA_MODIFIABLE, "CKA_MODIFIABLE", false, true},
    {CKA_COPYABLE, "CKA_COPYABLE", false, true},
    /* A PIN per signature is for people; the service could not sign at all. */
    {CKA_ALWAYS_AUTHENTICATE, "CKA_ALWAYS_AUTHENTICATE", false, true},
};

enum chancery_err hsm_attributes_required(struct hsm_token *t, CK_SESSION_HANDLE session,
                                          CK_OBJECT_HANDLE object, struct diag *diag)
{
    for (size_t i = 0; i < sizeof attribute_rules / sizeof attribute_rules[0]; i++) {
        const struct attribute_rule *rule = &attribute_rules[i];
        uint8_t value = 0;
        size_t len = 0;
        enum chancery_err err =
            hsm_attribute_get(t, session, object, rule->type, &value, sizeof value, &len, diag);
        if (err == CH_NOT_FOUND && rule->absent_is_fine) {
            diag_clear(diag);
            continue;
        }
        if (err == CH_NOT_FOUND || (err == CH_OK && (len != 1 || (value != 0) != rule->value))) {
            return diag_set(diag, CH_INTEGRITY, rule->name, "hsm.key.attributes",
                            "%s must be %s on a private key that signs for this service",
                            rule->name, rule->value ? "true" : "false");
        }
        TRY(err);
    }
    return CH_OK;
}
