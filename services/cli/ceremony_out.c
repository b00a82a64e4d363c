/* What a ceremony leaves behind: files with recorded digests, issuers.yaml, trust.json. */
#include <stdlib.h>

#include "ceremony.h"
#include "os/os.h"
#include "policy/policy.h"

#define TRUST_CONTEXT "chancery/trust/v1\n"

enum chancery_err ceremony_write(struct ceremony *c, const char *name, struct slice content,
                                 json_t *outputs, struct diag *diag)
{
    uint8_t sha[32];
    char *path = NULL;
    if (asprintf(&path, "%s/%s", c->dir, name) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = os_file_write_atomic(path, content, 0644, diag);
    free(path);
    TRY(err);
    crypto_sha256(content, sha);
    return json_object_set_new(outputs, name, out_hex(slice_of(sha, 32))) == 0 ? CH_OK : CH_NOMEM;
}

enum chancery_err ceremony_read(const struct ceremony *c, const char *name, struct buf *out,
                                struct diag *diag)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", c->dir, name) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = os_file_read(path, out, diag);
    free(path);
    return err;
}

static enum chancery_err check_output(const struct ceremony *c, const char *name, const char *want,
                                      struct diag *diag)
{
    uint8_t sha[32];
    char hex[65];
    struct buf file;
    buf_init(&file, CEREMONY_FILE_MAX);
    enum chancery_err err = ceremony_read(c, name, &file, diag);
    crypto_sha256(buf_slice(&file), sha);
    buf_clear(&file);
    hex_encode(slice_of(sha, 32), hex);
    if (err != CH_OK || want == NULL || strcmp(hex, want) != 0) {
        return diag_set(diag, CH_INTEGRITY, name, "ceremony.output.changed",
                        "%s is missing or is not what the transcript recorded", name);
    }
    return CH_OK;
}

enum chancery_err ceremony_check_outputs(const struct ceremony *c, const json_t *f,
                                         struct diag *diag)
{
    const char *name = NULL;
    json_t *want = NULL;
    json_object_foreach(json_object_get(f, "outputs"), name, want)
    {
        TRY(check_output(c, name, json_string_value(want), diag));
    }
    return CH_OK;
}

/* ---- policy bundle ---- */

enum chancery_err ceremony_bundle_run(struct ceremony *c, const struct ceremony_step *s,
                                      struct diag *diag)
{
    struct policy_bundle *bundle = NULL;
    TRY(policy_bundle_load(c->plan->policy_bundle, &bundle, diag));
    memcpy(c->bundle_sha256, policy_bundle_hash(bundle), 32);
    policy_bundle_free(bundle);
    json_t *f = json_pack("{s:s, s:o}", "folder", c->plan->policy_bundle, "bundle_sha256",
                          out_hex(slice_of(c->bundle_sha256, 32)));
    return transcript_add(c->t, os_now_s(), s->id, "done", f, diag);
}

enum chancery_err ceremony_bundle_load(struct ceremony *c, const struct ceremony_step *s,
                                       const json_t *f, struct diag *diag)
{
    size_t len = 0;
    const char *hex = json_string_value(json_object_get(f, "bundle_sha256"));
    if (hex == NULL || hex_decode(slice_str(hex), c->bundle_sha256, 32, &len) != CH_OK ||
        len != 32) {
        return diag_set(diag, CH_INTEGRITY, s->id, "transcript.bundle",
                        "the transcript's record of the bundle does not parse");
    }
    return CH_OK;
}

/* ---- issuers.yaml ---- */

/* Every value was checked when the plan was read: names and URLs of printable ASCII without quotes.
 */
static enum chancery_err issuers_text(const struct plan *p, struct buf *out)
{
    TRY(buf_add_str(out, "# Issuing CAs, made by a ceremony. Paths are relative to this file.\n"
                         "issuers:\n"));
    for (size_t i = 0; i < p->n_issuers; i++) {
        const struct plan_issuer *x = &p->issuers[i];
        TRY(buf_printf(out,
                       "  - issuer_id: \"%s\"\n"
                       "    certificate: \"%s.cer\"\n"
                       "    chain: \"%s-chain.pem\"\n"
                       "    ocsp_certificate: \"ocsp-%s.cer\"\n"
                       "    shards: %u\n"
                       "    crl_url_base: \"%s\"\n"
                       "    ocsp_url: \"%s\"\n"
                       "    aia_url_base: \"%s\"\n",
                       x->id, x->id, x->id, x->id, x->shards, p->crl_base, p->ocsp_url,
                       p->aia_base));
    }
    return CH_OK;
}

enum chancery_err ceremony_issuers_run(struct ceremony *c, const struct ceremony_step *s,
                                       struct diag *diag)
{
    struct buf text;
    json_t *outputs = json_object();
    buf_init(&text, CEREMONY_FILE_MAX);
    enum chancery_err err = issuers_text(c->plan, &text);
    err = err == CH_OK ? ceremony_write(c, "issuers.yaml", buf_slice(&text), outputs, diag) : err;
    buf_clear(&text);
    if (err != CH_OK) {
        json_decref(outputs);
        return err;
    }
    return transcript_add(c->t, os_now_s(), s->id, "done", json_pack("{s:o}", "outputs", outputs),
                          diag);
}

/* ---- trust.json ---- */

static json_t *trust_keys(const struct ceremony *c, const struct plan_keys *list)
{
    json_t *out = json_array();
    for (size_t i = 0; i < list->n; i++) {
        (void)json_array_append_new(out, out_base64(crypto_public_spki(c->keys[list->keys[i]])));
    }
    return out;
}

static json_t *trust_issuers(const struct ceremony *c)
{
    const struct plan *p = c->plan;
    json_t *out = json_array();
    (void)json_array_append_new(out,
                                json_pack("{s:s, s:o, s:i, s:s, s:s}", "issuer_id", "root",
                                          "certificate", out_base64(buf_slice(&c->root)), "shards",
                                          0, "crl_url", p->crl_base, "ocsp_url", ""));
    for (size_t i = 0; i < p->n_issuers; i++) {
        (void)json_array_append_new(out, json_pack("{s:s, s:o, s:i, s:s, s:s}", "issuer_id",
                                                   p->issuers[i].id, "certificate",
                                                   out_base64(buf_slice(&c->issuers[i])), "shards",
                                                   (int)p->issuers[i].shards, "crl_url",
                                                   p->crl_base, "ocsp_url", p->ocsp_url));
    }
    return out;
}

static json_t *trust_body(const struct ceremony *c)
{
    json_t *keys = json_pack("{s:o, s:o, s:o}", "permit", trust_keys(c, &c->plan->permit),
                             "statement", trust_keys(c, &c->plan->statement), "checkpoint",
                             trust_keys(c, &c->plan->checkpoint));
    return json_pack("{s:i, s:s, s:s, s:o, s:o, s:o, s:b}", "v", 1, "trust_domain",
                     c->plan->trust_domain, "origin", c->plan->log_origin, "keys", keys, "issuers",
                     trust_issuers(c), "bundle_sha256", out_hex(slice_of(c->bundle_sha256, 32)),
                     "rehearsal", c->plan->rehearsal ? 1 : 0);
}

/* Signs TRUST_CONTEXT || SHA-256(canonical JSON without the member "signature") and adds that
 * member. */
static enum chancery_err trust_sign(struct ceremony *c, const struct ceremony_step *s, json_t *body,
                                    struct buf *text, struct buf *signature, struct diag *diag)
{
    struct hsm_key *key = NULL;
    uint8_t message[sizeof TRUST_CONTEXT - 1 + 32];
    TRY(out_canonical(body, text));
    memcpy(message, TRUST_CONTEXT, sizeof TRUST_CONTEXT - 1);
    crypto_sha256(buf_slice(text), message + sizeof TRUST_CONTEXT - 1);
    json_t *f = json_pack("{s:s, s:o}", "signer", c->plan->keys[c->plan->root_key].id,
                          "body_sha256", out_hex(slice_of(message + sizeof TRUST_CONTEXT - 1, 32)));
    if (transcript_find(c->t, s->id, "begin") == NULL) {
        TRY(transcript_add(c->t, os_now_s(), s->id, "begin", f, diag));
    } else {
        json_decref(f);
    }
    OS_FAILPOINT("ceremony.trust.begun");
    TRY(ceremony_key(c, c->plan->root_key, &key, diag));
    enum crypto_alg alg = crypto_alg_default(hsm_key_type(key));
    TRY(hsm_sign(key, alg, slice_of(message, sizeof message), CEREMONY_SIGN_WAIT_MS, signature,
                 diag));
    json_t *member = json_pack("{s:s, s:s, s:o}", "key", "root", "alg", crypto_alg_name(alg),
                               "value", out_base64(buf_slice(signature)));
    return json_object_set_new(body, "signature", member) == 0 ? CH_OK : CH_NOMEM;
}

static enum chancery_err trust_write(struct ceremony *c, const struct ceremony_step *s,
                                     const json_t *body, struct buf *text, struct diag *diag)
{
    json_t *outputs = json_object();
    buf_reset(text);
    enum chancery_err err = out_canonical(body, text);
    err = err == CH_OK ? buf_add_u8(text, '\n') : err;
    err = err == CH_OK ? ceremony_write(c, "trust.json", buf_slice(text), outputs, diag) : err;
    if (err != CH_OK) {
        json_decref(outputs);
        return err;
    }
    crypto_sha256(buf_slice(text), c->trust_sha256);
    OS_FAILPOINT("ceremony.trust.stored");
    json_t *f = json_pack("{s:o, s:o}", "outputs", outputs, "trust_sha256",
                          out_hex(slice_of(c->trust_sha256, 32)));
    return transcript_add(c->t, os_now_s(), s->id, "done", f, diag);
}

enum chancery_err ceremony_trust_run(struct ceremony *c, const struct ceremony_step *s,
                                     struct diag *diag)
{
    struct buf text, signature;
    json_t *body = trust_body(c);
    if (body == NULL) {
        return diag_set(diag, CH_INTERNAL, "", "ceremony.trust", "trust.json cannot be built");
    }
    buf_init(&text, CEREMONY_FILE_MAX);
    buf_init(&signature, 4096);
    enum chancery_err err = trust_sign(c, s, body, &text, &signature, diag);
    err = err == CH_OK ? trust_write(c, s, body, &text, diag) : err;
    buf_clear(&text);
    buf_clear(&signature);
    json_decref(body);
    return err;
}

enum chancery_err ceremony_trust_load(struct ceremony *c, const struct ceremony_step *s,
                                      const json_t *f, struct diag *diag)
{
    size_t len = 0;
    const char *hex = json_string_value(json_object_get(f, "trust_sha256"));
    if (hex == NULL || hex_decode(slice_str(hex), c->trust_sha256, 32, &len) != CH_OK ||
        len != 32) {
        return diag_set(diag, CH_INTEGRITY, s->id, "transcript.trust",
                        "the transcript's record of trust.json does not parse");
    }
    return CH_OK;
}
