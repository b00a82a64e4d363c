/* Which rules of each profile have passing and failing cases. */
#include <stdlib.h>

#include "trial/table_int.h"

#define ENGINE "engine" /* source of what holds whatever a bundle says */

struct seen {
    struct trial_rule_cover rules[POLICY_RULES_MAX];
    size_t n, cases;
};

struct trial_cover {
    const struct policy_bundle *bundle;
    struct arena arena; /* texts */
    size_t n;
    struct seen *profiles[]; /* in the order of the bundle; NULL: no case */
};

enum chancery_err trial_cover_new(const struct policy_bundle *b, struct trial_cover **out)
{
    size_t n = policy_profile_count(b);
    struct trial_cover *c = calloc(1, sizeof *c + n * sizeof(struct seen *));
    if (c == NULL) {
        return CH_NOMEM;
    }
    c->bundle = b;
    c->n = n;
    arena_init(&c->arena, (size_t)256 << 20);
    *out = c;
    return CH_OK;
}

void trial_cover_free(struct trial_cover *c)
{
    for (size_t i = 0; c != NULL && i < c->n; i++) {
        free(c->profiles[i]);
    }
    if (c != NULL) {
        arena_clear(&c->arena);
        free(c);
    }
}

/* Not the bundle's own wording: the engine's rules, and lints, which have cases of their own. */
static bool holds_anyhow(const struct policy_rule *r)
{
    return strcmp(r->source, ENGINE) == 0 || strncmp(r->rule, "lint.", 5) == 0;
}

static struct trial_rule_cover *rule_of(struct trial_cover *c, struct seen *s,
                                        const struct policy_rule *r)
{
    for (size_t i = 0; i < s->n; i++) {
        if (strcmp(s->rules[i].rule, r->rule) == 0) {
            return &s->rules[i];
        }
    }
    if (s->n == POLICY_RULES_MAX) {
        return NULL;
    }
    struct trial_rule_cover *x = &s->rules[s->n++];
    *x = (struct trial_rule_cover){.rule = r->rule, .engine = true};
    x->source = arena_str(&c->arena, slice_str(r->source));
    return x->source == NULL ? NULL : x;
}

enum chancery_err trial_cover_add(struct trial_cover *c, const char *profile,
                                  const struct policy_verdict *v)
{
    size_t i = 0;
    while (i < c->n &&
           strcmp(policy_profile_template(policy_profile_at(c->bundle, i))->name, profile) != 0) {
        i++;
    }
    if (i == c->n) {
        return CH_OK; /* a test of a profile that is not there */
    }
    if (c->profiles[i] == NULL) {
        c->profiles[i] = calloc(1, sizeof **c->profiles);
    }
    if (c->profiles[i] == NULL) {
        return CH_NOMEM;
    }
    c->profiles[i]->cases++;
    for (size_t k = 0; k < v->n; k++) {
        const struct policy_rule *r = &v->rules[k];
        if (r->outcome == POLICY_NA) {
            continue;
        }
        struct trial_rule_cover *x = rule_of(c, c->profiles[i], r);
        if (x == NULL) {
            return CH_NOMEM;
        }
        x->passing += r->outcome == POLICY_PASS ? 1 : 0;
        x->failing += r->outcome == POLICY_FAIL ? 1 : 0;
        if (!holds_anyhow(r) && x->engine) {
            x->engine = false;
            x->source = arena_str(&c->arena, slice_str(r->source));
        }
    }
    return CH_OK;
}

static enum chancery_err report_one(const struct seen *s, struct arena *arena,
                                    struct trial_profile_cover *out)
{
    struct trial_rule_cover *rules = arena_alloc(arena, (s->n + 1) * sizeof *rules);
    if (rules == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s->n; i++) {
        rules[i] = s->rules[i];
        rules[i].rule = arena_str(arena, slice_str(rules[i].rule));
        rules[i].source = arena_str(arena, slice_str(rules[i].source));
        if (rules[i].rule == NULL || rules[i].source == NULL) {
            return CH_NOMEM;
        }
        out->counted += rules[i].engine ? 0 : 1;
        out->covered += !rules[i].engine && rules[i].passing > 0 && rules[i].failing > 0 ? 1 : 0;
    }
    out->rules = rules;
    out->n_rules = s->n;
    out->cases = s->cases;
    return CH_OK;
}

enum chancery_err trial_cover_report(const struct trial_cover *c, struct trial_table_report *out)
{
    out->profiles = arena_alloc(&out->arena, (c->n + 1) * sizeof *out->profiles);
    if (out->profiles == NULL) {
        return CH_NOMEM;
    }
    out->n_profiles = c->n;
    for (size_t i = 0; i < c->n; i++) {
        struct trial_profile_cover *p = &out->profiles[i];
        const char *name = policy_profile_template(policy_profile_at(c->bundle, i))->name;
        *p = (struct trial_profile_cover){.profile = arena_str(&out->arena, slice_str(name))};
        if (p->profile == NULL) {
            return CH_NOMEM;
        }
        if (c->profiles[i] != NULL) {
            TRY(report_one(c->profiles[i], &out->arena, p));
        }
        out->counted += p->counted;
        out->covered += p->covered;
    }
    return CH_OK;
}

unsigned trial_cover_percent(size_t covered, size_t counted)
{
    return counted == 0 ? 100 : (unsigned)(covered * 100 / counted);
}
