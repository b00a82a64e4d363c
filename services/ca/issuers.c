/* Issuers of this installation: issuers.yaml of a ceremony, certificates and chains beside it,
 * compared with the pinned trust.json. */
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

#include "ca.h"
#include "conf/conf.h"
#include "os/os.h"

#define FILE_MAX ((size_t)1 << 20)

static enum chancery_err bad(struct diag *diag, const char *issuer_id, const char *rule,
                             const char *text)
{
    return diag_set(diag, CH_INTEGRITY, "issuers", rule, "issuer %s: %s", issuer_id, text);
}

/* Reads `name` beside the list. */
static enum chancery_err read_beside(const char *list, const char *name, struct buf *out,
                                     struct diag *diag)
{
    char copy[PATH_MAX], path[PATH_MAX];
    if (snprintf(copy, sizeof copy, "%s", list) >= (int)sizeof copy) {
        return CH_LIMIT;
    }
    int n = name[0] == '/' ? snprintf(path, sizeof path, "%s", name)
                           : snprintf(path, sizeof path, "%s/%s", dirname(copy), name);
    if (n < 0 || n >= (int)sizeof path) {
        return CH_LIMIT;
    }
    return os_file_read(path, out, diag);
}

struct chain {
    struct arena *arena;
    struct ca_issuer *issuer;
};

static enum chancery_err add_to_chain(void *ctx, struct slice der)
{
    struct chain *c = ctx;
    if (c->issuer->n_chain == CA_CHAIN_MAX) {
        return CH_LIMIT;
    }
    uint8_t *copy = arena_copy(c->arena, der);
    c->issuer->chain[c->issuer->n_chain++] = slice_of(copy, der.len);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

/* The chain starts with the issuer itself and each certificate is signed by the next. */
static enum chancery_err check_chain(struct ca_issuer *out, struct arena *arena, struct diag *diag)
{
    if (out->n_chain == 0 || !slice_eq(out->chain[0], out->cert.der)) {
        return bad(diag, out->issuer_id, "issuer.chain",
                   "the chain must begin with the issuer's certificate");
    }
    struct x509_cert below = out->cert;
    for (size_t i = 1; i < out->n_chain; i++) {
        struct x509_cert above;
        struct crypto_public *key;
        bool valid = false;
        TRY(x509_cert_read(out->chain[i], arena, &above, diag));
        TRY(crypto_public_from_spki(above.spki, &key, diag));
        enum chancery_err err =
            crypto_verify(key, below.alg, below.tbs, below.signature, &valid, diag);
        crypto_public_free(key);
        if (err != CH_OK || !valid || !slice_eq(below.issuer, above.subject)) {
            return bad(diag, out->issuer_id, "issuer.chain",
                       "a certificate is not signed by the next one");
        }
        below = above;
    }
    out->chain_has_root = slice_eq(below.issuer, below.subject);
    return CH_OK;
}

static enum chancery_err read_certificates(struct ca *ca, const char *list,
                                           const struct conf_node *row, struct ca_issuer *out,
                                           struct diag *diag)
{
    const char *file = NULL, *chain_file = NULL;
    struct buf bytes CLEANUP(buf_clear);
    struct chain chain = {&ca->arena, out};
    buf_init(&bytes, FILE_MAX);
    TRY(conf_string(row, "certificate", CONF_REQUIRED, &file, diag));
    TRY(conf_string(row, "chain", CONF_REQUIRED, &chain_file, diag));
    TRY(read_beside(list, file, &bytes, diag));
    uint8_t *der = arena_copy(&ca->arena, buf_slice(&bytes));
    if (der == NULL) {
        return CH_NOMEM;
    }
    TRY(x509_cert_read(slice_of(der, bytes.len), &ca->arena, &out->cert, diag));
    buf_reset(&bytes);
    TRY(read_beside(list, chain_file, &bytes, diag));
    TRY(x509_pem_each("CERTIFICATE", buf_slice(&bytes), add_to_chain, &chain, diag));
    return check_chain(out, &ca->arena, diag);
}

/* What trust.json says must be what the files say. */
static enum chancery_err check_trust(const struct ca_issuer *i, const struct daemon_trust *trust,
                                     struct diag *diag)
{
    for (size_t k = 0; k < trust->n_issuers; k++) {
        const struct daemon_issuer *t = &trust->issuers[k];
        if (strcmp(t->issuer_id, i->issuer_id) != 0) {
            continue;
        }
        if (!slice_eq(t->certificate, i->cert.der) || t->shards != i->shards) {
            return bad(diag, i->issuer_id, "issuer.trust",
                       "certificate or shards are not those of trust.json");
        }
        return CH_OK;
    }
    return bad(diag, i->issuer_id, "issuer.trust", "trust.json does not name it");
}

static enum chancery_err check_key(struct ca_issuer *out, struct diag *diag)
{
    TRY(crypto_public_from_spki(out->cert.spki, &out->key, diag));
    enum crypto_key_type type = crypto_public_type(out->key);
    /* Digests are signed; Ed25519 signs whole messages, which a streamed CRL is not. P-521 has no
     * use here. */
    if (type != CRYPTO_KEY_RSA_2048 && type != CRYPTO_KEY_RSA_3072 && type != CRYPTO_KEY_RSA_4096 &&
        type != CRYPTO_KEY_P256 && type != CRYPTO_KEY_P384) {
        return bad(diag, out->issuer_id, "issuer.key",
                   "issuers have RSA-2048 to RSA-4096, P-256 or P-384 keys");
    }
    if (!out->cert.is_ca || out->cert.ski.len == 0) {
        return bad(diag, out->issuer_id, "issuer.certificate",
                   "the certificate is no CA certificate with a key id");
    }
    out->alg = crypto_alg_default(type);
    return CH_OK;
}

/* What the TBS writer wants to know. */
static void fill_facts(struct ca_issuer *i)
{
    i->facts = (struct policy_issuer){.issuer_id = i->issuer_id,
                                      .subject = i->cert.subject,
                                      .ski = i->cert.ski,
                                      .key_type = crypto_public_type(i->key),
                                      .not_after_s = i->cert.not_after_s,
                                      .shards = i->shards,
                                      .crl_url_base = i->crl_url_base,
                                      .ocsp_url = i->ocsp_url,
                                      .aia_url_base = i->aia_url_base};
    memcpy(i->facts.spki_sha256, crypto_public_spki_sha256(i->key), 32);
}

static enum chancery_err copy_text(struct ca *ca, const struct conf_node *row, const char *key,
                                   const char **out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(row, key, CONF_REQUIRED, &text, diag));
    *out = arena_str(&ca->arena, slice_str(text));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_issuer(struct ca *ca, const char *list, const struct conf_node *row,
                                     const struct daemon_trust *trust, struct diag *diag)
{
    if (ca->n_issuers == CA_ISSUERS_MAX) {
        return conf_error(row, CH_LIMIT, "issuer.count", diag, "more than %d issuers",
                          CA_ISSUERS_MAX);
    }
    struct ca_issuer *out = &ca->issuers[ca->n_issuers];
    const char *ocsp_certificate = NULL; /* for revocation; taken so that no key is left over */
    int64_t shards = 0;
    TRY(copy_text(ca, row, "issuer_id", &out->issuer_id, diag));
    if (ca_issuer_find(ca, slice_str(out->issuer_id)) != NULL) {
        return conf_error(row, CH_INVALID, "issuer.duplicate", diag, "issuer %s stands twice",
                          out->issuer_id);
    }
    TRY(conf_string(row, "ocsp_certificate", CONF_OPTIONAL, &ocsp_certificate, diag));
    TRY(conf_int(row, "shards", CONF_REQUIRED, 1, 65536, &shards, diag));
    out->shards = (uint32_t)shards;
    TRY(copy_text(ca, row, "crl_url_base", &out->crl_url_base, diag));
    TRY(copy_text(ca, row, "ocsp_url", &out->ocsp_url, diag));
    TRY(copy_text(ca, row, "aia_url_base", &out->aia_url_base, diag));
    TRY(read_certificates(ca, list, row, out, diag));
    enum chancery_err err = check_key(out, diag);
    if (err == CH_OK) {
        err = check_trust(out, trust, diag);
    }
    if (err != CH_OK) {
        crypto_public_free(out->key);
        out->key = NULL;
        return err;
    }
    fill_facts(out);
    ca->n_issuers++;
    return CH_OK;
}

enum chancery_err ca_issuers_load(struct ca *ca, const char *path, const struct daemon_trust *trust,
                                  struct diag *diag)
{
    struct conf_doc *doc = NULL;
    const struct conf_node *rows = NULL;
    TRY(conf_load(path, &doc, diag));
    enum chancery_err err = conf_list(conf_root(doc), "issuers", CONF_REQUIRED, &rows, diag);
    for (size_t i = 0; err == CH_OK && i < conf_count(rows); i++) {
        err = read_issuer(ca, path, conf_at(rows, i), trust, diag);
    }
    if (err == CH_OK) {
        err = conf_finish(conf_root(doc), diag);
    }
    if (err == CH_OK && ca->n_issuers == 0) {
        err = diag_set(diag, CH_INVALID, "issuers", "issuer.count", "%s names no issuer", path);
    }
    conf_free(doc);
    return err;
}

void ca_issuers_free(struct ca *ca)
{
    while (ca->n_issuers > 0) {
        crypto_public_free(ca->issuers[--ca->n_issuers].key);
    }
}

const struct ca_issuer *ca_issuer_find(const struct ca *ca, struct slice issuer_id)
{
    for (size_t i = 0; i < ca->n_issuers; i++) {
        if (slice_eq(slice_str(ca->issuers[i].issuer_id), issuer_id)) {
            return &ca->issuers[i];
        }
    }
    return NULL;
}
