/* issuers.yaml and trust.json, put together. */
#include "issuers.h"

#include "conf/conf.h"
#include "x509/x509.h"

static enum chancery_err disagree(const char *issuer_id, const char *what, struct diag *diag)
{
    return diag_set(diag, CH_INTEGRITY, "issuers", "issuer.trust", "issuer %s: %s", issuer_id,
                    what);
}

static const struct daemon_issuer *trusted(const struct daemon_trust *trust, const char *issuer_id)
{
    for (size_t i = 0; i < trust->n_issuers; i++) {
        if (strcmp(trust->issuers[i].issuer_id, issuer_id) == 0) {
            return &trust->issuers[i];
        }
    }
    return NULL;
}

/* What the judge compares with, from the pinned certificate. */
static enum chancery_err from_certificate(struct policy_issuers *all, const struct daemon_issuer *t,
                                          struct policy_issuer *out, struct diag *diag)
{
    struct x509_cert cert;
    struct crypto_public *key = NULL;
    TRY(x509_cert_read(t->certificate, &all->arena, &cert, diag));
    TRY(crypto_public_from_spki(cert.spki, &key, diag));
    out->key_type = crypto_public_type(key);
    memcpy(out->spki_sha256, crypto_public_spki_sha256(key), 32);
    crypto_public_free(key);
    if (!cert.is_ca || cert.ski.len == 0) {
        return disagree(t->issuer_id, "its certificate is no CA certificate with a key id", diag);
    }
    out->subject = cert.subject;
    out->ski = cert.ski;
    out->not_after_s = cert.not_after_s;
    out->shards = t->shards;
    out->cas_below = cert.path_len < 0 ? POLICY_CAS_UNLIMITED : (unsigned)cert.path_len;
    return CH_OK;
}

static enum chancery_err copy_text(struct policy_issuers *all, const struct conf_node *row,
                                   const char *key, const char **out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(row, key, CONF_REQUIRED, &text, diag));
    *out = arena_str(&all->arena, slice_str(text));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

/* Files named by the list are read by other processes; their keys are taken so that none is left
 * over. */
static enum chancery_err skip_files(const struct conf_node *row, struct diag *diag)
{
    static const char *const keys[] = {"certificate", "chain", "ocsp_certificate"};
    const char *ignored = NULL;
    for (size_t i = 0; i < 3; i++) {
        TRY(conf_string(row, keys[i], CONF_OPTIONAL, &ignored, diag));
    }
    return CH_OK;
}

static enum chancery_err read_row(struct policy_issuers *all, const struct conf_node *row,
                                  const struct daemon_trust *trust, struct diag *diag)
{
    if (all->n == POLICY_ISSUERS_MAX) {
        return conf_error(row, CH_LIMIT, "issuer.count", diag, "more than %d issuers",
                          POLICY_ISSUERS_MAX);
    }
    struct policy_issuer *out = &all->list[all->n];
    int64_t shards = 0;
    TRY(copy_text(all, row, "issuer_id", &out->issuer_id, diag));
    if (policy_issuers_find(all, out->issuer_id) != NULL) {
        return conf_error(row, CH_INVALID, "issuer.duplicate", diag, "issuer %s stands twice",
                          out->issuer_id);
    }
    TRY(conf_int(row, "shards", CONF_REQUIRED, 1, 65536, &shards, diag));
    TRY(copy_text(all, row, "crl_url_base", &out->crl_url_base, diag));
    TRY(copy_text(all, row, "ocsp_url", &out->ocsp_url, diag));
    TRY(copy_text(all, row, "aia_url_base", &out->aia_url_base, diag));
    TRY(skip_files(row, diag));
    const struct daemon_issuer *t = trusted(trust, out->issuer_id);
    if (t == NULL || t->shards != (uint32_t)shards || strcmp(t->crl_url, out->crl_url_base) != 0 ||
        strcmp(t->ocsp_url, out->ocsp_url) != 0) {
        return disagree(out->issuer_id, "shards or URLs are not those of trust.json", diag);
    }
    TRY(from_certificate(all, t, out, diag));
    all->n++;
    return CH_OK;
}

static void add_keys(struct policy_issuers *all, const struct daemon_keys *keys)
{
    for (size_t i = 0; i < keys->n; i++) {
        memcpy(all->own_keys[all->n_own_keys++], crypto_public_spki_sha256(keys->keys[i]), 32);
    }
}

static enum chancery_err own_keys(struct policy_issuers *all, const struct daemon_trust *trust,
                                  struct diag *diag)
{
    size_t n = trust->n_issuers + trust->permit.n + trust->statement.n + trust->checkpoint.n;
    all->own_keys = arena_alloc(&all->arena, n * sizeof *all->own_keys);
    if (all->own_keys == NULL) {
        return CH_NOMEM;
    }
    add_keys(all, &trust->permit);
    add_keys(all, &trust->statement);
    add_keys(all, &trust->checkpoint);
    for (size_t i = 0; i < trust->n_issuers; i++) {
        struct x509_cert cert;
        TRY(x509_cert_read(trust->issuers[i].certificate, &all->arena, &cert, diag));
        crypto_sha256(cert.spki, all->own_keys[all->n_own_keys++]);
    }
    return CH_OK;
}

static enum chancery_err read_rows(struct policy_issuers *all, const struct conf_node *root,
                                   const struct daemon_trust *trust, struct diag *diag)
{
    const struct conf_node *rows = NULL;
    TRY(conf_list(root, "issuers", CONF_REQUIRED, &rows, diag));
    for (size_t i = 0; i < conf_count(rows); i++) {
        TRY(read_row(all, conf_at(rows, i), trust, diag));
    }
    TRY(conf_finish(root, diag));
    if (all->n == 0) {
        return conf_error(rows, CH_INVALID, "issuer.count", diag, "the list names no issuer");
    }
    return own_keys(all, trust, diag);
}

enum chancery_err policy_issuers_load(const char *path, const struct daemon_trust *trust,
                                      struct policy_issuers *out, struct diag *diag)
{
    struct conf_doc *doc = NULL;
    arena_init(&out->arena, 0);
    out->n = 0;
    out->n_own_keys = 0;
    TRY(conf_load(path, &doc, diag));
    enum chancery_err err = read_rows(out, conf_root(doc), trust, diag);
    conf_free(doc);
    return err;
}

void policy_issuers_clear(struct policy_issuers *i)
{
    arena_clear(&i->arena);
    *i = (struct policy_issuers){.n = 0};
}

const struct policy_issuer *policy_issuers_find(const struct policy_issuers *i,
                                                const char *issuer_id)
{
    for (size_t k = 0; k < i->n; k++) {
        if (strcmp(i->list[k].issuer_id, issuer_id) == 0) {
            return &i->list[k];
        }
    }
    return NULL;
}
