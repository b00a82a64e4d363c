/* tenants.yaml: who shares this installation, and what each may use of it. A key that is absent
 * restricts nothing; then what a profile says in `tenants` is the only rule. */
#include <stdlib.h>

#include "policy/policy_int.h"

static bool tenant_ok(struct slice s)
{
    return s.len > 0 && s.len <= 64 && policy_text_clean(s);
}

/* A list with its place; the place stays NULL when the key is absent. */
static enum chancery_err restriction(struct policy_bundle *b, const struct conf_node *map,
                                     const char *key, struct policy_list *out, const char **source,
                                     struct diag *diag)
{
    const struct conf_node *list = conf_get(map, key);
    if (list == NULL) {
        return CH_OK;
    }
    *source = policy_compile_source(b, list);
    return *source == NULL ? CH_NOMEM
                           : policy_words_compile(b, map, key, POLICY_BINDING_LIST_MAX, out, diag);
}

/* Profiles are not known yet: the names are kept with their places. */
static enum chancery_err refer(struct policy_bundle *b, const struct conf_node *list)
{
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_node *n = conf_at(list, i);
        struct policy_who_reference *r = arena_alloc(&b->arena, sizeof *r);
        const char *text = NULL;
        if (r == NULL || conf_scalar(n, &text, NULL) != CH_OK) {
            return CH_NOMEM;
        }
        r->profile = slice_str(arena_str(&b->arena, slice_str(text)));
        r->place = arena_printf(&b->arena, "%s:%u:%u", conf_file(n), conf_line(n), conf_column(n));
        r->next = b->who.references;
        b->who.references = r;
        if (r->profile.ptr == NULL || r->place == NULL) {
            return CH_NOMEM;
        }
    }
    return CH_OK;
}

static enum chancery_err officers(struct policy_bundle *b, const struct conf_node *map,
                                  struct policy_tenant *t, struct diag *diag)
{
    TRY(restriction(b, map, "officers", &t->officers, &t->officers_source, diag));
    for (size_t i = 0; i < t->officers.n; i++) {
        bool known = false;
        for (size_t k = 0; k < b->officers.n && !known; k++) {
            known = slice_eq(t->officers.at[i], slice_str(b->officers.at[k].id));
        }
        if (!known) {
            return conf_error(conf_get(map, "officers"), CH_INVALID, "policy.reference", diag,
                              "officers.yaml has no \"%.64s\"",
                              (const char *)t->officers.at[i].ptr);
        }
    }
    return CH_OK;
}

static enum chancery_err names(struct policy_bundle *b, const struct conf_node *map,
                               struct policy_tenant *t, struct policy_grant *g, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(conf_map(map, "names", CONF_OPTIONAL, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    t->names_source = policy_compile_source(b, n);
    return t->names_source == NULL ? CH_NOMEM : policy_grant_names(b, n, g, diag);
}

static enum chancery_err requesters(struct policy_bundle *b, const struct conf_node *map,
                                    struct policy_tenant *t, const struct policy_grant *g,
                                    struct diag *diag)
{
    const struct conf_node *list = conf_get(map, "requesters");
    struct policy_list all = {NULL, 0};
    TRY(policy_compile_list(b, map, "requesters", CONF_OPTIONAL, true, policy_pattern_ok, &all,
                            diag));
    t->requesters_source = all.n == 0 ? NULL : policy_compile_source(b, list);
    for (size_t i = 0; i < all.n; i++) {
        uint8_t key[POLICY_PATTERN_MAX + 1];
        struct slice s = all.at[i];
        bool open = s.ptr[s.len - 1] == '*';
        key[0] = 'q';
        memcpy(key + 1, s.ptr, s.len);
        TRY(policy_grant_add(b, g, list, slice_of(key, s.len + (open ? 0 : 1)), open, diag));
    }
    return CH_OK;
}

static enum chancery_err compile_tenant(struct policy_bundle *b, const struct conf_node *map,
                                        struct policy_tenant *t, struct diag *diag)
{
    const char *name = NULL, *description = NULL;
    struct policy_grant *g = NULL;
    *t = (struct policy_tenant){.holder = (uint32_t)b->who.n_holders++};
    TRY(conf_string(map, "name", CONF_REQUIRED, &name, diag));
    TRY(conf_string(map, "description", CONF_OPTIONAL, &description, diag));
    if (!tenant_ok(slice_str(name))) {
        return conf_error(conf_get(map, "name"), CH_INVALID, "policy.name", diag,
                          "a tenant's name has 1 to 64 octets without control characters");
    }
    t->name = slice_str(arena_str(&b->arena, slice_str(name)));
    t->source = policy_compile_source(b, map);
    if (t->name.ptr == NULL || t->source == NULL) {
        return CH_NOMEM;
    }
    TRY(policy_grant_new(b, map, t->holder, &g, diag));
    TRY(restriction(b, map, "issuers", &t->issuers, &t->issuers_source, diag));
    TRY(restriction(b, map, "profiles", &t->profiles, &t->profiles_source, diag));
    TRY(refer(b, conf_get(map, "profiles")));
    TRY(restriction(b, map, "roles", &t->roles, &t->roles_source, diag));
    TRY(officers(b, map, t, diag));
    TRY(requesters(b, map, t, g, diag));
    TRY(policy_limits_compile(b, map, POLICY_LIMITS_OF_TENANT, &t->limits, diag));
    return names(b, map, t, g, diag);
}

static int by_name(const void *a, const void *b)
{
    const struct policy_tenant *x = a, *y = b;
    return slice_cmp(x->name, y->name);
}

static enum chancery_err compile_all(struct policy_bundle *b, const struct conf_node *root,
                                     struct diag *diag)
{
    const struct conf_node *list = NULL;
    struct policy_who *w = &b->who;
    TRY(conf_list(root, "tenants", CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_TENANTS_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"tenants\" must have 1 to %d entries", POLICY_TENANTS_MAX);
    }
    w->tenants = arena_alloc(&b->arena, n * sizeof *w->tenants);
    if (w->tenants == NULL) {
        return CH_NOMEM;
    }
    w->n_tenants = n;
    for (size_t i = 0; i < n; i++) {
        TRY(compile_tenant(b, conf_at(list, i), &w->tenants[i], diag));
    }
    qsort(w->tenants, n, sizeof *w->tenants, by_name);
    for (size_t i = 1; i < n; i++) {
        if (slice_eq(w->tenants[i - 1].name, w->tenants[i].name)) {
            return conf_error(list, CH_INVALID, "policy.duplicate", diag,
                              "tenant \"%.64s\" stands twice",
                              (const char *)w->tenants[i].name.ptr);
        }
    }
    return conf_finish(root, diag);
}

enum chancery_err policy_tenants_compile(struct policy_bundle *b, const struct policy_file *f,
                                         struct diag *diag)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(f->path, f->content, &doc, diag));
    enum chancery_err err = compile_all(b, conf_root(doc), diag);
    conf_free(doc);
    return err;
}
