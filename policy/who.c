/* What the compilers of tenants, bindings and profiles share: words, grants, and the indexes that
 * are made when all files are read. */
#include "policy/who.h"

#include <stdio.h>
#include <stdlib.h>

#include "policy/policy_int.h"

/* ---- words ---- */

static bool word_ok(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (i > 0 && (c == '-' || c == '.' || c == '_')))) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 64;
}

enum chancery_err policy_words_compile(struct policy_bundle *b, const struct conf_node *map,
                                       const char *key, size_t max, struct policy_list *out,
                                       struct diag *diag)
{
    TRY(policy_compile_list(b, map, key, CONF_OPTIONAL, true, word_ok, out, diag));
    if (out->n > max) {
        return conf_error(conf_get(map, key), CH_LIMIT, "policy.list", diag,
                          "\"%s\" has at most %zu entries", key, max);
    }
    return CH_OK;
}

/* ---- grants ---- */

enum chancery_err policy_grant_new(struct policy_bundle *b, const struct conf_node *at,
                                   uint32_t holder, struct policy_grant **out, struct diag *diag)
{
    struct policy_grant *g = arena_alloc(&b->arena, sizeof *g);
    const char *source = policy_compile_source(b, at);
    if (g == NULL || source == NULL) {
        return diag_set(diag, CH_NOMEM, "", "policy.memory", "the bundle is too large");
    }
    *g = (struct policy_grant){.next = b->who.added,
                               .id = (uint32_t)b->who.n_grants++,
                               .holder = holder,
                               .source = source,
                               .column = conf_column(at)};
    b->who.added = g;
    *out = g;
    return CH_OK;
}

enum chancery_err policy_grant_add(struct policy_bundle *b, const struct policy_grant *g,
                                   const struct conf_node *at, struct slice key, bool open,
                                   struct diag *diag)
{
    bool mark = key.len > 0 && memchr("lpqr", key.ptr[0], 4) != NULL;
    struct policy_prefix *p = mark ? &b->who.marks : &b->who.names;
    enum chancery_err err = policy_prefix_add(p, &b->arena, g->holder, key, open, g->id);
    if (err == CH_LIMIT) {
        return conf_error(at, CH_LIMIT, "policy.bindings", diag,
                          "all bindings together have more than %zu names",
                          (size_t)POLICY_PREFIX_MAX);
    }
    return err;
}

/* ---- when all files are read ---- */

enum chancery_err policy_who_begin(struct policy_bundle *b)
{
    struct policy_who *w = &b->who;
    w->tenants = arena_alloc(&b->arena, sizeof *w->tenants);
    if (w->tenants == NULL) {
        return CH_NOMEM;
    }
    w->tenants[0] = (struct policy_tenant){.name = slice_str("default"), .source = "engine"};
    w->n_tenants = 1;
    w->n_holders = 1;
    return CH_OK;
}

static enum chancery_err check_references(const struct policy_bundle *b, struct diag *diag)
{
    for (const struct policy_who_reference *r = b->who.references; r != NULL; r = r->next) {
        if (policy_profile_find(b, r->profile) == NULL) {
            return diag_set(diag, CH_INVALID, r->place, "policy.reference",
                            "there is no profile \"%.64s\"; a profile is named like its file in "
                            "profiles/",
                            (const char *)r->profile.ptr);
        }
    }
    /* A profile without `tenants` is of "default". */
    for (size_t i = 0; i < b->n_profiles; i++) {
        const struct policy_profile *p = &b->profiles[i];
        for (size_t k = 0; k < p->tenants.n; k++) {
            if (policy_tenant_find(b, p->tenants.at[k]) == NULL) {
                return diag_set(diag, CH_INVALID, p->tenants_source, "policy.reference",
                                "there is no tenant \"%.*s\" for this profile; list its tenants",
                                (int)p->tenants.at[k].len, p->tenants.at[k].ptr);
            }
        }
    }
    return CH_OK;
}

/* Bindings of one requester in one tenant become one holder. */
static enum chancery_err join_holders(struct policy_bundle *b, struct diag *diag)
{
    struct policy_who *w = &b->who;
    uint32_t *same = arena_alloc(&b->arena, w->n_holders * sizeof *same);
    if (same == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < w->n_holders; i++) {
        same[i] = (uint32_t)i;
    }
    TRY(policy_prefix_seal(&w->requesters, &b->arena, w->n_tenants, true, same));
    for (struct policy_grant *g = w->added; g != NULL; g = g->next) {
        g->holder = same[g->holder];
        w->grants[g->id] = g;
    }
    policy_prefix_move(&w->marks, same);
    policy_prefix_move(&w->names, same);
    for (size_t i = 0; i < w->requesters.n; i++) {
        size_t depth = 1;
        for (uint32_t at = w->requesters.at[i].parent; at != POLICY_PREFIX_NONE; depth++) {
            at = w->requesters.at[at].parent;
        }
        if (depth > POLICY_NESTED_MAX) {
            return diag_set(diag, CH_LIMIT, "bindings", "policy.bindings",
                            "more than %d patterns of requesters begin \"%.*s\"", POLICY_NESTED_MAX,
                            (int)w->requesters.at[i].key.len, w->requesters.at[i].key.ptr);
        }
    }
    return CH_OK;
}

static bool profiles_overlap(const struct policy_grant *a, const struct policy_grant *b)
{
    size_t i = 0, k = 0;
    if (a->n_profiles == 0 || b->n_profiles == 0) {
        return true;
    }
    while (i < a->n_profiles && k < b->n_profiles) {
        if (a->profiles[i] == b->profiles[k]) {
            return true;
        }
        if (a->profiles[i] < b->profiles[k]) {
            i++;
        } else {
            k++;
        }
    }
    return false;
}

/* One name of one requester, twice for one profile: a slip at best, a contradiction when the
 * wildcards differ. */
static enum chancery_err refuse_twice(const struct policy_grant *g,
                                      const struct policy_grant *other, struct diag *diag)
{
    char place[96];
    bool differ = g->wildcard_depth != other->wildcard_depth;
    (void)snprintf(place, sizeof place, "%s:%u", g->source, g->column);
    return diag_set(diag, CH_INVALID, place, differ ? "policy.contradiction" : "policy.duplicate",
                    "a name of this binding stands in %s as well, for the same requester and "
                    "profile%s; keep one of them",
                    g == other ? "the same binding" : other->source,
                    differ ? ", with another wildcard_depth" : "");
}

static enum chancery_err check_names(const struct policy_who *w, struct diag *diag)
{
    const struct policy_prefix *p = &w->names;
    for (size_t i = 1; i < p->n; i++) {
        const struct policy_prefix_entry *e = &p->at[i];
        const struct policy_grant *g = w->grants[e->value];
        size_t run = 1;
        for (size_t k = i; k > 0 && policy_prefix_same(&p->at[k - 1], e); k--, run++) {
            const struct policy_grant *other = w->grants[p->at[k - 1].value];
            if (profiles_overlap(g, other)) {
                return refuse_twice(g, other, diag);
            }
            if (run == POLICY_SAME_MAX) {
                return diag_set(diag, CH_LIMIT, g->source, "policy.bindings",
                                "more than %d bindings of one requester for the same name; list "
                                "their profiles in one",
                                POLICY_SAME_MAX);
            }
        }
    }
    return CH_OK;
}

enum chancery_err policy_who_finish(struct policy_bundle *b, struct diag *diag)
{
    struct policy_who *w = &b->who;
    TRY(check_references(b, diag));
    w->grants = arena_alloc(&b->arena, (w->n_grants + 1) * sizeof *w->grants);
    if (w->grants == NULL) {
        return CH_NOMEM;
    }
    TRY(join_holders(b, diag));
    TRY(policy_prefix_seal(&w->marks, &b->arena, w->n_holders, true, NULL));
    TRY(policy_prefix_seal(&w->names, &b->arena, w->n_holders, false, NULL));
    return check_names(w, diag);
}

/* ---- using ---- */

const struct policy_tenant *policy_tenant_find(const struct policy_bundle *b, struct slice name)
{
    size_t low = 0, high = b->who.n_tenants;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = slice_cmp(name, b->who.tenants[mid].name);
        if (c == 0) {
            return &b->who.tenants[mid];
        }
        if (c < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

bool policy_tenant_officer(const struct policy_tenant *t, struct slice officer)
{
    return t->officers_source == NULL || policy_list_has(&t->officers, officer);
}
