/* Tokens and keys of a ceremony. */
#include <stdlib.h>

#include "ceremony.h"
#include "os/os.h"

static void token_opts(const struct ceremony *c, size_t index, struct hsm_opts *out)
{
    const struct plan_token *t = &c->plan->tokens[index];
    *out = (struct hsm_opts){
        .module = t->module, .token_uri = t->uri, .pin_file = t->pin_file, .pin_fd = -1};
}

/* Modules read their configuration from the environment when they are initialised; no token is open
 * and no other thread runs then. */
static enum chancery_err token_env(struct ceremony *c, size_t index)
{
    const struct plan_token *t = &c->plan->tokens[index];
    for (size_t i = 0; i < t->n_env; i++) {
        const char *old = getenv(t->env[i].name);
        c->saved_env[i] = old == NULL ? NULL : strdup(old);
        if ((old != NULL && c->saved_env[i] == NULL) ||
            setenv(t->env[i].name, t->env[i].value, 1) != 0) {
            return CH_NOMEM;
        }
    }
    return CH_OK;
}

static void token_env_restore(struct ceremony *c, size_t index)
{
    const struct plan_token *t = &c->plan->tokens[index];
    for (size_t i = 0; i < t->n_env; i++) {
        if (c->saved_env[i] != NULL) {
            (void)setenv(t->env[i].name, c->saved_env[i], 1);
        } else {
            (void)unsetenv(t->env[i].name);
        }
        free(c->saved_env[i]);
        c->saved_env[i] = NULL;
    }
}

void ceremony_token_close(struct ceremony *c)
{
    if (c->token != NULL) {
        hsm_close(c->token);
        c->token = NULL;
        token_env_restore(c, c->token_index);
    }
}

enum chancery_err ceremony_token(struct ceremony *c, size_t index, struct hsm_token **out,
                                 struct diag *diag)
{
    struct hsm_opts opts;
    if (c->token == NULL || c->token_index != index) {
        ceremony_token_close(c);
        token_opts(c, index, &opts);
        enum chancery_err err = token_env(c, index);
        err = err == CH_OK ? hsm_open(&opts, &c->token, diag) : err;
        if (err != CH_OK) {
            token_env_restore(c, index);
            return err;
        }
        c->token_index = index;
    }
    *out = c->token;
    return CH_OK;
}

static enum chancery_err key_find(struct ceremony *c, size_t index, struct hsm_key **out,
                                  struct diag *diag)
{
    const struct plan_key *k = &c->plan->keys[index];
    struct hsm_token *token = NULL;
    char uri[128];
    (void)snprintf(uri, sizeof uri, "pkcs11:object=%s;type=private", k->label);
    TRY(ceremony_token(c, k->token, &token, diag));
    return hsm_key_open(token, uri, out, diag);
}

enum chancery_err ceremony_key(struct ceremony *c, size_t index, struct hsm_key **out,
                               struct diag *diag)
{
    struct hsm_key *key = NULL;
    TRY(key_find(c, index, &key, diag));
    if (!slice_eq(hsm_key_spki(key), crypto_public_spki(c->keys[index]))) {
        return diag_set(diag, CH_INTEGRITY, c->plan->keys[index].id, "ceremony.key.changed",
                        "the key \"%s\" on the token is not the one this ceremony recorded",
                        c->plan->keys[index].label);
    }
    *out = key;
    return CH_OK;
}

/* Makes sure that no key has the label yet, then records that it is about to be made. */
static enum chancery_err key_begin(struct ceremony *c, const struct ceremony_step *s,
                                   struct diag *diag)
{
    const struct plan_key *k = &c->plan->keys[s->index];
    struct hsm_key *key = NULL;
    struct diag found = {0};
    enum chancery_err err = key_find(c, s->index, &key, &found);
    if (err == CH_OK || err == CH_INTEGRITY) {
        return diag_set(diag, CH_EXISTS, k->id, "ceremony.key.exists",
                        "token %s holds a key \"%s\" that this ceremony did not make",
                        c->plan->tokens[k->token].id, k->label);
    }
    if (err != CH_NOT_FOUND) {
        if (diag != NULL) {
            *diag = found;
        }
        return err;
    }
    json_t *f =
        json_pack("{s:s, s:s, s:s, s:s}", "label", k->label, "token", c->plan->tokens[k->token].uri,
                  "type", crypto_key_type_name(k->type), "use", plan_use_name(k->use));
    return transcript_add(c->t, os_now_s(), s->id, "begin", f, diag);
}

/* After an interrupted run: the key of a begun step may be there already. */
static enum chancery_err key_adopt(struct ceremony *c, const struct ceremony_step *s,
                                   struct hsm_key **out, struct diag *diag)
{
    struct diag why = {0};
    enum chancery_err err = key_find(c, s->index, out, &why);
    if (err == CH_NOT_FOUND) {
        return err;
    }
    if (err != CH_OK) {
        return diag_set(diag, err, c->plan->keys[s->index].id, "ceremony.key.unusable",
                        "an interrupted generation left an unusable key \"%s\": remove it from the "
                        "token, then run again (%s)",
                        c->plan->keys[s->index].label, why.text);
    }
    json_t *f = json_pack("{s:s}", "note", "key found after an interrupted generation");
    return transcript_add(c->t, os_now_s(), s->id, "deviation", f, diag);
}

static enum chancery_err key_done(struct ceremony *c, const struct ceremony_step *s,
                                  struct hsm_key *key, struct diag *diag)
{
    const struct plan_key *k = &c->plan->keys[s->index];
    char sha[65];
    if (hsm_key_type(key) != k->type) {
        return diag_set(diag, CH_INTEGRITY, k->id, "ceremony.key.type",
                        "the key is %s where the plan wants %s",
                        crypto_key_type_name(hsm_key_type(key)), crypto_key_type_name(k->type));
    }
    c->keys[s->index] = crypto_public_ref(hsm_key_public(key));
    hex_encode(slice_of(hsm_key_spki_sha256(key), 32), sha);
    out_note(c->out, "      SPKI SHA-256 %s", sha);
    json_t *f = json_pack("{s:s, s:s, s:s, s:o, s:s, s:s}", "label", k->label, "type",
                          crypto_key_type_name(k->type), "uri", hsm_key_uri(key), "spki",
                          out_base64(hsm_key_spki(key)), "spki_sha256", sha, "attributes",
                          "read back: sensitive, never extractable, local, sign only; probe signed "
                          "and verified");
    return transcript_add(c->t, os_now_s(), s->id, "done", f, diag);
}

enum chancery_err ceremony_key_run(struct ceremony *c, const struct ceremony_step *s,
                                   struct diag *diag)
{
    const struct plan_key *k = &c->plan->keys[s->index];
    struct hsm_key *key = NULL;
    struct hsm_token *token = NULL;
    if (transcript_find(c->t, s->id, "begin") == NULL) {
        TRY(key_begin(c, s, diag));
    } else {
        enum chancery_err err = key_adopt(c, s, &key, diag);
        if (err != CH_OK && err != CH_NOT_FOUND) {
            return err;
        }
    }
    OS_FAILPOINT("ceremony.key.begun");
    if (key == NULL) {
        TRY(ceremony_token(c, k->token, &token, diag));
        TRY(hsm_key_generate(token, k->type, k->label, &key, diag));
    }
    OS_FAILPOINT("ceremony.key.generated");
    return key_done(c, s, key, diag);
}

enum chancery_err ceremony_key_load(struct ceremony *c, const struct ceremony_step *s,
                                    const json_t *f, struct diag *diag)
{
    struct buf spki;
    const char *text = json_string_value(json_object_get(f, "spki"));
    buf_init(&spki, 4096);
    enum chancery_err err = text == NULL ? CH_MALFORMED : base64_decode(slice_str(text), &spki);
    err = err == CH_OK ? crypto_public_from_spki(buf_slice(&spki), &c->keys[s->index], diag) : err;
    buf_clear(&spki);
    if (err != CH_OK) {
        return diag_set(diag, CH_INTEGRITY, s->id, "transcript.key",
                        "the transcript's record of this key does not parse");
    }
    return CH_OK;
}

/* ---- inspection ---- */

struct inspection {
    struct out *out;
    json_t *lines;
};

static void inspect_line(void *ctx, enum hsm_check_level level, const char *what,
                         const char *detail)
{
    struct inspection *i = ctx;
    const char *name = level == HSM_CHECK_OK     ? "ok"
                       : level == HSM_CHECK_INFO ? "info"
                       : level == HSM_CHECK_WARN ? "warn"
                                                 : "fail";
    (void)json_array_append_new(i->lines, json_pack("{s:s, s:o, s:o}", "result", name, "what",
                                                    out_text(slice_str(what)), "detail",
                                                    out_text(slice_str(detail))));
    if (level == HSM_CHECK_WARN || level == HSM_CHECK_FAIL) {
        out_note(i->out, "      %s: %s: %s", name, what, detail);
    }
}

enum chancery_err ceremony_inspect_run(struct ceremony *c, const struct ceremony_step *s,
                                       struct diag *diag)
{
    struct inspection i = {.out = c->out, .lines = json_array()};
    struct hsm_opts opts;
    unsigned failed = 0;
    ceremony_token_close(c);
    token_opts(c, s->index, &opts);
    enum chancery_err err = token_env(c, s->index);
    err = err == CH_OK ? hsm_check(&opts, false, inspect_line, &i, &failed, diag) : err;
    token_env_restore(c, s->index);
    if (err == CH_OK && failed > 0) {
        err = diag_set(diag, CH_HSM, s->id, "ceremony.inspect", "%u checks of token %s failed",
                       failed, c->plan->tokens[s->index].id);
    }
    if (err != CH_OK) {
        json_decref(i.lines);
        return err;
    }
    return transcript_add(c->t, os_now_s(), s->id, "done", json_pack("{s:o}", "lines", i.lines),
                          diag);
}
