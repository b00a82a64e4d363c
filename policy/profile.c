/* One profile file: identity, callers, keys, algorithms, validity; names, subject and extensions
 * are in files of their own. docs/POLICY.md is the reference. */
#include <stdlib.h>

#include "der/der.h"
#include "policy/policy_int.h"

#define LIFE_MAX_S (100 * 366 * 86400LL)

bool policy_compile_name_ok(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
              (i > 0 && (c == '-' || c == '.')))) {
            return false;
        }
    }
    return s.len > 0 && s.len <= 64;
}

bool policy_pattern_ok(struct slice s)
{
    bool relative = s.len > 1 && s.ptr[0] == '/';
    bool full = s.len > 9 && memcmp(s.ptr, "spiffe://", 9) == 0;
    const uint8_t *star = s.len == 0 ? NULL : memchr(s.ptr, '*', s.len);
    return (relative || full) && s.len <= POLICY_PATTERN_MAX && policy_text_ascii(s) &&
           (star == NULL || star == s.ptr + s.len - 1);
}

static bool tenant_ok(struct slice s)
{
    return s.len > 0 && s.len <= 64 && policy_text_clean(s);
}

static enum chancery_err copy_name(struct policy_bundle *b, const struct conf_node *map,
                                   const char *key, const char **out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_string(map, key, CONF_REQUIRED, &text, diag));
    if (!policy_compile_name_ok(slice_str(text))) {
        return conf_error(conf_get(map, key), CH_INVALID, "policy.name", diag,
                          "\"%s\" must be 1 to 64 of a-z 0-9 - .", key);
    }
    *out = arena_str(&b->arena, slice_str(text));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_callers(struct policy_bundle *b, const struct conf_node *root,
                                         struct policy_profile *p, struct diag *diag)
{
    static const struct slice standard[] = {{(const uint8_t *)"default", 7}};
    p->tenants = (struct policy_list){standard, 1};
    TRY(policy_compile_list(b, root, "callers", CONF_REQUIRED, false, policy_pattern_ok,
                            &p->callers, diag));
    TRY(policy_compile_list(b, root, "tenants", CONF_OPTIONAL, true, tenant_ok, &p->tenants, diag));
    const struct conf_node *tenants = conf_get(root, "tenants");
    p->callers_source = policy_compile_source(b, conf_get(root, "callers"));
    p->tenants_source = policy_compile_source(b, tenants == NULL ? root : tenants);
    return p->callers_source == NULL || p->tenants_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_exponents(struct policy_bundle *b, const struct conf_node *keys,
                                           struct policy_profile *p, struct diag *diag)
{
    static const uint64_t standard[] = {65537};
    const struct conf_node *list = NULL;
    p->exponents = standard;
    p->n_exponents = 1;
    TRY(conf_list(keys, "rsa_exponents", CONF_OPTIONAL, &list, diag));
    if (list == NULL) {
        return CH_OK;
    }
    size_t n = conf_count(list);
    uint64_t *e = arena_alloc(&b->arena, n * sizeof *e);
    if (n == 0 || n > 16 || e == NULL) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"rsa_exponents\" must have 1 to 16 entries");
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        char *end;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        e[i] = strtoull(text, &end, 10);
        if (strlen(text) > 18 || *end != '\0' || text[0] < '1' || text[0] > '9' || e[i] < 65537 ||
            e[i] % 2 == 0) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "an RSA exponent is an odd number from 65537 on");
        }
    }
    p->exponents = e;
    p->n_exponents = n;
    return CH_OK;
}

static enum chancery_err compile_keys(struct policy_bundle *b, const struct conf_node *root,
                                      struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *keys = NULL, *types = NULL;
    TRY(conf_map(root, "keys", CONF_REQUIRED, &keys, diag));
    TRY(conf_list(keys, "types", CONF_REQUIRED, &types, diag));
    for (size_t i = 0; i < conf_count(types); i++) {
        const char *text;
        TRY(conf_scalar(conf_at(types, i), &text, diag));
        enum crypto_key_type t = crypto_key_type_from_name(text);
        if (t == CRYPTO_KEY_NONE || t == CRYPTO_KEY_RSA_OTHER) {
            return conf_error(
                conf_at(types, i), CH_INVALID, "policy.value", diag,
                "key types are P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096, Ed25519");
        }
        p->key_types |= 1U << t;
    }
    if (p->key_types == 0) {
        return conf_error(types, CH_INVALID, "policy.list", diag, "\"types\" is empty");
    }
    p->keys_source = policy_compile_source(b, keys);
    return p->keys_source == NULL ? CH_NOMEM : compile_exponents(b, keys, p, diag);
}

static enum chancery_err compile_algs(struct policy_bundle *b, const struct conf_node *root,
                                      struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(root, "signature_algorithms", CONF_REQUIRED, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        enum crypto_alg a = crypto_alg_from_name(text);
        if (a == CRYPTO_ALG_NONE) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "unknown signature algorithm; known are ecdsa-with-SHA256, "
                              "sha256WithRSAEncryption and others in docs/POLICY.md");
        }
        p->algs |= 1U << a;
    }
    if (p->algs == 0) {
        return conf_error(list, CH_INVALID, "policy.list", diag,
                          "\"signature_algorithms\" is empty");
    }
    p->algs_source = policy_compile_source(b, list);
    return p->algs_source == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_validity(struct policy_bundle *b, const struct conf_node *root,
                                          struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *v = NULL;
    struct policy_template *t = &p->t;
    TRY(conf_map(root, "validity", CONF_REQUIRED, &v, diag));
    TRY(conf_duration_s(v, "max", CONF_REQUIRED, 60, LIFE_MAX_S, &t->validity_max_s, diag));
    t->validity_s = t->validity_max_s;
    TRY(conf_duration_s(v, "default", CONF_OPTIONAL, 60, t->validity_max_s, &t->validity_s, diag));
    TRY(conf_duration_s(v, "backdate", CONF_OPTIONAL, 0, 7 * 86400, &t->backdate_s, diag));
    TRY(conf_duration_s(v, "round", CONF_OPTIONAL, 1, t->validity_s, &t->round_s, diag));
    struct policy_validity *o = &p->validity;
    o->max_source = policy_compile_source_key(b, v, "max");
    o->default_source =
        policy_compile_source_key(b, v, conf_get(v, "default") == NULL ? "max" : "default");
    o->backdate_source = policy_compile_source_key(b, v, "backdate");
    o->round_source = policy_compile_source_key(b, v, "round");
    o->round_text = arena_printf(&b->arena, "a multiple of %lld", (long long)t->round_s);
    return o->max_source == NULL || o->default_source == NULL || o->backdate_source == NULL ||
                   o->round_source == NULL || o->round_text == NULL
               ? CH_NOMEM
               : CH_OK;
}

enum chancery_err policy_profile_compile(struct policy_bundle *b, const struct conf_node *root,
                                         struct policy_profile *p, struct diag *diag)
{
    const char *description = NULL, *extends = NULL;
    *p = (struct policy_profile){.t.path_len = -1};
    TRY(copy_name(b, root, "name", &p->t.name, diag));
    TRY(conf_string(root, "description", CONF_OPTIONAL, &description, diag));
    TRY(conf_string(root, "extends", CONF_OPTIONAL, &extends, diag)); /* bases.c followed it */
    p->source = policy_compile_source(b, root);
    TRY(p->source == NULL ? CH_NOMEM : CH_OK);
    TRY(policy_pool_compile(b, root, p, diag));
    TRY(compile_callers(b, root, p, diag));
    TRY(compile_keys(b, root, p, diag));
    TRY(compile_algs(b, root, p, diag));
    TRY(compile_validity(b, root, p, diag));
    TRY(policy_subject_compile(b, root, p, diag));
    TRY(policy_names_compile(b, root, p, diag));
    TRY(policy_extensions_compile(b, root, p, diag));
    TRY(policy_limits_compile(b, root, POLICY_LIMITS_OF_PROFILE, &p->limits, diag));
    TRY(policy_approvals_compile(b, root, p, diag));
    TRY(policy_who_profile_compile(b, root, p, diag));
    TRY(policy_lints_compile(b, root, &p->lints, diag));
    TRY(policy_blocklists_chosen(b, root, p, diag));
    return conf_finish(root, diag);
}

enum chancery_err policy_compile_oid(struct policy_bundle *b, const struct conf_node *at,
                                     const char *text, struct slice *out, struct diag *diag)
{
    struct buf oid CLEANUP(buf_clear);
    buf_init(&oid, 64);
    if (der_oid_from_text(text, &oid) != CH_OK || oid.len == 0) {
        return conf_error(at, CH_INVALID, "policy.value", diag,
                          "\"%.64s\" is neither a known name nor an OID such as 1.2.840.1", text);
    }
    uint8_t *copy = arena_copy(&b->arena, buf_slice(&oid));
    if (copy == NULL) {
        return CH_NOMEM;
    }
    *out = slice_of(copy, oid.len);
    return CH_OK;
}
