/* Issuers as the judge needs them: from the ceremony's issuers.yaml and the certificates in trust.json. */
#include "conf/conf.h"
#include "service.h"
#include "x509/x509.h"

static enum chancery_err copy_text(struct policy_service *p, const struct conf_node *row, const char *key,
                                   const char **out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(row, key, CONF_REQUIRED, &text, diag));
    *out = arena_str(&p->arena, slice_str(text));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err fill_certificate(struct policy_service *p, const struct daemon_issuer *trusted,
                                          struct policy_issuer *out, struct diag *diag)
{
    struct x509_cert cert;
    struct crypto_public *key = NULL;
    TRY(x509_cert_read(trusted->certificate, &p->arena, &cert, diag));
    TRY(crypto_public_from_spki(cert.spki, &key, diag));
    out->key_type = crypto_public_type(key);
    memcpy(out->spki_sha256, crypto_public_spki_sha256(key), sizeof out->spki_sha256);
    crypto_public_free(key);
    out->subject = cert.subject;
    out->ski = cert.ski;
    out->not_after_s = cert.not_after_s;
    out->shards = trusted->shards;
    return CH_OK;
}

static enum chancery_err read_issuer(struct policy_service *p, const struct conf_node *row, struct diag *diag)
{
    if (p->n_issuers == POLICY_ISSUERS_MAX) {
        return conf_error(row, CH_LIMIT, "issuer.count", diag, "more than %d issuers", POLICY_ISSUERS_MAX);
    }
    struct policy_issuer issuer = {.issuer_id = NULL};
    TRY(copy_text(p, row, "issuer_id", &issuer.issuer_id, diag));
    const struct daemon_issuer *trusted = daemon_trust_issuer(p->daemon, issuer.issuer_id);
    if (trusted == NULL) {
        return conf_error(row, CH_INTEGRITY, "issuer.trust", diag, "trust.json does not name issuer %s",
                          issuer.issuer_id);
    }
    /* Read for ca and revocation; taken here so that the list has no key that nobody knows. */
    const char *other = NULL;
    int64_t shards = 0;
    TRY(conf_string(row, "certificate", CONF_REQUIRED, &other, diag));
    TRY(conf_string(row, "chain", CONF_REQUIRED, &other, diag));
    TRY(conf_string(row, "ocsp_certificate", CONF_OPTIONAL, &other, diag));
    TRY(conf_int(row, "shards", CONF_REQUIRED, 1, 65536, &shards, diag));
    TRY(copy_text(p, row, "crl_url_base", &issuer.crl_url_base, diag));
    TRY(copy_text(p, row, "ocsp_url", &issuer.ocsp_url, diag));
    TRY(copy_text(p, row, "aia_url_base", &issuer.aia_url_base, diag));
    TRY(fill_certificate(p, trusted, &issuer, diag));
    if (issuer.shards != (uint32_t)shards) {
        return conf_error(row, CH_INTEGRITY, "issuer.trust", diag, "shards are not those of trust.json");
    }
    p->issuers[p->n_issuers++] = issuer;
    return CH_OK;
}

/* Every issuer's key, the root's included, is never a subject's. */
static enum chancery_err collect_own_keys(struct policy_service *p, struct diag *diag)
{
    const struct daemon_trust *trust = daemon_trust(p->daemon);
    for (size_t i = 0; i < trust->n_issuers; i++) {
        struct policy_issuer issuer;
        if (p->n_own_keys == sizeof p->own_keys / sizeof p->own_keys[0]) {
            return diag_set(diag, CH_LIMIT, "trust", "issuer.count", "trust.json names too many issuers");
        }
        TRY(fill_certificate(p, &trust->issuers[i], &issuer, diag));
        memcpy(p->own_keys[p->n_own_keys++], issuer.spki_sha256, 32);
    }
    return CH_OK;
}

enum chancery_err policy_issuers_load(struct policy_service *p, const char *path, struct diag *diag)
{
    struct conf_doc *doc = NULL;
    const struct conf_node *rows = NULL;
    TRY(conf_load(path, &doc, diag));
    enum chancery_err err = conf_list(conf_root(doc), "issuers", CONF_REQUIRED, &rows, diag);
    for (size_t i = 0; err == CH_OK && i < conf_count(rows); i++) {
        err = read_issuer(p, conf_at(rows, i), diag);
    }
    if (err == CH_OK) {
        err = conf_finish(conf_root(doc), diag);
    }
    conf_free(doc);
    return err == CH_OK ? collect_own_keys(p, diag) : err;
}

const struct policy_issuer *policy_issuer_find(const struct policy_service *p, const char *issuer_id)
{
    for (size_t i = 0; i < p->n_issuers; i++) {
        if (strcmp(p->issuers[i].issuer_id, issuer_id) == 0) {
            return &p->issuers[i];
        }
    }
    return NULL;
}
