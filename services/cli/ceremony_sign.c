/* Signatures of a ceremony, in two phases: the exact TBS is recorded and shown, then it is signed,
 * checked by OpenSSL, written and recorded again. */
#include <stdlib.h>
#include <unistd.h>

#include "ceremony.h"
#include "os/os.h"
#include "x509/x509.h"

/* What differs between the four kinds of signature. */
struct signing {
    size_t key; /* signer's index in the plan */
    bool crl;
    enum chancery_err (*write)(struct ceremony *c, size_t index, int64_t now_s, struct buf *out,
                               struct diag *diag);
    enum chancery_err (*verify)(const struct ceremony *c, size_t index, struct slice der,
                                struct slice tbs, struct diag *diag);
    enum chancery_err (*output)(struct ceremony *c, size_t index, struct slice der, json_t *outputs,
                                struct diag *diag);
    struct buf *result;
};

/* The TBS: the recorded one of a begun step, or a new one, which is recorded before anything else.
 */
static enum chancery_err sign_tbs(struct ceremony *c, const struct ceremony_step *s,
                                  const struct signing *g, struct buf *tbs, struct diag *diag)
{
    uint8_t sha[32];
    const json_t *begun = transcript_find(c->t, s->id, "begin");
    const char *recorded = json_string_value(json_object_get(begun, "tbs"));
    if (begun != NULL) {
        if (recorded == NULL || base64_decode(slice_str(recorded), tbs) != CH_OK) {
            return diag_set(diag, CH_INTEGRITY, s->id, "transcript.tbs",
                            "the transcript's record of what is to be signed does not parse");
        }
        return CH_OK;
    }
    TRY(g->write(c, s->index, os_now_s(), tbs, diag));
    crypto_sha256(buf_slice(tbs), sha);
    json_t *f = json_pack("{s:s, s:o, s:o, s:o}", "signer", c->plan->keys[g->key].id, "signer_spki",
                          out_hex(slice_of(crypto_public_spki_sha256(c->keys[g->key]), 32)), "tbs",
                          out_base64(buf_slice(tbs)), "tbs_sha256", out_hex(slice_of(sha, 32)));
    return transcript_add(c->t, os_now_s(), s->id, "begin", f, diag);
}

/* A real ceremony asks a person, who proves by typing it that the digest was read. */
static enum chancery_err sign_confirm(struct ceremony *c, struct slice tbs, struct diag *diag)
{
    uint8_t sha[32];
    char hex[65], line[128];
    if (c->plan->rehearsal || c->yes) {
        return CH_OK;
    }
    if (!isatty(STDIN_FILENO)) {
        return diag_set(diag, CH_PRECONDITION, "", "ceremony.confirm",
                        "a real ceremony is confirmed at a terminal (or give --yes)");
    }
    crypto_sha256(tbs, sha);
    hex_encode(slice_of(sha, 32), hex);
    (void)fprintf(c->out->err, "      type the first 8 digits of the TBS SHA-256 to sign: ");
    (void)fflush(c->out->err);
    if (fgets(line, sizeof line, stdin) == NULL || strcspn(line, "\n") != 8 ||
        memcmp(line, hex, 8) != 0) {
        return diag_set(diag, CH_CANCELLED, "", "ceremony.confirm", "not confirmed: not signed");
    }
    return CH_OK;
}

static enum chancery_err sign_make(struct ceremony *c, const struct signing *g, struct slice tbs,
                                   struct buf *signature, struct buf *der, struct diag *diag)
{
    struct hsm_key *key = NULL;
    TRY(ceremony_key(c, g->key, &key, diag));
    enum crypto_alg alg = crypto_alg_default(hsm_key_type(key));
    TRY(ceremony_show(c, g->crl, tbs, alg, c->plan->keys[g->key].id, diag));
    TRY(sign_confirm(c, tbs, diag));
    TRY(hsm_sign(key, alg, tbs, CEREMONY_SIGN_WAIT_MS, signature, diag));
    return x509_assemble(tbs, alg, buf_slice(signature), der);
}

static enum chancery_err sign_done(struct ceremony *c, const struct ceremony_step *s,
                                   const struct signing *g, struct slice signature,
                                   struct slice der, struct diag *diag)
{
    uint8_t sha[32], signature_sha[32];
    json_t *outputs = json_object();
    enum chancery_err err = g->output(c, s->index, der, outputs, diag);
    if (err != CH_OK) {
        json_decref(outputs);
        return err;
    }
    OS_FAILPOINT("ceremony.sign.stored");
    crypto_sha256(der, sha);
    crypto_sha256(signature, signature_sha);
    json_t *f =
        json_pack("{s:o, s:o, s:o}", "outputs", outputs, "sha256", out_hex(slice_of(sha, 32)),
                  "signature_sha256", out_hex(slice_of(signature_sha, 32)));
    return transcript_add(c->t, os_now_s(), s->id, "done", f, diag);
}

static enum chancery_err sign_all(struct ceremony *c, const struct ceremony_step *s,
                                  const struct signing *g, struct buf *tbs, struct buf *signature,
                                  struct diag *diag)
{
    TRY(sign_tbs(c, s, g, tbs, diag));
    OS_FAILPOINT("ceremony.sign.begun");
    buf_reset(g->result);
    TRY(sign_make(c, g, buf_slice(tbs), signature, g->result, diag));
    OS_FAILPOINT("ceremony.sign.signed");
    TRY(g->verify(c, s->index, buf_slice(g->result), buf_slice(tbs), diag));
    return sign_done(c, s, g, buf_slice(signature), buf_slice(g->result), diag);
}

static enum chancery_err sign_step(struct ceremony *c, const struct ceremony_step *s,
                                   const struct signing *g, struct diag *diag)
{
    struct buf tbs, signature;
    buf_init(&tbs, X509_TBS_MAX);
    buf_init(&signature, 4096);
    enum chancery_err err = sign_all(c, s, g, &tbs, &signature, diag);
    buf_clear(&tbs);
    buf_clear(&signature);
    return err;
}

/* ---- outputs ---- */

static enum chancery_err output_pem(struct ceremony *c, const char *name, const struct slice *der,
                                    size_t n, json_t *outputs, struct diag *diag)
{
    struct buf pem;
    buf_init(&pem, CEREMONY_FILE_MAX);
    enum chancery_err err = CH_OK;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        err = x509_pem_write("CERTIFICATE", der[i], &pem);
    }
    err = err == CH_OK ? ceremony_write(c, name, buf_slice(&pem), outputs, diag) : err;
    buf_clear(&pem);
    return err;
}

/* <name>.cer (DER) and <name>.pem. */
static enum chancery_err output_cert(struct ceremony *c, const char *name, struct slice der,
                                     json_t *outputs, struct diag *diag)
{
    char file[128];
    (void)snprintf(file, sizeof file, "%s.cer", name);
    TRY(ceremony_write(c, file, der, outputs, diag));
    (void)snprintf(file, sizeof file, "%s.pem", name);
    return output_pem(c, file, &der, 1, outputs, diag);
}

static enum chancery_err load_file(struct ceremony *c, const char *name, struct buf *out,
                                   struct diag *diag)
{
    buf_reset(out);
    return ceremony_read(c, name, out, diag);
}

/* ---- root ---- */

static enum chancery_err root_write(struct ceremony *c, size_t index, int64_t now_s,
                                    struct buf *out, struct diag *diag)
{
    (void)index;
    return ceremony_tbs_root(c, now_s, out, diag);
}

static enum chancery_err root_verify(const struct ceremony *c, size_t index, struct slice der,
                                     struct slice tbs, struct diag *diag)
{
    (void)index;
    return ceremony_verify_cert(c, der, tbs, slice_of(NULL, 0), false, diag);
}

static enum chancery_err root_output(struct ceremony *c, size_t index, struct slice der,
                                     json_t *outputs, struct diag *diag)
{
    (void)index;
    return output_cert(c, "root", der, outputs, diag);
}

enum chancery_err ceremony_root_run(struct ceremony *c, const struct ceremony_step *s,
                                    struct diag *diag)
{
    const struct signing g = {c->plan->root_key, false,       root_write,
                              root_verify,       root_output, &c->root};
    return sign_step(c, s, &g, diag);
}

enum chancery_err ceremony_root_load(struct ceremony *c, const struct ceremony_step *s,
                                     const json_t *f, struct diag *diag)
{
    (void)s;
    (void)f;
    return load_file(c, "root.cer", &c->root, diag);
}

/* ---- CRL ---- */

static enum chancery_err crl_write(struct ceremony *c, size_t index, int64_t now_s, struct buf *out,
                                   struct diag *diag)
{
    (void)index;
    return ceremony_tbs_crl(c, now_s, out, diag);
}

static enum chancery_err crl_verify(const struct ceremony *c, size_t index, struct slice der,
                                    struct slice tbs, struct diag *diag)
{
    (void)index;
    return ceremony_verify_crl(c, der, tbs, diag);
}

static enum chancery_err crl_output(struct ceremony *c, size_t index, struct slice der,
                                    json_t *outputs, struct diag *diag)
{
    (void)index;
    return ceremony_write(c, "root.crl", der, outputs, diag);
}

enum chancery_err ceremony_crl_run(struct ceremony *c, const struct ceremony_step *s,
                                   struct diag *diag)
{
    const struct signing g = {c->plan->root_key, true, crl_write, crl_verify, crl_output, &c->crl};
    return sign_step(c, s, &g, diag);
}

enum chancery_err ceremony_crl_load(struct ceremony *c, const struct ceremony_step *s,
                                    const json_t *f, struct diag *diag)
{
    (void)s;
    (void)f;
    return load_file(c, "root.crl", &c->crl, diag);
}

/* ---- issuing CA ---- */

static enum chancery_err issuer_verify(const struct ceremony *c, size_t index, struct slice der,
                                       struct slice tbs, struct diag *diag)
{
    (void)index;
    return ceremony_verify_cert(c, der, tbs, slice_of(NULL, 0), true, diag);
}

static enum chancery_err issuer_output(struct ceremony *c, size_t index, struct slice der,
                                       json_t *outputs, struct diag *diag)
{
    const char *id = c->plan->issuers[index].id;
    const struct slice chain[2] = {der, buf_slice(&c->root)};
    char file[128];
    TRY(output_cert(c, id, der, outputs, diag));
    (void)snprintf(file, sizeof file, "%s-chain.pem", id);
    return output_pem(c, file, chain, 2, outputs, diag);
}

enum chancery_err ceremony_issuer_run(struct ceremony *c, const struct ceremony_step *s,
                                      struct diag *diag)
{
    const struct signing g = {c->plan->root_key, false,         ceremony_tbs_issuer,
                              issuer_verify,     issuer_output, &c->issuers[s->index]};
    return sign_step(c, s, &g, diag);
}

enum chancery_err ceremony_issuer_load(struct ceremony *c, const struct ceremony_step *s,
                                       const json_t *f, struct diag *diag)
{
    char file[128];
    (void)f;
    (void)snprintf(file, sizeof file, "%s.cer", c->plan->issuers[s->index].id);
    return load_file(c, file, &c->issuers[s->index], diag);
}

/* ---- OCSP responder ---- */

static enum chancery_err ocsp_verify(const struct ceremony *c, size_t index, struct slice der,
                                     struct slice tbs, struct diag *diag)
{
    return ceremony_verify_cert(c, der, tbs, buf_slice(&c->issuers[index]), false, diag);
}

static enum chancery_err ocsp_output(struct ceremony *c, size_t index, struct slice der,
                                     json_t *outputs, struct diag *diag)
{
    char name[100];
    (void)snprintf(name, sizeof name, "ocsp-%s", c->plan->issuers[index].id);
    return output_cert(c, name, der, outputs, diag);
}

enum chancery_err ceremony_ocsp_run(struct ceremony *c, const struct ceremony_step *s,
                                    struct diag *diag)
{
    const struct signing g = {c->plan->issuers[s->index].key,
                              false,
                              ceremony_tbs_ocsp,
                              ocsp_verify,
                              ocsp_output,
                              &c->ocsp[s->index]};
    return sign_step(c, s, &g, diag);
}

enum chancery_err ceremony_ocsp_load(struct ceremony *c, const struct ceremony_step *s,
                                     const json_t *f, struct diag *diag)
{
    char file[128];
    (void)f;
    (void)snprintf(file, sizeof file, "ocsp-%s.cer", c->plan->issuers[s->index].id);
    return load_file(c, file, &c->ocsp[s->index], diag);
}
