/* The plan of a ceremony: what a YAML file says, checked, immutable. docs/CEREMONY.md has the form.
 *
 * Strings are borrowed from the plan's document. Every key has exactly one use; the root's token
 * holds nothing but the root's key. */
#ifndef CHANCERY_CLI_PLAN_H
#define CHANCERY_CLI_PLAN_H

#include "base/bytes.h"
#include "crypto/alg.h"

struct conf_doc;

#define PLAN_VERSION 1
#define PLAN_ROLES_MAX 32 /* people in one room */
#define PLAN_ITEMS_MAX 64 /* inventory lines */
#define PLAN_TOKENS_MAX 16
#define PLAN_KEYS_MAX 64
#define PLAN_ISSUERS_MAX 16
#define PLAN_SERVICE_KEYS_MAX 8
#define PLAN_ENV_MAX 4
#define PLAN_SHARDS_MAX 65536 /* as the database allows */
#define PLAN_URL_MAX 200
#define PLAN_FILE_MAX ((size_t)1 << 20)
#define PLAN_LIFE_MAX_S ((int64_t)30 * 366 * 86400)

struct plan_role {
    const char *role, *person;
};
struct plan_item {
    const char *item, *serial;
};
struct plan_env {
    const char *name, *value;
};
struct plan_token {
    const char *id, *module, *uri;
    char *pin_file; /* absolute or relative to the plan's folder, resolved */
    struct plan_env
        env[PLAN_ENV_MAX]; /* set while this token is open (where vendors' modules look) */
    size_t n_env;
};
enum plan_use {
    PLAN_UNUSED = 0,
    PLAN_ROOT,
    PLAN_ISSUER,
    PLAN_OCSP,
    PLAN_PERMIT,
    PLAN_STATEMENT,
    PLAN_CHECKPOINT
};
struct plan_key {
    const char *id, *label;
    size_t token; /* index */
    enum crypto_key_type type;
    enum plan_use use;
};
struct plan_subject {
    const char *country, *organization, *organizational_unit, *common_name; /* NULL when absent */
};
#define PLAN_PATH_MAX 5 /* levels of CAs below an issuing CA; verifiers stop at ten in all */
struct plan_issuer {
    const char *id;
    size_t key, ocsp_key; /* indices */
    struct plan_subject subject, ocsp_subject;
    int64_t validity_s, ocsp_validity_s;
    uint32_t shards;
    int path_len; /* levels of CAs that may stand below it */
};
struct plan_keys {
    size_t keys[PLAN_SERVICE_KEYS_MAX]; /* indices */
    size_t n;
};

struct plan {
    struct conf_doc *doc;
    uint8_t sha256[32]; /* of the file's bytes */
    const char *name;
    bool rehearsal;
    const char *trust_domain, *log_origin;
    char *policy_bundle; /* folder, resolved */
    const char *crl_base, *ocsp_url, *aia_base;
    struct plan_role roles[PLAN_ROLES_MAX];
    size_t n_roles;
    struct plan_item inventory[PLAN_ITEMS_MAX];
    size_t n_inventory;
    struct plan_token tokens[PLAN_TOKENS_MAX];
    size_t n_tokens;
    struct plan_key keys[PLAN_KEYS_MAX];
    size_t n_keys;
    size_t root_key; /* index */
    struct plan_subject root_subject;
    int64_t root_validity_s, root_crl_validity_s;
    struct plan_issuer issuers[PLAN_ISSUERS_MAX];
    size_t n_issuers;
    struct plan_keys permit, statement, checkpoint;
};

/* plan_load reads a file; plan_parse reads bytes, `path` standing for the file in errors and as
 * base of relative paths. Errors carry file:line:column. The caller frees *out. */
enum chancery_err plan_load(const char *path, struct plan **out, struct diag *diag) MUST_CHECK;
enum chancery_err plan_parse(const char *path, struct slice text, struct plan **out,
                             struct diag *diag) MUST_CHECK;
void plan_free(struct plan *p);

/* plan_use_name: "root", "issuer", "ocsp", "permit", "statement", "checkpoint". */
const char *plan_use_name(enum plan_use use);

/* ---- between plan.c (checks over the whole) and plan_read.c (fields) ---- */
enum chancery_err plan_read(const char *path, struct plan *p, struct diag *diag) MUST_CHECK;

#endif
