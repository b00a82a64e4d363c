/* The order of a ceremony, its start, its resumption and its end. */
#include "ceremony.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "os/os.h"
#include "text.h"

struct step_list {
    struct ceremony_step *steps;
    size_t n, cap;
};

static enum chancery_err step_add(struct step_list *l, const char *kind, const char *name,
                                  size_t index, ceremony_step_fn *run, ceremony_load_fn *load,
                                  const char *title)
{
    if (l->n == l->cap) {
        return CH_LIMIT;
    }
    struct ceremony_step *s = &l->steps[l->n++];
    (void)snprintf(s->id, sizeof s->id, "%s%s%s", kind, name[0] == '\0' ? "" : ".", name);
    (void)snprintf(s->title, sizeof s->title, "%s", title);
    s->index = index;
    s->run = run;
    s->load = load;
    return CH_OK;
}

static enum chancery_err steps_keys(const struct plan *p, struct step_list *l)
{
    for (size_t i = 0; i < p->n_keys; i++) {
        const struct plan_key *k = &p->keys[i];
        char title[120];
        (void)snprintf(title, sizeof title, "generate %s key \"%s\" for %s on token %s",
                       crypto_key_type_name(k->type), k->label, plan_use_name(k->use),
                       p->tokens[k->token].id);
        TRY(step_add(l, "key", k->id, i, ceremony_key_run, ceremony_key_load, title));
    }
    for (size_t i = 0; i < p->n_tokens; i++) {
        char title[120];
        (void)snprintf(title, sizeof title, "inspect token %s and every key on it",
                       p->tokens[i].id);
        TRY(step_add(l, "inspect", p->tokens[i].id, i, ceremony_inspect_run, NULL, title));
    }
    return CH_OK;
}

static enum chancery_err steps_issuer(const struct plan *p, size_t i, struct step_list *l)
{
    char title[120];
    const struct plan_issuer *issuer = &p->issuers[i];
    (void)snprintf(title, sizeof title, "sign the certificate of issuing CA %s with the root key",
                   issuer->id);
    TRY(step_add(l, "certificate", issuer->id, i, ceremony_issuer_run, ceremony_issuer_load,
                 title));
    (void)snprintf(title, sizeof title, "sign the OCSP responder certificate of %s", issuer->id);
    return step_add(l, "ocsp", issuer->id, i, ceremony_ocsp_run, ceremony_ocsp_load, title);
}

static enum chancery_err steps_all(const struct plan *p, struct step_list *l)
{
    TRY(steps_keys(p, l));
    TRY(step_add(l, "certificate", "root", 0, ceremony_root_run, ceremony_root_load,
                 "sign the self-signed root certificate"));
    TRY(step_add(l, "crl", "root", 0, ceremony_crl_run, ceremony_crl_load,
                 "sign the root's first CRL"));
    for (size_t i = 0; i < p->n_issuers; i++) {
        TRY(steps_issuer(p, i, l));
    }
    TRY(step_add(l, "bundle", "", 0, ceremony_bundle_run, ceremony_bundle_load,
                 "hash the first policy bundle"));
    TRY(step_add(l, "issuers", "", 0, ceremony_issuers_run, NULL, "write issuers.yaml"));
    return step_add(l, "trust", "", 0, ceremony_trust_run, ceremony_trust_load,
                    "sign trust.json with the root key");
}

enum chancery_err ceremony_steps(const struct plan *plan, struct ceremony_step *out, size_t cap,
                                 size_t *out_n, struct diag *diag)
{
    struct step_list l = {.steps = out, .cap = cap};
    enum chancery_err err = steps_all(plan, &l);
    if (err != CH_OK) {
        return diag_set(diag, err, "", "plan.steps", "the plan has more than %zu steps", cap);
    }
    *out_n = l.n;
    return CH_OK;
}

/* ---- start ---- */

/* A new ceremony starts in an empty folder: whatever lies there was not made by it. */
static enum chancery_err start_empty(const char *dir, struct diag *diag)
{
    DIR *d = opendir(dir);
    if (d == NULL) {
        return diag_set(diag, CH_IO, dir, "ceremony.dir", "%s: %s", dir, strerror(errno));
    }
    enum chancery_err err = CH_OK;
    for (struct dirent *e = readdir(d); e != NULL && err == CH_OK; e = readdir(d)) {
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 &&
            strcmp(e->d_name, "transcript.jsonl") != 0) {
            err = diag_set(diag, CH_EXISTS, e->d_name, "ceremony.dir",
                           "%s is not empty (%s); a ceremony starts in an empty folder", dir,
                           e->d_name);
        }
    }
    (void)closedir(d);
    return err;
}

static json_t *start_people(const struct plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_roles; i++) {
        (void)json_array_append_new(
            list, json_pack("{s:s, s:s}", "role", p->roles[i].role, "person", p->roles[i].person));
    }
    return list;
}

static json_t *start_inventory(const struct plan *p)
{
    json_t *list = json_array();
    for (size_t i = 0; i < p->n_inventory; i++) {
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "item", p->inventory[i].item,
                                                    "serial", p->inventory[i].serial));
    }
    return list;
}

/* Modules by path and SHA-256: which code had the keys in hand. */
static enum chancery_err start_modules(const struct plan *p, json_t *list, struct diag *diag)
{
    for (size_t i = 0; i < p->n_tokens; i++) {
        struct buf file;
        uint8_t sha[32];
        bool seen = false;
        for (size_t j = 0; j < i; j++) {
            seen = seen || strcmp(p->tokens[i].module, p->tokens[j].module) == 0;
        }
        if (seen) {
            continue;
        }
        buf_init(&file, (size_t)256 << 20);
        enum chancery_err err = os_file_read(p->tokens[i].module, &file, diag);
        crypto_sha256(buf_slice(&file), sha);
        buf_clear(&file);
        TRY(err);
        (void)json_array_append_new(list, json_pack("{s:s, s:o}", "path", p->tokens[i].module,
                                                    "sha256", out_hex(slice_of(sha, 32))));
    }
    return CH_OK;
}

static enum chancery_err start_plan(struct ceremony *c, struct diag *diag)
{
    const struct plan *p = c->plan;
    json_t *modules = json_array();
    TRY(start_empty(c->dir, diag));
    enum chancery_err err = start_modules(p, modules, diag);
    if (err != CH_OK) {
        json_decref(modules);
        return err;
    }
    json_t *f = json_pack("{s:o, s:s, s:b, s:s, s:s, s:o, s:o, s:o, s:s, s:s, s:i}", "plan_sha256",
                          out_hex(slice_of(p->sha256, 32)), "name", p->name, "rehearsal",
                          p->rehearsal ? 1 : 0, "trust_domain", p->trust_domain, "log_origin",
                          p->log_origin, "roles", start_people(p), "inventory", start_inventory(p),
                          "modules", modules, "tool", "chancery " CHANCERY_VERSION, "openssl",
                          OpenSSL_version(OPENSSL_VERSION), "steps", (int)c->n_steps);
    return transcript_add(c->t, os_now_s(), "plan", "plan", f, diag);
}

static enum chancery_err start(struct ceremony *c, struct diag *diag)
{
    if (transcript_lines(c->t) == 0) {
        return start_plan(c, diag);
    }
    if (transcript_find(c->t, "close", "close") != NULL) {
        return CH_OK;
    }
    out_note(c->out, "resuming after %zu lines of the transcript", transcript_lines(c->t));
    json_t *f = json_pack("{s:I}", "torn_bytes", (json_int_t)transcript_torn(c->t));
    return transcript_add(c->t, os_now_s(), "resume", "deviation", f, diag);
}

/* ---- run ---- */

static enum chancery_err run_step(struct ceremony *c, const struct ceremony_step *s, size_t number,
                                  size_t *done_before, struct diag *diag)
{
    const json_t *f = transcript_find(c->t, s->id, "done");
    if (f != NULL) {
        (*done_before)++;
        TRY(ceremony_check_outputs(c, f, diag));
        return s->load == NULL ? CH_OK : s->load(c, s, f, diag);
    }
    if (transcript_find(c->t, "close", "close") != NULL) {
        return diag_set(diag, CH_INTEGRITY, s->id, "ceremony.closed",
                        "the transcript is closed, but step %s is not done", s->id);
    }
    out_note(c->out, "[%zu/%zu] %s", number, c->n_steps, s->title);
    return s->run(c, s, diag);
}

static enum chancery_err run_close(struct ceremony *c, struct diag *diag)
{
    if (transcript_find(c->t, "close", "close") != NULL) {
        return CH_OK;
    }
    json_t *f = json_pack("{s:o, s:i}", "trust_sha256", out_hex(slice_of(c->trust_sha256, 32)),
                          "steps", (int)c->n_steps);
    return transcript_add(c->t, os_now_s(), "close", "close", f, diag);
}

static enum chancery_err run_all(struct ceremony *c, struct ceremony_result *r, struct diag *diag)
{
    char *path = NULL;
    if (asprintf(&path, "%s/transcript.jsonl", c->dir) < 0) {
        return CH_NOMEM;
    }
    enum chancery_err err = transcript_open(path, c->plan->sha256, &c->t, diag);
    free(path);
    TRY(err);
    TRY(start(c, diag));
    for (size_t i = 0; i < c->n_steps; i++) {
        TRY(run_step(c, &c->steps[i], i + 1, &r->done_before, diag));
    }
    ceremony_token_close(c);
    TRY(run_close(c, diag));
    memcpy(r->plan_sha256, c->plan->sha256, 32);
    memcpy(r->trust_sha256, c->trust_sha256, 32);
    transcript_head(c->t, r->transcript_sha256);
    r->steps = c->n_steps;
    r->rehearsal = c->plan->rehearsal;
    return CH_OK;
}

static void run_clear(struct ceremony *c)
{
    ceremony_token_close(c);
    transcript_close(c->t);
    for (size_t i = 0; i < PLAN_KEYS_MAX; i++) {
        crypto_public_free(c->keys[i]);
    }
    buf_clear(&c->root);
    buf_clear(&c->crl);
    for (size_t i = 0; i < PLAN_ISSUERS_MAX; i++) {
        buf_clear(&c->issuers[i]);
        buf_clear(&c->ocsp[i]);
    }
    free(c);
}

enum chancery_err ceremony_run(const struct plan *plan, const char *dir, bool yes, struct out *out,
                               struct ceremony_result *result, struct diag *diag)
{
    struct ceremony_result r = {0};
    if (os_mkdirs(dir, 0755) != CH_OK) {
        return diag_set(diag, CH_IO, dir, "ceremony.dir", "making %s: %s", dir, strerror(errno));
    }
    struct ceremony *c = calloc(1, sizeof *c);
    if (c == NULL) {
        return CH_NOMEM;
    }
    c->plan = plan;
    c->dir = dir;
    c->out = out;
    c->yes = yes;
    buf_init(&c->root, CEREMONY_FILE_MAX);
    buf_init(&c->crl, CEREMONY_FILE_MAX);
    for (size_t i = 0; i < PLAN_ISSUERS_MAX; i++) {
        buf_init(&c->issuers[i], CEREMONY_FILE_MAX);
        buf_init(&c->ocsp[i], CEREMONY_FILE_MAX);
    }
    enum chancery_err err = ceremony_steps(plan, c->steps, CEREMONY_STEPS_MAX, &c->n_steps, diag);
    err = err == CH_OK ? run_all(c, &r, diag) : err;
    run_clear(c);
    if (err == CH_OK) {
        *result = r;
    }
    return err;
}
