/* Fields of a plan: each with its type, limits and place in the file. */
#include <stdlib.h>

#include "conf/conf.h"
#include "plan.h"
#include "text.h"

/* A required list of maps of 1..max items. */
static enum chancery_err read_list(const struct conf_node *map, const char *key, size_t min,
                                   size_t max, const struct conf_node **out, struct diag *diag)
{
    TRY(conf_list(map, key, min > 0 ? CONF_REQUIRED : CONF_OPTIONAL, out, diag));
    if (conf_count(*out) < min || conf_count(*out) > max) {
        return conf_error(*out, CH_LIMIT, "plan.count", diag, "%s has %zu to %zu entries", key, min,
                          max);
    }
    return CH_OK;
}

/* Printable ASCII, 1..max: labels, origins, URLs. */
static bool read_printable(const char *s, size_t max)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n; i++) {
        if (s[i] < 0x21 || s[i] > 0x7e) {
            return false;
        }
    }
    return n > 0 && n <= max;
}

static enum chancery_err read_name(const struct conf_node *map, const char *key, const char **out,
                                   struct diag *diag)
{
    TRY(conf_string(map, key, CONF_REQUIRED, out, diag));
    if (!text_name_ok(*out, 63, "-")) {
        return conf_error(conf_get(map, key), CH_INVALID, "plan.name", diag,
                          "%s is 1 to 63 lower-case letters, digits and -, not \"%s\"", key, *out);
    }
    return CH_OK;
}

static enum chancery_err read_url(const struct conf_node *map, const char *key, const char **out,
                                  struct diag *diag)
{
    TRY(conf_string(map, key, CONF_REQUIRED, out, diag));
    size_t len = strlen(*out);
    /* Plain HTTP: fetching revocation data over TLS would need revocation data. RFC 5280 8. */
    if (!read_printable(*out, PLAN_URL_MAX) || strpbrk(*out, "\"\\<>^`{|}") != NULL ||
        strncmp(*out, "http://", 7) != 0 || len < 8 || (*out)[len - 1] == '/') {
        return conf_error(conf_get(map, key), CH_INVALID, "plan.url", diag,
                          "%s is an http:// URL of at most %d characters without final /", key,
                          PLAN_URL_MAX);
    }
    return CH_OK;
}

static enum chancery_err read_path(const char *path, const struct conf_node *map, const char *key,
                                   char **out, struct diag *diag)
{
    const char *value = NULL;
    TRY(conf_string(map, key, CONF_REQUIRED, &value, diag));
    if (value[0] == '\0') {
        return conf_error(conf_get(map, key), CH_INVALID, "plan.path", diag, "%s is empty", key);
    }
    *out = text_path(path, value);
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err read_people(struct plan *p, const struct conf_node *root,
                                     struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(read_list(root, "roles", 1, PLAN_ROLES_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        TRY(conf_string(conf_at(list, i), "role", CONF_REQUIRED, &p->roles[i].role, diag));
        TRY(conf_string(conf_at(list, i), "person", CONF_REQUIRED, &p->roles[i].person, diag));
        p->n_roles = i + 1;
    }
    list = NULL;
    TRY(read_list(root, "inventory", 0, PLAN_ITEMS_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        TRY(conf_string(conf_at(list, i), "item", CONF_REQUIRED, &p->inventory[i].item, diag));
        TRY(conf_string(conf_at(list, i), "serial", CONF_REQUIRED, &p->inventory[i].serial, diag));
        p->n_inventory = i + 1;
    }
    return CH_OK;
}

/* Environment names of vendors' modules; never anything that changes how programs load. */
static bool read_env_name_ok(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (!(name[i] >= 'A' && name[i] <= 'Z') && !(name[i] >= '0' && name[i] <= '9') &&
            !(name[i] >= 'a' && name[i] <= 'z') && name[i] != '_') {
            return false;
        }
    }
    return n > 0 && n <= 64 && strncmp(name, "LD_", 3) != 0 && strncmp(name, "CHANCERY_", 9) != 0;
}

static enum chancery_err read_env(const struct conf_node *map, struct plan_token *t,
                                  struct diag *diag)
{
    const struct conf_node *env = NULL;
    TRY(conf_map(map, "environment", CONF_OPTIONAL, &env, diag));
    if (conf_count(env) > PLAN_ENV_MAX) {
        return conf_error(env, CH_LIMIT, "plan.environment", diag, "at most %d variables",
                          PLAN_ENV_MAX);
    }
    for (size_t i = 0; i < conf_count(env); i++) {
        t->env[i].name = conf_key_at(env, i);
        if (!read_env_name_ok(t->env[i].name)) {
            return conf_error(conf_at(env, i), CH_INVALID, "plan.environment", diag,
                              "\"%s\" is not a variable a plan may set", t->env[i].name);
        }
        TRY(conf_scalar(conf_at(env, i), &t->env[i].value, diag));
        t->n_env = i + 1;
    }
    return CH_OK;
}

static enum chancery_err read_tokens(const char *path, struct plan *p, const struct conf_node *root,
                                     struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(read_list(root, "tokens", 1, PLAN_TOKENS_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_node *n = conf_at(list, i);
        struct plan_token *t = &p->tokens[i];
        p->n_tokens = i + 1;
        TRY(read_name(n, "id", &t->id, diag));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(p->tokens[j].id, t->id) == 0) {
                return conf_error(n, CH_INVALID, "plan.token.twice", diag,
                                  "token \"%s\" is listed twice", t->id);
            }
        }
        TRY(conf_string(n, "module", CONF_REQUIRED, &t->module, diag));
        TRY(conf_string(n, "uri", CONF_REQUIRED, &t->uri, diag));
        if (strncmp(t->uri, "pkcs11:", 7) != 0 || strstr(t->uri, "pin-") != NULL) {
            return conf_error(conf_get(n, "uri"), CH_INVALID, "plan.token.uri", diag,
                              "uri is a pkcs11: URI without PIN (RFC 7512)");
        }
        TRY(read_path(path, n, "pin_file", &t->pin_file, diag));
        TRY(read_env(n, t, diag));
    }
    return CH_OK;
}

static enum chancery_err read_keys(struct plan *p, const struct conf_node *root, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(read_list(root, "keys", 1, PLAN_KEYS_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_node *n = conf_at(list, i);
        struct plan_key *k = &p->keys[i];
        const char *token = NULL, *type = NULL;
        TRY(read_name(n, "id", &k->id, diag));
        k->label = k->id;
        TRY(conf_string(n, "label", CONF_OPTIONAL, &k->label, diag));
        if (!text_name_ok(k->label, 63, "-")) {
            return conf_error(n, CH_INVALID, "plan.key.label", diag,
                              "a label is 1 to 63 lower-case letters, digits and -");
        }
        TRY(conf_string(n, "token", CONF_REQUIRED, &token, diag));
        TRY(conf_string(n, "type", CONF_REQUIRED, &type, diag));
        k->type = crypto_key_type_from_name(type);
        if (k->type == CRYPTO_KEY_NONE || k->type == CRYPTO_KEY_RSA_OTHER) {
            return conf_error(conf_get(n, "type"), CH_INVALID, "plan.key.type", diag,
                              "\"%s\" is no key type (P-256, P-384, P-521, RSA-2048, RSA-3072, "
                              "RSA-4096, Ed25519)",
                              type);
        }
        for (k->token = 0; k->token < p->n_tokens; k->token++) {
            if (strcmp(p->tokens[k->token].id, token) == 0) {
                break;
            }
        }
        if (k->token == p->n_tokens) {
            return conf_error(conf_get(n, "token"), CH_INVALID, "plan.key.token", diag,
                              "no token \"%s\" in this plan", token);
        }
        for (size_t j = 0; j < i; j++) {
            if (strcmp(p->keys[j].id, k->id) == 0 ||
                (p->keys[j].token == k->token && strcmp(p->keys[j].label, k->label) == 0)) {
                return conf_error(n, CH_INVALID, "plan.key.twice", diag,
                                  "key \"%s\" or its label is listed twice", k->id);
            }
        }
        p->n_keys = i + 1;
    }
    return CH_OK;
}

static enum chancery_err read_key_id(const struct plan *p, const struct conf_node *at,
                                     const char *id, size_t *out, struct diag *diag)
{
    for (size_t i = 0; i < p->n_keys; i++) {
        if (strcmp(p->keys[i].id, id) == 0) {
            *out = i;
            return CH_OK;
        }
    }
    return conf_error(at, CH_INVALID, "plan.key.unknown", diag, "no key \"%s\" in this plan", id);
}

static enum chancery_err read_key_ref(const struct plan *p, const struct conf_node *map,
                                      size_t *out, struct diag *diag)
{
    const char *id = NULL;
    TRY(conf_string(map, "key", CONF_REQUIRED, &id, diag));
    return read_key_id(p, conf_get(map, "key"), id, out, diag);
}

static enum chancery_err read_subject(const struct conf_node *map, struct plan_subject *out,
                                      struct diag *diag)
{
    const struct conf_node *s = NULL;
    TRY(conf_map(map, "subject", CONF_REQUIRED, &s, diag));
    TRY(conf_string(s, "country", CONF_OPTIONAL, &out->country, diag));
    TRY(conf_string(s, "organization", CONF_REQUIRED, &out->organization, diag));
    TRY(conf_string(s, "organizational_unit", CONF_OPTIONAL, &out->organizational_unit, diag));
    TRY(conf_string(s, "common_name", CONF_REQUIRED, &out->common_name, diag));
    if (out->country != NULL && strlen(out->country) != 2) {
        return conf_error(conf_get(s, "country"), CH_INVALID, "plan.subject", diag,
                          "country is two letters");
    }
    return CH_OK;
}

static enum chancery_err read_root(struct plan *p, const struct conf_node *root, struct diag *diag)
{
    const struct conf_node *n = NULL;
    TRY(conf_map(root, "root", CONF_REQUIRED, &n, diag));
    TRY(read_key_ref(p, n, &p->root_key, diag));
    TRY(read_subject(n, &p->root_subject, diag));
    TRY(conf_duration_s(n, "validity", CONF_REQUIRED, 86400, PLAN_LIFE_MAX_S, &p->root_validity_s,
                        diag));
    /* CA/Browser Forum BR 4.9.7: CRLs of CA certificates at least every twelve months. */
    return conf_duration_s(n, "crl_validity", CONF_REQUIRED, 3600, (int64_t)366 * 86400,
                           &p->root_crl_validity_s, diag);
}

static enum chancery_err read_issuer(struct plan *p, const struct conf_node *n,
                                     struct plan_issuer *i, struct diag *diag)
{
    const struct conf_node *ocsp = NULL;
    int64_t shards = 0, path_len = 0;
    TRY(read_name(n, "id", &i->id, diag));
    if (strcmp(i->id, "root") == 0) {
        return conf_error(n, CH_INVALID, "plan.issuer.id", diag, "\"root\" is the root's own name");
    }
    TRY(read_key_ref(p, n, &i->key, diag));
    TRY(read_subject(n, &i->subject, diag));
    TRY(conf_duration_s(n, "validity", CONF_REQUIRED, 86400, PLAN_LIFE_MAX_S, &i->validity_s,
                        diag));
    TRY(conf_int(n, "shards", CONF_REQUIRED, 1, PLAN_SHARDS_MAX, &shards, diag));
    i->shards = (uint32_t)shards;
    TRY(conf_int(n, "path_length", CONF_OPTIONAL, 0, PLAN_PATH_MAX, &path_len, diag));
    i->path_len = (int)path_len;
    TRY(conf_map(n, "ocsp", CONF_REQUIRED, &ocsp, diag));
    TRY(read_key_ref(p, ocsp, &i->ocsp_key, diag));
    TRY(read_subject(ocsp, &i->ocsp_subject, diag));
    return conf_duration_s(ocsp, "validity", CONF_REQUIRED, 3600, PLAN_LIFE_MAX_S,
                           &i->ocsp_validity_s, diag);
}

static enum chancery_err read_issuers(struct plan *p, const struct conf_node *root,
                                      struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(read_list(root, "issuers", 1, PLAN_ISSUERS_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        TRY(read_issuer(p, conf_at(list, i), &p->issuers[i], diag));
        for (size_t j = 0; j < i; j++) {
            if (strcmp(p->issuers[j].id, p->issuers[i].id) == 0) {
                return conf_error(conf_at(list, i), CH_INVALID, "plan.issuer.twice", diag,
                                  "issuer \"%s\" is listed twice", p->issuers[i].id);
            }
        }
        p->n_issuers = i + 1;
    }
    return CH_OK;
}

static enum chancery_err read_key_list(const struct plan *p, const struct conf_node *map,
                                       const char *name, struct plan_keys *out, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(read_list(map, name, 1, PLAN_SERVICE_KEYS_MAX, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const char *id = NULL;
        TRY(conf_scalar(conf_at(list, i), &id, diag));
        TRY(read_key_id(p, conf_at(list, i), id, &out->keys[i], diag));
        out->n = i + 1;
    }
    return CH_OK;
}

static enum chancery_err read_head(const char *path, struct plan *p, const struct conf_node *root,
                                   struct diag *diag)
{
    const struct conf_node *head = NULL, *publication = NULL;
    int64_t version = 0;
    TRY(conf_map(root, "ceremony", CONF_REQUIRED, &head, diag));
    TRY(conf_int(head, "version", CONF_REQUIRED, PLAN_VERSION, PLAN_VERSION, &version, diag));
    TRY(conf_string(head, "name", CONF_REQUIRED, &p->name, diag));
    TRY(conf_bool(head, "rehearsal", CONF_REQUIRED, &p->rehearsal, diag));
    TRY(conf_string(root, "trust_domain", CONF_REQUIRED, &p->trust_domain, diag));
    if (!text_name_ok(p->trust_domain, 200, ".-")) {
        return conf_error(conf_get(root, "trust_domain"), CH_INVALID, "plan.trust_domain", diag,
                          "a trust domain is a lower-case DNS name");
    }
    TRY(conf_string(root, "log_origin", CONF_REQUIRED, &p->log_origin, diag));
    /* Signed-note key names hold no blank and no plus. */
    if (!read_printable(p->log_origin, 200) || strchr(p->log_origin, '+') != NULL) {
        return conf_error(conf_get(root, "log_origin"), CH_INVALID, "plan.log_origin", diag,
                          "an origin is a URL without scheme, such as log.example/chancery");
    }
    TRY(read_path(path, root, "policy_bundle", &p->policy_bundle, diag));
    TRY(conf_map(root, "publication", CONF_REQUIRED, &publication, diag));
    TRY(read_url(publication, "crl_base", &p->crl_base, diag));
    TRY(read_url(publication, "ocsp_url", &p->ocsp_url, diag));
    return read_url(publication, "aia_base", &p->aia_base, diag);
}

enum chancery_err plan_read(const char *path, struct plan *p, struct diag *diag)
{
    const struct conf_node *root = conf_root(p->doc), *services = NULL;
    TRY(read_head(path, p, root, diag));
    TRY(read_people(p, root, diag));
    TRY(read_tokens(path, p, root, diag));
    TRY(read_keys(p, root, diag));
    TRY(read_root(p, root, diag));
    TRY(read_issuers(p, root, diag));
    TRY(conf_map(root, "service_keys", CONF_REQUIRED, &services, diag));
    TRY(read_key_list(p, services, "permit", &p->permit, diag));
    TRY(read_key_list(p, services, "statement", &p->statement, diag));
    TRY(read_key_list(p, services, "checkpoint", &p->checkpoint, diag));
    return conf_finish(root, diag);
}
