/* Running the cases of a bundle. */
#include <stdlib.h>

#include "policy/policy_int.h"
#include "trial/table_int.h"
#include "trial/table_officers.h"

#define REPORT_MEMORY ((size_t)256 << 20)
#define CASE_MEMORY ((size_t)16 << 20)
#define WHY_MAX ((size_t)4096)
#define ISSUER_KINDS 5
#define TEST_SHARDS 64

static const enum crypto_key_type issuer_kinds[ISSUER_KINDS] = {
    CRYPTO_KEY_P256, CRYPTO_KEY_P384, CRYPTO_KEY_RSA_3072, CRYPTO_KEY_RSA_4096,
    CRYPTO_KEY_RSA_2048};

/* Issuers of one kind of key, all with one end, and the bundle prepared for them. */
struct issuers {
    enum crypto_key_type kind;
    int64_t not_after_s;
    struct policy_issuer *list;
    struct trial_world world;
    struct trial_bundle *bundle;
};

struct run {
    struct policy_bundle *bundle;
    struct arena arena; /* tables and issuers */
    struct arena each;  /* one case */
    struct issuers issuers;
    struct trial_cover *cover;
    struct policy_verdict *verdict;
    struct trial_table_report *out;
    const char *trust_domain;
};

/* ---- issuers ---- */

static bool has_issuer(const struct issuers *s, size_t n, const char *id)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(s->list[i].issuer_id, id) == 0) {
            return true;
        }
    }
    return false;
}

/* A made-up issuer: everything that a TBS shows of it. */
static enum chancery_err make_issuer(struct run *r, const char *id, struct policy_issuer *out)
{
    struct buf name CLEANUP(buf_clear);
    uint8_t digest[32];
    const struct x509_rdn cn = {X509_OID_CN, slice_str(id)};
    buf_init(&name, 4096);
    TRY(x509_name_write(&cn, 1, &name, NULL));
    crypto_sha256(slice_str(id), digest);
    const uint8_t *subject = arena_copy(&r->arena, buf_slice(&name));
    const uint8_t *ski = arena_copy(&r->arena, slice_of(digest, 20));
    *out = (struct policy_issuer){.issuer_id = id,
                                  .subject = slice_of(subject, name.len),
                                  .ski = slice_of(ski, 20),
                                  .key_type = r->issuers.kind,
                                  .not_after_s = r->issuers.not_after_s,
                                  .shards = TEST_SHARDS,
                                  .cas_below = POLICY_CAS_UNLIMITED,
                                  .crl_url_base = "http://crl.chancery.test",
                                  .ocsp_url = "http://ocsp.chancery.test",
                                  .aia_url_base = "http://aia.chancery.test"};
    memcpy(out->spki_sha256, digest, 32);
    return subject == NULL || ski == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err make_issuers(struct run *r, enum crypto_key_type kind, int64_t not_after_s)
{
    struct issuers *s = &r->issuers;
    if (s->bundle != NULL && s->kind == kind && s->not_after_s == not_after_s) {
        return CH_OK;
    }
    trial_bundle_free(s->bundle);
    size_t n = 0, profiles = policy_profile_count(r->bundle);
    *s = (struct issuers){.kind = kind, .not_after_s = not_after_s};
    s->list = arena_alloc(&r->arena, (profiles * POLICY_POOL_ISSUERS + 1) * sizeof *s->list);
    if (s->list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < profiles; i++) {
        const struct policy_template *t = policy_profile_template(policy_profile_at(r->bundle, i));
        for (size_t k = 0; k < t->n_issuers; k++) {
            if (!has_issuer(s, n, t->issuers[k])) {
                TRY(make_issuer(r, t->issuers[k], &s->list[n++]));
            }
        }
    }
    s->world = (struct trial_world){.issuers = s->list, .n_issuers = n};
    return trial_bundle_new(r->bundle, &s->world, &s->bundle);
}

static bool is_rsa(enum crypto_key_type t)
{
    return t == CRYPTO_KEY_RSA_2048 || t == CRYPTO_KEY_RSA_3072 || t == CRYPTO_KEY_RSA_4096 ||
           t == CRYPTO_KEY_RSA_OTHER;
}

/* The first kind of key whose signatures the profile allows, and that signs for the case's key. */
static enum crypto_key_type issuer_kind(const struct run *r, const struct trial_table_case *c)
{
    const struct policy_profile *p = policy_profile_find(r->bundle, slice_str(c->profile));
    struct crypto_key_facts key = {.type = CRYPTO_KEY_NONE};
    if (p == NULL || c->issuer_key != CRYPTO_KEY_NONE) {
        return c->issuer_key == CRYPTO_KEY_NONE ? CRYPTO_KEY_P256 : c->issuer_key;
    }
    bool alike =
        p->t.choose == POLICY_CHOOSE_KEY_TYPE && crypto_spki_read(c->spki, &key, NULL) == CH_OK;
    for (size_t i = 0; i < ISSUER_KINDS; i++) {
        if ((p->algs & (1U << crypto_alg_default(issuer_kinds[i]))) != 0 &&
            (!alike || is_rsa(key.type) == is_rsa(issuer_kinds[i]))) {
            return issuer_kinds[i];
        }
    }
    return CRYPTO_KEY_P256;
}

/* ---- one case ---- */

struct outcome {
    enum policy_outcome verdict;
    const char *broken; /* the case itself cannot be carried out: why */
    const char *build;  /* rule of what could not be built; NULL: it could */
};

static enum chancery_err sign_off(struct run *r, const struct trial_table_case *c,
                                  const uint8_t digest[32], struct policy_approval **out,
                                  struct outcome *o)
{
    struct policy_approval *list =
        arena_alloc(&r->each, (c->n_approvals + 1) * sizeof(struct policy_approval));
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < c->n_approvals; i++) {
        struct diag why = {.text = ""};
        enum chancery_err err =
            trial_officers_sign(&c->approvals[i], digest, c->at_s, &r->each, &list[i], &why);
        if (err == CH_NOMEM) {
            return err;
        }
        if (err != CH_OK) {
            o->broken = arena_str(&r->out->arena, slice_str(why.text));
            return o->broken == NULL ? CH_NOMEM : CH_OK;
        }
    }
    *out = list;
    return CH_OK;
}

static enum chancery_err build_and_judge(struct run *r, const struct trial_table_case *c,
                                         struct trial_request *q, struct outcome *o)
{
    struct trial_result built;
    struct diag why = {.text = ""};
    struct slice tbs;
    TRY(trial_build(r->issuers.bundle, q, &r->each, &built));
    tbs = built.tbs;
    if (built.build_err != CH_OK) {
        o->build = arena_str(&r->out->arena, slice_str(built.build.rule));
        TRY(o->build == NULL ? CH_NOMEM : CH_OK);
    } else if (c->alter.any && tbs.len > 0) {
        enum chancery_err err = trial_alter_tbs(&c->alter, tbs, &r->each, &tbs, &why);
        if (err != CH_OK) {
            o->broken = arena_str(&r->out->arena, slice_str(why.text));
            return err == CH_NOMEM || o->broken == NULL ? CH_NOMEM : CH_OK;
        }
    }
    trial_judge(r->issuers.bundle, &r->issuers.world, q, built.issuer, tbs, r->verdict);
    bool request_alone = q->key == NULL;
    o->verdict = r->verdict->verdict == POLICY_PASS && (tbs.len > 0 || request_alone) ? POLICY_PASS
                                                                                      : POLICY_FAIL;
    return CH_OK;
}

static enum chancery_err carry_out(struct run *r, const struct trial_table_case *c,
                                   struct outcome *o)
{
    static const uint8_t serial[TBS_SERIAL] = {0x31, 0x9c, 0x52, 0xe7, 0x0b, 0xd4, 0x68, 0x1f,
                                               0xa5, 0x47, 0xfe, 0x83, 0x26, 0xb9, 0x7a, 0xc1};
    struct permit_request request = c->request;
    uint8_t spki[32], digest[PERMIT_DIGEST];
    struct diag why = {.text = ""};
    struct crypto_public *key = NULL;
    struct policy_approval *approvals = NULL;
    crypto_sha256(c->spki, spki);
    request.spki_sha256 = slice_of(spki, sizeof spki);
    enum chancery_err err = permit_request_digest(&request, digest, &why);
    if (err == CH_OK && c->build) {
        err = crypto_public_from_spki(c->spki, &key, &why);
    }
    if (err != CH_OK) {
        /* As registration and ca, which do not pass such a request on. */
        o->verdict = POLICY_FAIL;
        o->build = arena_str(&r->out->arena, slice_str(why.rule));
        r->verdict->n = 0;
        return err == CH_NOMEM || o->build == NULL ? CH_NOMEM : CH_OK;
    }
    err = sign_off(r, c, digest, &approvals, o);
    struct trial_request q = {.request = &request,
                              .digest = digest,
                              .key = key,
                              .serial = slice_of(serial, sizeof serial),
                              .built_at_s = c->at_s,
                              .judged_at_s = c->at_s,
                              .approvals = approvals,
                              .n_approvals = c->n_approvals,
                              .usage = &c->usage};
    if (err == CH_OK && o->broken == NULL) {
        err = build_and_judge(r, c, &q, o);
    }
    crypto_public_free(key);
    return err;
}

/* ---- comparing ---- */

static bool is_expected(const struct trial_table_case *c, const char *rule)
{
    for (size_t i = 0; i < c->n_fails; i++) {
        if (strcmp(c->fails[i], rule) == 0) {
            return true;
        }
    }
    return false;
}

static const struct policy_rule *find_rule(const struct policy_verdict *v, const char *rule,
                                           enum policy_outcome outcome)
{
    for (size_t i = 0; i < v->n; i++) {
        if (strcmp(v->rules[i].rule, rule) == 0 &&
            (outcome == POLICY_NONE || v->rules[i].outcome == outcome)) {
            return &v->rules[i];
        }
    }
    return NULL;
}

static const char *word_of(enum policy_outcome o)
{
    return o == POLICY_PASS   ? "pass"
           : o == POLICY_FAIL ? "fail"
           : o == POLICY_NA   ? "n/a"
                              : "absent";
}

static enum chancery_err unexpected(const struct policy_rule *r, struct buf *why)
{
    return buf_printf(why, "; %s fails: found \"%s\", required: %s (%s)", r->rule, r->observed,
                      r->required, r->source);
}

/* Rules that fail and should not, or should and do not. A rule can have several results; it fails
 * when one of them does. */
static enum chancery_err compare_fails(const struct run *r, const struct trial_table_case *c,
                                       const struct outcome *o, struct buf *why)
{
    bool told_all = c->expect == POLICY_FAIL && !c->fails_given;
    for (size_t i = 0; i < r->verdict->n && !told_all; i++) {
        const struct policy_rule *x = &r->verdict->rules[i];
        if (x->outcome == POLICY_FAIL && !is_expected(c, x->rule)) {
            TRY(unexpected(x, why));
        }
    }
    if (o->build != NULL && !told_all && !is_expected(c, o->build)) {
        TRY(buf_printf(why, "; %s: it cannot be built", o->build));
    }
    for (size_t i = 0; i < c->n_fails; i++) {
        if (find_rule(r->verdict, c->fails[i], POLICY_FAIL) == NULL &&
            (o->build == NULL || strcmp(o->build, c->fails[i]) != 0)) {
            TRY(buf_printf(why, "; %s should fail and does not", c->fails[i]));
        }
    }
    return CH_OK;
}

static enum chancery_err compare(const struct run *r, const struct trial_table_case *c,
                                 const struct outcome *o, struct buf *why)
{
    if (o->broken != NULL) {
        return buf_printf(why, "; the case cannot be carried out: %s", o->broken);
    }
    if (o->verdict != c->expect) {
        TRY(buf_printf(why, "; expected %s, got %s", c->expect == POLICY_PASS ? "permit" : "refuse",
                       o->verdict == POLICY_PASS ? "permit" : "refuse"));
    }
    TRY(compare_fails(r, c, o, why));
    for (size_t i = 0; i < c->n_rules; i++) {
        const struct trial_rule_expected *e = &c->rules[i];
        if (find_rule(r->verdict, e->rule, e->outcome) == NULL) {
            const struct policy_rule *x = find_rule(r->verdict, e->rule, POLICY_NONE);
            TRY(buf_printf(why, "; %s: expected %s, got %s", e->rule, word_of(e->outcome),
                           word_of(x == NULL ? POLICY_NONE : x->outcome)));
        }
    }
    return CH_OK;
}

static enum chancery_err run_case(struct run *r, const char *file, const struct trial_table_case *c)
{
    struct buf why CLEANUP(buf_clear);
    struct outcome o = {.verdict = POLICY_NONE};
    struct arena *a = &r->out->arena;
    buf_init(&why, WHY_MAX);
    arena_reset(&r->each);
    r->verdict->n = 0;
    TRY(make_issuers(r, issuer_kind(r, c), c->at_s + c->issuer_life_s));
    TRY(carry_out(r, c, &o));
    enum chancery_err err = compare(r, c, &o, &why);
    if (err != CH_OK && err != CH_LIMIT) { /* a text cut short is text enough */
        return err;
    }
    TRY(trial_cover_add(r->cover, c->profile, r->verdict));
    struct slice text = why.len > 2 ? slice_sub(buf_slice(&why), 2, why.len) : slice_of(NULL, 0);
    struct trial_case_result *x = &r->out->cases[r->out->n_cases++];
    *x = (struct trial_case_result){.file = file,
                                    .name = arena_str(a, slice_str(c->name)),
                                    .source = arena_str(a, slice_str(c->source)),
                                    .profile = arena_str(a, slice_str(c->profile)),
                                    .passed = text.len == 0,
                                    .verdict = o.verdict,
                                    .why = arena_str(a, text)};
    r->out->failed += x->passed ? 0 : 1;
    return x->name == NULL || x->source == NULL || x->profile == NULL || x->why == NULL ? CH_NOMEM
                                                                                        : CH_OK;
}

/* ---- all files ---- */

static bool is_test(const char *path)
{
    return strncmp(path, "tests/", 6) == 0;
}

static enum chancery_err grow(struct trial_table_report *out, size_t n, struct diag *diag)
{
    if (out->n_cases + n > TRIAL_CASES_MAX) {
        return diag_set(diag, CH_LIMIT, "tests", "test.cases", "a bundle has at most %d cases",
                        TRIAL_CASES_MAX);
    }
    struct trial_case_result *list =
        realloc(out->cases, (out->n_cases + n) * sizeof(struct trial_case_result));
    if (list == NULL) {
        return CH_NOMEM;
    }
    out->cases = list;
    return CH_OK;
}

static enum chancery_err run_file(struct run *r, const struct policy_file *f, struct diag *diag)
{
    struct trial_table_case *cases = NULL;
    size_t n = 0;
    const char *path = arena_str(&r->out->arena, slice_str(f->path));
    TRY(path == NULL ? CH_NOMEM : CH_OK);
    TRY(trial_table_read(f, r->trust_domain, &r->arena, &cases, &n, diag));
    TRY(grow(r->out, n, diag));
    for (size_t i = 0; i < n; i++) {
        TRY(run_case(r, path, &cases[i]));
    }
    return CH_OK;
}

static enum chancery_err compile(struct run *r, const struct policy_file *files, size_t n,
                                 struct diag *diag)
{
    struct policy_file *list = calloc(n + 1, sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = CH_OK;
    for (size_t i = 0; i < n && err == CH_OK; i++) {
        list[i] = files[i];
        if (strcmp(files[i].path, "officers.yaml") == 0) {
            err = trial_officers_exchange(&files[i], &r->arena, &list[i].content, diag);
        }
    }
    if (err == CH_OK) {
        err = policy_bundle_compile(list, n, &r->bundle, diag);
    }
    free(list);
    return err == CH_OK ? policy_bundle_set_trust_domain(r->bundle, r->trust_domain) : err;
}

static enum chancery_err run_all(struct run *r, const struct policy_file *files, size_t n,
                                 struct diag *diag)
{
    TRY(compile(r, files, n, diag));
    TRY(trial_cover_new(r->bundle, &r->cover));
    r->verdict = calloc(1, sizeof *r->verdict);
    if (r->verdict == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(is_test(files[i].path) ? run_file(r, &files[i], diag) : CH_OK);
    }
    return trial_cover_report(r->cover, r->out);
}

enum chancery_err trial_table_run(const struct policy_file *files, size_t n,
                                  const char *trust_domain, struct trial_table_report *out,
                                  struct diag *diag)
{
    struct run r = {.out = out,
                    .trust_domain = trust_domain == NULL ? TRIAL_TRUST_DOMAIN : trust_domain};
    *out = (struct trial_table_report){.n_cases = 0};
    arena_init(&out->arena, REPORT_MEMORY);
    arena_init(&r.arena, REPORT_MEMORY);
    arena_init(&r.each, CASE_MEMORY);
    enum chancery_err err = run_all(&r, files, n, diag);
    trial_bundle_free(r.issuers.bundle);
    trial_cover_free(r.cover);
    policy_bundle_free(r.bundle);
    free(r.verdict);
    arena_clear(&r.arena);
    arena_clear(&r.each);
    if (err != CH_OK) {
        trial_table_report_clear(out);
    }
    return err;
}

void trial_table_report_clear(struct trial_table_report *r)
{
    free(r->cases);
    arena_clear(&r->arena);
    *r = (struct trial_table_report){.n_cases = 0};
}
