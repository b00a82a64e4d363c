/* Issuers as trust.json names them, and their delegated OCSP responders (RFC 6960 4.2.2.2). */
#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define CERT_MAX ((size_t)64 << 10)

/* Content of the subjectPublicKey BIT STRING: what CertID and ResponderID hash. */
static enum chancery_err key_bits(struct slice spki, struct slice *out)
{
    struct der_reader all = der_reader_of(spki), in;
    struct der_value alg;
    unsigned unused = 0;
    TRY(der_enter(&all, DER_SEQUENCE, &in));
    TRY(der_expect(&in, DER_SEQUENCE, &alg));
    return der_read_bits(&in, out, &unused);
}

static enum chancery_err set_hashes(struct revocation_issuer *x)
{
    struct slice bits;
    TRY(key_bits(x->cert.spki, &bits));
    crypto_digest(CRYPTO_HASH_SHA1, x->cert.subject, x->name_hash[0]);
    crypto_digest(CRYPTO_HASH_SHA256, x->cert.subject, x->name_hash[1]);
    crypto_digest(CRYPTO_HASH_SHA1, bits, x->key_hash[0]);
    crypto_digest(CRYPTO_HASH_SHA256, bits, x->key_hash[1]);
    return CH_OK;
}

static bool has_extension(const struct x509_cert *c, struct slice oid, struct slice inside)
{
    for (size_t i = 0; i < c->n_extensions; i++) {
        struct slice v = c->extensions[i].value;
        if (slice_eq(c->extensions[i].oid, oid)) {
            return inside.len == 0 || memmem(v.ptr, v.len, inside.ptr, inside.len) != NULL;
        }
    }
    return false;
}

/* The certificate must be the issuer's own, for this key, for OCSP signing only, and never checked
 * for revocation itself (id-pkix-ocsp-nocheck). RFC 6960 4.2.2.2. */
static enum chancery_err check_responder(const struct revocation_issuer *x,
                                         const struct x509_cert *c, struct diag *diag)
{
    bool valid = false;
    if (!slice_eq(c->issuer, x->cert.subject) ||
        !slice_eq(c->spki, hsm_key_spki(x->responder_key)) ||
        !has_extension(c, X509_EXT_EKU, X509_EKU_OCSP_SIGNING) ||
        !has_extension(c, X509_EXT_OCSP_NOCHECK, slice_of(NULL, 0)) || c->is_ca) {
        return diag_set(
            diag, CH_INTEGRITY, x->id, "ocsp.certificate",
            "ocsp-%s.cer is not a responder certificate of this issuer for the key in the "
            "token",
            x->id);
    }
    TRY(crypto_verify(x->key, c->alg, c->tbs, c->signature, &valid, diag));
    if (!valid) {
        return diag_set(diag, CH_INTEGRITY, x->id, "ocsp.certificate.signature",
                        "ocsp-%s.cer was not signed by the issuer", x->id);
    }
    return CH_OK;
}

static enum chancery_err load_responder(struct revocation *rv, struct revocation_issuer *x,
                                        struct diag *diag)
{
    char text[512];
    struct x509_cert cert;
    struct slice bits;
    int n = snprintf(text, sizeof(text), "%s/ocsp-%s.cer", rv->conf.static_dir, x->id);
    if (n < 0 || (size_t)n >= sizeof(text)) {
        return CH_LIMIT;
    }
    TRY(os_file_read(text, &x->responder_cert, diag));
    TRY(x509_cert_read(buf_slice(&x->responder_cert), &x->arena, &cert, diag));
    (void)snprintf(text, sizeof(text), "pkcs11:object=ocsp-%s;type=private", x->id);
    TRY(hsm_key_open(rv->token, text, &x->responder_key, diag));
    TRY(check_responder(x, &cert, diag));
    TRY(key_bits(cert.spki, &bits));
    crypto_digest(CRYPTO_HASH_SHA1, bits, x->responder_id);
    x->responder_alg = crypto_alg_default(hsm_key_type(x->responder_key));
    x->responder_from_s = cert.not_before_s;
    x->responder_until_s = cert.not_after_s;
    return revocation_lease_new(rv->d, x->id, hsm_key_spki_sha256(x->responder_key), &x->lease);
}

static enum chancery_err load_issuer(struct revocation *rv, const struct daemon_issuer *t,
                                     struct revocation_issuer *x, struct diag *diag)
{
    x->id = t->issuer_id;
    x->shards = t->shards;
    x->crl_base = t->crl_url;
    x->series = rv->n_series;
    rv->n_series += t->shards;
    atomic_init(&x->weak, false);
    arena_init(&x->arena, (size_t)1 << 20);
    buf_init(&x->responder_cert, CERT_MAX);
    TRY(x509_cert_read(t->certificate, &x->arena, &x->cert, diag));
    TRY(crypto_public_from_spki(x->cert.spki, &x->key, diag));
    x->alg = crypto_alg_default(crypto_public_type(x->key));
    TRY(set_hashes(x));
    if (x->shards == 0) {
        return CH_OK; /* a root: its CRLs come from ceremonies */
    }
    x->published = calloc(x->shards, sizeof(x->published[0]));
    return x->published == NULL ? CH_NOMEM : load_responder(rv, x, diag);
}

enum chancery_err revocation_issuers_load(struct revocation *rv, struct diag *diag)
{
    const struct daemon_trust *trust = daemon_trust(rv->d);
    if (trust->n_issuers > REVOCATION_ISSUERS_MAX) {
        return diag_set(diag, CH_LIMIT, "trust.issuers", "revocation.issuers", "over %d issuers",
                        REVOCATION_ISSUERS_MAX);
    }
    rv->issuers = calloc(trust->n_issuers + 1, sizeof(rv->issuers[0]));
    if (rv->issuers == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < trust->n_issuers; i++) {
        rv->issuers[i].index = (uint32_t)i;
        rv->n_issuers = i + 1;
        TRY(load_issuer(rv, &trust->issuers[i], &rv->issuers[i], diag));
    }
    return CH_OK;
}

void revocation_issuers_free(struct revocation *rv)
{
    for (size_t i = 0; i < rv->n_issuers; i++) {
        struct revocation_issuer *x = &rv->issuers[i];
        revocation_lease_free(x->lease);
        crypto_public_free(x->key);
        buf_clear(&x->responder_cert);
        arena_clear(&x->arena);
        free(x->published);
    }
    free(rv->issuers);
    rv->issuers = NULL;
    rv->n_issuers = 0;
}

struct revocation_issuer *revocation_issuer_find(const struct revocation *rv, struct slice id)
{
    for (size_t i = 0; i < rv->n_issuers; i++) {
        if (slice_eq(slice_str(rv->issuers[i].id), id)) {
            return &rv->issuers[i];
        }
    }
    return NULL;
}

struct revocation_issuer *revocation_issuer_of(const struct revocation *rv,
                                               const struct revocation_ocsp_id *id)
{
    if (id->hash != CRYPTO_HASH_SHA1 && id->hash != CRYPTO_HASH_SHA256) {
        return NULL;
    }
    size_t h = id->hash == CRYPTO_HASH_SHA1 ? 0 : 1, len = crypto_hash_size(id->hash);
    for (size_t i = 0; i < rv->n_issuers; i++) {
        struct revocation_issuer *x = &rv->issuers[i];
        if (x->shards > 0 && slice_eq(id->name_hash, slice_of(x->name_hash[h], len)) &&
            slice_eq(id->key_hash, slice_of(x->key_hash[h], len))) {
            return x;
        }
    }
    return NULL;
}
