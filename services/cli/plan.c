/* Life of a plan and the checks that look at all of it. */
#include "plan.h"

#include <stdlib.h>

#include "conf/conf.h"
#include "os/os.h"

const char *plan_use_name(enum plan_use use)
{
    static const char *const names[] = {"unused", "root",      "issuer",    "ocsp",
                                        "permit", "statement", "checkpoint"};
    return (size_t)use < sizeof names / sizeof names[0] ? names[use] : "unused";
}

/* Gives key `i` its use. CH_INVALID when it has one already. */
static enum chancery_err plan_claim(struct plan *p, size_t i, enum plan_use use, struct diag *diag)
{
    struct plan_key *k = &p->keys[i];
    if (k->use != PLAN_UNUSED) {
        return diag_set(diag, CH_INVALID, k->id, "plan.key.use",
                        "key \"%s\" is used as %s and as %s; a key has one use", k->id,
                        plan_use_name(k->use), plan_use_name(use));
    }
    k->use = use;
    return CH_OK;
}

static enum chancery_err plan_claim_list(struct plan *p, const struct plan_keys *list,
                                         enum plan_use use, struct diag *diag)
{
    for (size_t i = 0; i < list->n; i++) {
        TRY(plan_claim(p, list->keys[i], use, diag));
    }
    return CH_OK;
}

/* Which types a use allows. Certificates are signed with RSA or ECDSA; permits and statements with
 * ECDSA P-256, which every HSM has and which is fast. */
static bool plan_type_fits(enum plan_use use, enum crypto_key_type t)
{
    bool x509 = t == CRYPTO_KEY_P256 || t == CRYPTO_KEY_P384 || t == CRYPTO_KEY_P521 ||
                t == CRYPTO_KEY_RSA_2048 || t == CRYPTO_KEY_RSA_3072 || t == CRYPTO_KEY_RSA_4096;
    switch (use) {
    case PLAN_ROOT:
        return x509 && t != CRYPTO_KEY_RSA_2048;
    case PLAN_ISSUER:
    case PLAN_OCSP:
        return x509;
    case PLAN_PERMIT:
    case PLAN_STATEMENT:
        return t == CRYPTO_KEY_P256;
    case PLAN_CHECKPOINT:
        return t == CRYPTO_KEY_P256 || t == CRYPTO_KEY_ED25519;
    case PLAN_UNUSED:
    default:
        return false;
    }
}

static enum chancery_err plan_check_keys(const struct plan *p, struct diag *diag)
{
    size_t root_token = p->keys[p->root_key].token;
    for (size_t i = 0; i < p->n_keys; i++) {
        const struct plan_key *k = &p->keys[i];
        if (k->use == PLAN_UNUSED) {
            return diag_set(diag, CH_INVALID, k->id, "plan.key.unused",
                            "key \"%s\" is listed and never used", k->id);
        }
        if (!plan_type_fits(k->use, k->type)) {
            return diag_set(diag, CH_INVALID, k->id, "plan.key.type", "%s is no type for a %s key",
                            crypto_key_type_name(k->type), plan_use_name(k->use));
        }
        if (k->use != PLAN_ROOT && k->token == root_token) {
            return diag_set(diag, CH_INVALID, k->id, "plan.token.root",
                            "key \"%s\" stands on the root's token, which holds the root key alone",
                            k->id);
        }
        /* One partition per kind of process: an issuer key never lies beside a permit key. */
        for (size_t j = 0; j < i; j++) {
            if (p->keys[j].token == k->token && p->keys[j].use != k->use) {
                return diag_set(diag, CH_INVALID, k->id, "plan.token.mixed",
                                "token \"%s\" would hold a %s and a %s key", p->tokens[k->token].id,
                                plan_use_name(p->keys[j].use), plan_use_name(k->use));
            }
        }
    }
    return CH_OK;
}

/* The log's checkpoint carries one line of each kind (docs/AUDIT.md). */
static enum chancery_err plan_check_checkpoint(const struct plan *p, struct diag *diag)
{
    size_t p256 = 0, ed25519 = 0;
    for (size_t i = 0; i < p->checkpoint.n; i++) {
        enum crypto_key_type t = p->keys[p->checkpoint.keys[i]].type;
        p256 += t == CRYPTO_KEY_P256;
        ed25519 += t == CRYPTO_KEY_ED25519;
    }
    if (p256 != 1 || ed25519 != 1 || p->checkpoint.n != 2) {
        return diag_set(diag, CH_INVALID, "service_keys.checkpoint", "plan.checkpoint",
                        "a checkpoint is signed by one P-256 and one Ed25519 key");
    }
    return CH_OK;
}

static enum chancery_err plan_check_issuer(const struct plan *p, const struct plan_issuer *i,
                                           struct diag *diag)
{
    /* Services find an issuer's key by the issuer's name. */
    if (strcmp(p->keys[i->key].label, i->id) != 0) {
        return diag_set(diag, CH_INVALID, i->id, "plan.issuer.label",
                        "the key of issuer \"%s\" must be labelled \"%s\"", i->id, i->id);
    }
    if (strncmp(p->keys[i->ocsp_key].label, "ocsp-", 5) != 0 ||
        strcmp(p->keys[i->ocsp_key].label + 5, i->id) != 0) {
        return diag_set(diag, CH_INVALID, i->id, "plan.ocsp.label",
                        "the OCSP key of issuer \"%s\" must be labelled \"ocsp-%s\"", i->id, i->id);
    }
    if (i->validity_s >= p->root_validity_s) {
        return diag_set(diag, CH_INVALID, i->id, "plan.issuer.validity",
                        "issuer \"%s\" would outlive the root", i->id);
    }
    if (i->ocsp_validity_s >= i->validity_s) {
        return diag_set(diag, CH_INVALID, i->id, "plan.ocsp.validity",
                        "the OCSP responder of \"%s\" would outlive its issuer", i->id);
    }
    return CH_OK;
}

static enum chancery_err plan_check(struct plan *p, struct diag *diag)
{
    TRY(plan_claim(p, p->root_key, PLAN_ROOT, diag));
    for (size_t i = 0; i < p->n_issuers; i++) {
        TRY(plan_claim(p, p->issuers[i].key, PLAN_ISSUER, diag));
        TRY(plan_claim(p, p->issuers[i].ocsp_key, PLAN_OCSP, diag));
    }
    TRY(plan_claim_list(p, &p->permit, PLAN_PERMIT, diag));
    TRY(plan_claim_list(p, &p->statement, PLAN_STATEMENT, diag));
    TRY(plan_claim_list(p, &p->checkpoint, PLAN_CHECKPOINT, diag));
    TRY(plan_check_keys(p, diag));
    TRY(plan_check_checkpoint(p, diag));
    for (size_t i = 0; i < p->n_issuers; i++) {
        TRY(plan_check_issuer(p, &p->issuers[i], diag));
    }
    if (p->root_crl_validity_s >= p->root_validity_s) {
        return diag_set(diag, CH_INVALID, "root.crl_validity", "plan.crl.validity",
                        "the root's CRL would outlive the root");
    }
    return CH_OK;
}

enum chancery_err plan_parse(const char *path, struct slice text, struct plan **out,
                             struct diag *diag)
{
    struct plan *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = conf_parse(path, text, &p->doc, diag);
    err = err == CH_OK ? plan_read(path, p, diag) : err;
    err = err == CH_OK ? plan_check(p, diag) : err;
    if (err != CH_OK) {
        plan_free(p);
        return err;
    }
    crypto_sha256(text, p->sha256);
    *out = p;
    return CH_OK;
}

enum chancery_err plan_load(const char *path, struct plan **out, struct diag *diag)
{
    struct buf text;
    buf_init(&text, PLAN_FILE_MAX);
    enum chancery_err err = os_file_read(path, &text, diag);
    err = err == CH_OK ? plan_parse(path, buf_slice(&text), out, diag) : err;
    buf_clear(&text);
    return err;
}

void plan_free(struct plan *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->n_tokens; i++) {
        free(p->tokens[i].pin_file);
    }
    free(p->policy_bundle);
    conf_free(p->doc);
    free(p);
}
