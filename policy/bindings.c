/* bindings/NAME.yaml: which profiles, roles and names a requester has in a tenant. */
#include <stdlib.h>

#include "policy/policy_int.h"

struct file {
    struct policy_bundle *b;
    uint32_t tenant; /* its place */
    const struct policy_tenant *t;
};

static enum chancery_err find_tenant(struct file *f, const struct conf_node *root,
                                     struct diag *diag)
{
    const char *name = "default";
    TRY(conf_string(root, "tenant", CONF_OPTIONAL, &name, diag));
    f->t = policy_tenant_find(f->b, slice_str(name));
    if (f->t == NULL) {
        const struct conf_node *at = conf_get(root, "tenant");
        return conf_error(at == NULL ? root : at, CH_INVALID, "policy.reference", diag,
                          "there is no tenant \"%.64s\"; tenants.yaml lists them", name);
    }
    f->tenant = (uint32_t)(f->t - f->b->who.tenants);
    return CH_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint16_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y ? 1 : 0;
}

static enum chancery_err read_profiles(struct file *f, const struct conf_node *map,
                                       struct policy_grant *g, struct diag *diag)
{
    const struct conf_node *list = conf_get(map, "profiles");
    struct policy_list names = {NULL, 0};
    TRY(policy_words_compile(f->b, map, "profiles", POLICY_BINDING_LIST_MAX, &names, diag));
    uint16_t *at = arena_alloc(&f->b->arena, names.n * sizeof *at);
    if (at == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < names.n; i++) {
        const struct policy_profile *p = policy_profile_find(f->b, names.at[i]);
        if (p == NULL) {
            return conf_error(list, CH_INVALID, "policy.reference", diag,
                              "there is no profile \"%.64s\"", (const char *)names.at[i].ptr);
        }
        at[i] = (uint16_t)(p - f->b->profiles);
    }
    qsort(at, names.n, sizeof *at, by_number);
    g->profiles = at;
    g->n_profiles = names.n;
    return CH_OK;
}

/* One key for each profile, or an open one for all. `key` has room for two octets more. */
static enum chancery_err add_by_profile(struct file *f, const struct policy_grant *g,
                                        const struct conf_node *at, uint8_t *key, size_t n,
                                        struct diag *diag)
{
    if (g->n_profiles == 0) {
        return policy_grant_add(f->b, g, at, slice_of(key, n), true, diag);
    }
    for (size_t i = 0; i < g->n_profiles; i++) {
        key[n] = (uint8_t)(g->profiles[i] >> 8);
        key[n + 1] = (uint8_t)g->profiles[i];
        TRY(policy_grant_add(f->b, g, at, slice_of(key, n + 2), false, diag));
    }
    return CH_OK;
}

static enum chancery_err read_roles(struct file *f, const struct conf_node *map,
                                    const struct policy_grant *g, struct diag *diag)
{
    const struct conf_node *list = conf_get(map, "roles");
    struct policy_list roles = {NULL, 0};
    TRY(policy_words_compile(f->b, map, "roles", POLICY_METHODS_MAX, &roles, diag));
    for (size_t i = 0; i < roles.n; i++) {
        uint8_t key[80] = {'r'};
        struct slice role = roles.at[i];
        if (f->t->roles_source != NULL && !policy_list_has(&f->t->roles, role)) {
            return conf_error(list, CH_INVALID, "policy.reference", diag,
                              "tenant \"%.64s\" has no role \"%.64s\" (%s)",
                              (const char *)f->t->name.ptr, (const char *)role.ptr,
                              f->t->roles_source);
        }
        memcpy(key + 1, role.ptr, role.len); /* a NUL follows */
        TRY(add_by_profile(f, g, list, key, role.len + 2, diag));
    }
    return CH_OK;
}

static enum chancery_err read_requester(struct file *f, const struct conf_node *map,
                                        uint32_t holder, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(map, "requester", CONF_REQUIRED, &text, diag));
    struct slice s = slice_str(text);
    const struct conf_node *at = conf_get(map, "requester");
    if (!policy_pattern_ok(s)) {
        return conf_error(at, CH_INVALID, "policy.value", diag,
                          "a requester is a path such as /user/alice or a spiffe:// identity; a * "
                          "may stand at its end");
    }
    bool open = s.ptr[s.len - 1] == '*';
    s.len -= open ? 1 : 0;
    enum chancery_err err =
        policy_prefix_add(&f->b->who.requesters, &f->b->arena, f->tenant, s, open, holder);
    return err;
}

static enum chancery_err compile_binding(struct file *f, const struct conf_node *map,
                                         struct diag *diag)
{
    struct policy_who *w = &f->b->who;
    struct policy_grant *g = NULL;
    const struct conf_node *names = NULL;
    const char *description = NULL;
    uint8_t key[8] = {'p'};
    if (++w->n_bindings > POLICY_BINDINGS_MAX) {
        return conf_error(map, CH_LIMIT, "policy.bindings", diag,
                          "a bundle has at most %d bindings", POLICY_BINDINGS_MAX);
    }
    uint32_t holder = (uint32_t)w->n_holders++;
    TRY(conf_string(map, "description", CONF_OPTIONAL, &description, diag));
    TRY(read_requester(f, map, holder, diag));
    TRY(policy_grant_new(f->b, map, holder, &g, diag));
    TRY(read_profiles(f, map, g, diag));
    TRY(add_by_profile(f, g, map, key, 1, diag));
    TRY(read_roles(f, map, g, diag));
    TRY(conf_map(map, "names", CONF_OPTIONAL, &names, diag));
    return names == NULL ? CH_OK : policy_grant_names(f->b, names, g, diag);
}

static enum chancery_err compile_file(struct policy_bundle *b, const struct conf_node *root,
                                      struct diag *diag)
{
    struct file f = {.b = b};
    const struct conf_node *list = NULL;
    const char *description = NULL;
    TRY(find_tenant(&f, root, diag));
    TRY(conf_string(root, "description", CONF_OPTIONAL, &description, diag));
    TRY(conf_list(root, "bindings", CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_LIST_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"bindings\" must have 1 to %d entries; split the file",
                          POLICY_LIST_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_binding(&f, conf_at(list, i), diag));
    }
    return conf_finish(root, diag);
}

enum chancery_err policy_bindings_compile(struct policy_bundle *b, const struct policy_file *f,
                                          struct diag *diag)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(f->path, f->content, &doc, diag));
    enum chancery_err err = compile_file(b, conf_root(doc), diag);
    conf_free(doc);
    return err;
}
