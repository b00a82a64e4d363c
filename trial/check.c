/* Warnings. */
#include "trial/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/policy_int.h"
#include "trial/words.h"

#define TEXT_MAX 512
#define MEMORY ((size_t)64 << 20)
#define WARNINGS_MAX 1000 /* more are not read */

struct check {
    const struct trial_check *in;
    struct trial_warnings *out;
    size_t cap;
    const char *section; /* "profile web" */
    const struct policy_profile *p;
};

static enum chancery_err PRINTF_LIKE(4, 5)
    warn(struct check *c, const char *rule, const char *source, const char *fmt, ...)
{
    struct trial_warnings *out = c->out;
    char text[TEXT_MAX];
    va_list args;
    if (out->n == WARNINGS_MAX) {
        return CH_OK;
    }
    if (out->n == c->cap) {
        size_t cap = c->cap == 0 ? 32 : c->cap * 2;
        struct trial_warning *list = realloc(out->list, cap * sizeof *list);
        if (list == NULL) {
            return CH_NOMEM;
        }
        out->list = list;
        c->cap = cap;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct trial_warning *w = &out->list[out->n++];
    *w = (struct trial_warning){.rule = rule,
                                .source = arena_str(&out->arena, slice_str(source)),
                                .text = arena_str(&out->arena, slice_str(text))};
    return w->source == NULL || w->text == NULL ? CH_NOMEM : CH_OK;
}

static const struct trial_fact *fact(const struct check *c, const char *key, size_t *out_n)
{
    return trial_facts_find(c->in->facts, c->section, key, out_n);
}

static bool begins(const char *s, const char *head)
{
    return strncmp(s, head, strlen(head)) == 0;
}

static bool has_key(const struct check *c, const char *head)
{
    for (size_t i = 0; i < c->in->facts->n; i++) {
        const struct trial_fact *f = &c->in->facts->list[i];
        if (strcmp(f->section, c->section) == 0 && begins(f->key, head)) {
            return true;
        }
    }
    return false;
}

/* ---- who may call ---- */

static enum chancery_err callers(struct check *c)
{
    size_t n = 0, strangers = 0;
    char own[TEXT_MAX];
    const struct trial_fact *f = fact(c, "callers", &n);
    if (f == NULL || c->in->trust_domain == NULL) {
        return CH_OK;
    }
    (void)snprintf(own, sizeof own, "spiffe://%s/", c->in->trust_domain);
    for (size_t i = 0; i < n; i++) {
        strangers += f[i].value[0] == '/' || begins(f[i].value, own) ? 0 : 1;
    }
    return strangers < n ? CH_OK
                         : warn(c, "check.callers", f->source,
                                "nobody can call profile %s: its callers are all outside trust "
                                "domain %s",
                                c->p->t.name, c->in->trust_domain);
}

/* Some requester has a binding that allows the profile. */
static bool is_bound(const struct check *c)
{
    const struct trial_facts *f = c->in->facts;
    for (size_t i = 0; i < f->n;) {
        size_t end = i;
        bool listed = false, here = false;
        while (end < f->n && strcmp(f->list[end].section, f->list[i].section) == 0) {
            bool profiles = strcmp(f->list[end].key, "profiles") == 0;
            listed = listed || profiles;
            here = here || (profiles && strcmp(f->list[end].value, c->p->t.name) == 0);
            end++;
        }
        if (begins(f->list[i].section, "requester ") && (here || !listed)) {
            return true;
        }
        i = end;
    }
    return false;
}

static enum chancery_err bindings(struct check *c)
{
    size_t n = 0;
    const struct trial_fact *f = fact(c, "binding", &n);
    if (f == NULL || strcmp(f->value, "required") != 0 || is_bound(c)) {
        return CH_OK;
    }
    return warn(c, "check.binding", f->source,
                "nobody can use profile %s: it requires a binding and no file in bindings/ gives "
                "one for it",
                c->p->t.name);
}

/* ---- names ---- */

static bool below(const char *name, const char *suffix)
{
    size_t n = strlen(name), m = strlen(suffix);
    return n > m && name[n - m - 1] == '.' && strcmp(name + n - m, suffix) == 0;
}

static enum chancery_err covered(struct check *c, const struct trial_fact *list, size_t n,
                                 const struct trial_fact *suffixes, size_t m, const char *what)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < m && m <= 1000; k++) { /* every pair: long lists are left alone */
            const char *s = suffixes[k].value;
            bool same = strcmp(list[i].value, s) == 0 && &list[i] != &suffixes[k];
            if (below(list[i].value, s) || same) {
                TRY(warn(c, "check.suffix", list[i].source,
                         "%s %s is covered by suffix %s (%s) already; leave one of them out", what,
                         list[i].value, s, suffixes[k].source));
                break;
            }
        }
    }
    return CH_OK;
}

static enum chancery_err names(struct check *c)
{
    static const char *const types[] = {"names.dns", "names.ip",         "names.email",
                                        "names.uri", "names.other_name", "names.directory_name"};
    size_t n = 0, m = 0;
    bool any = false;
    const struct trial_fact *suffixes = fact(c, "names.dns.suffixes", &m);
    const struct trial_fact *exact = fact(c, "names.dns.exact", &n);
    TRY(covered(c, suffixes, m, suffixes, m, "suffix"));
    TRY(covered(c, exact, n, suffixes, m, "name"));
    for (size_t i = 0; i < 6; i++) {
        any = any || has_key(c, types[i]);
    }
    const struct trial_fact *required = fact(c, "names.required", &n);
    if (required == NULL || strcmp(required->value, "true") != 0) {
        return CH_OK;
    }
    const struct trial_fact *most = fact(c, "names.max", &n);
    if (!any || (most != NULL && strcmp(most->value, "0") == 0)) {
        return warn(c, "check.names", required->source,
                    "profile %s requires a name and allows none", c->p->t.name);
    }
    return CH_OK;
}

/* ---- issuers ---- */

static enum chancery_err issuer(struct check *c, const char *id)
{
    struct buf life CLEANUP(buf_clear), left CLEANUP(buf_clear);
    const struct policy_issuer *i = trial_issuer(c->in->world, slice_str(id));
    buf_init(&life, 128);
    buf_init(&left, 128);
    if (i == NULL) {
        return warn(c, "check.issuer", c->p->source,
                    "the installation has no issuer %s: chancery-ca will not start with profile %s",
                    id, c->p->t.name);
    }
    if ((c->p->algs & (1U << crypto_alg_default(i->key_type))) == 0) {
        TRY(warn(c, "check.issuer", c->p->algs_source,
                 "every request of profile %s will be refused: issuer %s signs with %s, which "
                 "signature_algorithms does not list",
                 c->p->t.name, id, crypto_alg_name(crypto_alg_default(i->key_type))));
    }
    if (c->in->now_s > 0 && i->not_after_s - c->in->now_s < c->p->t.validity_s) {
        int64_t rest = i->not_after_s - c->in->now_s;
        TRY(trial_words_duration(c->p->t.validity_s, &life));
        TRY(trial_words_duration(rest < 0 ? 0 : rest - rest % 86400, &left));
        return warn(c, "check.issuer", c->p->source,
                    "certificates of profile %s live %.*s, but issuer %s ends in %.*s: they will "
                    "end with it",
                    c->p->t.name, (int)life.len, (const char *)life.ptr, id, (int)left.len,
                    (const char *)left.ptr);
    }
    return CH_OK;
}

/* ---- papers ---- */

static bool tested(const struct check *c, const char *tests, size_t len)
{
    const char *name = c->p->t.name;
    size_t n = strlen(name);
    const char *at = tests;
    while (len >= n && (at = memmem(at, len - (size_t)(at - tests), name, n)) != NULL) {
        at += n;
        if ((size_t)(at - tests) >= len ||
            (*at != '-' && *at != '.' && (*at < 'a' || *at > 'z') && (*at < '0' || *at > '9'))) {
            return true;
        }
    }
    return false;
}

static enum chancery_err papers(struct check *c)
{
    size_t n = 0;
    return fact(c, "description", &n) != NULL
               ? CH_OK
               : warn(c, "check.description", c->p->source,
                      "profile %s has no description: say what it is for", c->p->t.name);
}

static enum chancery_err profile(struct check *c)
{
    TRY(callers(c));
    TRY(bindings(c));
    TRY(names(c));
    for (size_t i = 0; c->in->world != NULL && i < c->p->t.n_issuers; i++) {
        TRY(issuer(c, c->p->t.issuers[i]));
    }
    return papers(c);
}

enum chancery_err trial_check_tests(const struct policy_bundle *b, const struct policy_file *files,
                                    size_t n, struct trial_warnings *out)
{
    struct check c = {.out = out, .cap = out->n};
    for (size_t i = 0; i < policy_profile_count(b); i++) {
        bool found = false;
        c.p = policy_profile_at(b, i);
        for (size_t k = 0; k < n && !found; k++) {
            found = begins(files[k].path, "tests/") &&
                    tested(&c, (const char *)files[k].content.ptr, files[k].content.len);
        }
        if (!found) {
            TRY(warn(&c, "check.tests", c.p->source, "no test in tests/ names profile %s",
                     c.p->t.name));
        }
    }
    return CH_OK;
}

enum chancery_err trial_check_bundle(const struct trial_check *in, struct trial_warnings *out)
{
    struct check c = {.in = in, .out = out};
    *out = (struct trial_warnings){.n = 0};
    arena_init(&out->arena, MEMORY);
    enum chancery_err err = CH_OK;
    for (size_t i = 0; err == CH_OK && i < policy_profile_count(in->bundle); i++) {
        c.p = policy_profile_at(in->bundle, i);
        c.section = arena_printf(&out->arena, "profile %s", c.p->t.name);
        err = c.section == NULL ? CH_NOMEM : profile(&c);
    }
    if (err != CH_OK) {
        trial_warnings_clear(out);
    }
    return err;
}

void trial_warnings_clear(struct trial_warnings *w)
{
    free(w->list);
    arena_clear(&w->arena);
    *w = (struct trial_warnings){.n = 0};
}
