/* What a profile says about who may ask: protocols, roles, authentication, binding, tenants. */
#include "policy/policy_int.h"

/* A list of words and where it stands. */
static enum chancery_err words(struct policy_bundle *b, const struct conf_node *map,
                               const char *key, struct policy_list *out, const char **source,
                               struct diag *diag)
{
    const struct conf_node *list = conf_get(map, key);
    TRY(policy_words_compile(b, map, key, POLICY_METHODS_MAX, out, diag));
    if (list != NULL && *source == NULL) {
        *source = policy_compile_source(b, list);
    }
    return list != NULL && *source == NULL ? CH_NOMEM : CH_OK;
}

/* Protocols are this product's own: a word that is none of them is a slip. */
static enum chancery_err protocols(struct policy_bundle *b, const struct conf_node *root,
                                   struct policy_who_profile *w, struct diag *diag)
{
    static const char *const known[] = {"acme", "cmp", "est", "grpc", "rest", "scep"};
    TRY(words(b, root, "protocols", &w->protocols, &w->protocols_source, diag));
    for (size_t i = 0; i < w->protocols.n; i++) {
        bool is = false;
        for (size_t k = 0; k < sizeof known / sizeof known[0]; k++) {
            is = is || slice_eq(w->protocols.at[i], slice_str(known[k]));
        }
        if (!is) {
            return conf_error(
                conf_get(root, "protocols"), CH_INVALID, "policy.value", diag,
                "\"%.64s\" is no protocol; known are acme, cmp, est, grpc, rest, scep",
                (const char *)w->protocols.at[i].ptr);
        }
    }
    return CH_OK;
}

static enum chancery_err authentication(struct policy_bundle *b, const struct conf_node *root,
                                        struct policy_who_profile *w, struct diag *diag)
{
    const struct conf_node *map = NULL;
    TRY(conf_map(root, "authentication", CONF_OPTIONAL, &map, diag));
    if (map == NULL) {
        return CH_OK;
    }
    TRY(words(b, map, "all_of", &w->all_of, &w->authentication_source, diag));
    TRY(words(b, map, "any_of", &w->any_of, &w->authentication_source, diag));
    if (w->authentication_source == NULL) {
        return conf_error(map, CH_INVALID, "policy.value", diag,
                          "\"authentication\" has \"all_of\", \"any_of\" or both");
    }
    return CH_OK;
}

static enum chancery_err binding(struct policy_bundle *b, const struct conf_node *root,
                                 struct policy_who_profile *w, struct diag *diag)
{
    static const char *const kinds[] = {"none", "optional", "required"};
    const char *text = "none";
    TRY(conf_string(root, "binding", CONF_OPTIONAL, &text, diag));
    size_t kind = 0;
    while (kind < 3 && strcmp(kinds[kind], text) != 0) {
        kind++;
    }
    const struct conf_node *at = conf_get(root, "binding");
    if (kind == 3) {
        return conf_error(at, CH_INVALID, "policy.value", diag,
                          "\"binding\" is none, optional or required");
    }
    w->binding = (enum policy_binding)kind;
    w->binding_source = policy_compile_source(b, at == NULL ? root : at);
    return w->binding_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err tenants(struct policy_bundle *b, const struct conf_node *root,
                                 const struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = conf_get(root, "tenants");
    for (size_t i = 0; i < p->tenants.n && list != NULL; i++) {
        if (policy_tenant_find(b, p->tenants.at[i]) == NULL) {
            return conf_error(list, CH_INVALID, "policy.reference", diag,
                              "there is no tenant \"%.*s\"; tenants.yaml lists them",
                              (int)p->tenants.at[i].len, p->tenants.at[i].ptr);
        }
    }
    return CH_OK;
}

enum chancery_err policy_who_profile_compile(struct policy_bundle *b, const struct conf_node *root,
                                             struct policy_profile *p, struct diag *diag)
{
    TRY(protocols(b, root, &p->who, diag));
    TRY(words(b, root, "roles", &p->who.roles, &p->who.roles_source, diag));
    TRY(authentication(b, root, &p->who, diag));
    TRY(binding(b, root, &p->who, diag));
    TRY(tenants(b, root, p, diag));
    return policy_templates_compile(b, root, p, diag);
}
