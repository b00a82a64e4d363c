/* A bundle: YAML files in memory, hashed, compiled, then immutable. */
#include <stdlib.h>

#include "policy/policy_int.h"

#define BUNDLE_MEMORY                                                                              \
    ((size_t)256 << 20) /* 1000 profiles with lists of 10,000 names stay below                     \
                         */

/* ---- helpers of the compilers ---- */

const char *policy_compile_source(struct policy_bundle *b, const struct conf_node *n)
{
    char *text = arena_printf(&b->arena, "%s:%u", conf_file(n), conf_line(n));
    for (n = conf_beneath(n); n != NULL && text != NULL; n = conf_beneath(n)) {
        text = arena_printf(&b->arena, "%s+%s:%u", text, conf_file(n), conf_line(n));
    }
    return text;
}

const char *policy_compile_source_key(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key)
{
    const struct conf_node *value = conf_get(map, key);
    return policy_compile_source(b, value == NULL ? map : value);
}

static int by_octets(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

enum chancery_err policy_compile_list(struct policy_bundle *b, const struct conf_node *map,
                                      const char *key, enum conf_need need, bool sorted,
                                      policy_text_ok *ok, struct policy_list *out,
                                      struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(map, key, need, &list, diag));
    if (list == NULL) {
        return CH_OK;
    }
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_LIST_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "\"%s\" must have 1 to %d entries",
                          key, POLICY_LIST_MAX);
    }
    struct slice *at = arena_alloc(&b->arena, n * sizeof *at);
    if (at == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        at[i] = slice_str(text);
        if (!ok(at[i])) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "\"%.64s\" is not a valid entry of \"%s\"", text, key);
        }
        at[i].ptr = arena_copy(&b->arena, at[i]);
        if (at[i].ptr == NULL) {
            return CH_NOMEM;
        }
    }
    if (sorted) {
        qsort(at, n, sizeof *at, by_octets);
        for (size_t i = 1; i < n; i++) {
            if (slice_eq(at[i - 1], at[i])) {
                return conf_error(list, CH_INVALID, "policy.duplicate", diag,
                                  "\"%.64s\" stands twice in \"%s\"", (const char *)at[i].ptr, key);
            }
        }
    }
    *out = (struct policy_list){at, n};
    return CH_OK;
}

bool policy_list_has(const struct policy_list *l, struct slice s)
{
    return l->n > 0 && bsearch(&s, l->at, l->n, sizeof s, by_octets) != NULL;
}

/* ---- compiling ---- */

static enum chancery_err bundle_head(struct policy_bundle *b, const struct conf_node *root,
                                     struct diag *diag)
{
    int64_t version = 0;
    const char *name = NULL, *description = NULL;
    const struct conf_node *crl = NULL;
    TRY(conf_int(root, "version", CONF_REQUIRED, 1, 1, &version, diag));
    TRY(conf_string(root, "name", CONF_REQUIRED, &name, diag));
    TRY(conf_string(root, "description", CONF_OPTIONAL, &description, diag));
    TRY(conf_map(root, "crl", CONF_REQUIRED, &crl, diag));
    TRY(conf_duration_s(crl, "max_validity", CONF_REQUIRED, 60, 400 * 86400LL, &b->crl_max_s,
                        diag));
    TRY(conf_duration_s(crl, "backdate", CONF_OPTIONAL, 0, 86400, &b->crl_backdate_s, diag));
    b->name = arena_str(&b->arena, slice_str(name));
    b->source = policy_compile_source(b, root);
    b->crl_source = policy_compile_source(b, crl);
    return b->name == NULL || b->source == NULL || b->crl_source == NULL ? CH_NOMEM
                                                                         : conf_finish(root, diag);
}

static enum chancery_err compile_head(struct policy_bundle *b, const struct policy_file *f,
                                      struct diag *diag)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(f->path, f->content, &doc, diag));
    enum chancery_err err = bundle_head(b, conf_root(doc), diag);
    conf_free(doc);
    return err;
}

static bool ends_with(const char *s, const char *tail)
{
    size_t n = strlen(s), m = strlen(tail);
    return n > m && strcmp(s + n - m, tail) == 0;
}

/* The file's name without folder and suffix, which the profile must bear. */
static struct slice profile_name(const char *path)
{
    struct slice s = slice_str(path + strlen("profiles/"));
    return slice_sub(s, 0, s.len - strlen(".yaml"));
}

static enum chancery_err compile_profile(struct policy_bundle *b, const struct policy_file *f,
                                         struct diag *diag)
{
    struct conf_doc *doc = NULL;
    const struct conf_node *root = NULL;
    if (b->n_profiles == POLICY_PROFILES_MAX) {
        return diag_set(diag, CH_LIMIT, f->path, "policy.files", "more than %d profiles",
                        POLICY_PROFILES_MAX);
    }
    struct policy_profile *p = &b->profiles[b->n_profiles++]; /* unique as file names are */
    TRY(conf_parse(f->path, f->content, &doc, diag));
    enum chancery_err err = policy_bases_extend(b, conf_root(doc), &root, diag);
    if (err == CH_OK) {
        err = policy_profile_compile(b, root, p, diag);
    }
    if (err == CH_OK && !slice_eq(profile_name(f->path), slice_str(p->t.name))) {
        err = conf_error(conf_root(doc), CH_INVALID, "policy.name", diag,
                         "profile \"%.64s\" must be in a file of that name", p->t.name);
    }
    conf_free(doc);
    return err;
}

static int by_path(const void *a, const void *b)
{
    const struct policy_file *x = a, *y = b;
    return strcmp(x->path, y->path);
}

static int by_name(const void *a, const void *b)
{
    const struct policy_profile *x = a, *y = b;
    return strcmp(x->t.name, y->t.name);
}

/* chancery/bundle/v1, docs/ISSUANCE.md, of files sorted by path. */
static enum chancery_err hash_files(const struct policy_file *files, size_t n, uint8_t out[32])
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, (size_t)8 << 20); /* 20,000 files with paths of 300 octets */
    TRY(buf_add_str(&text, "chancery/bundle/v1\n"));
    TRY(buf_add_u32be(&text, (uint32_t)n));
    for (size_t i = 0; i < n; i++) {
        uint8_t digest[32];
        crypto_sha256(files[i].content, digest);
        TRY(buf_add_u32be(&text, (uint32_t)strlen(files[i].path)));
        TRY(buf_add_str(&text, files[i].path));
        TRY(buf_add(&text, slice_of(digest, sizeof digest)));
    }
    crypto_sha256(buf_slice(&text), out);
    return CH_OK;
}

static struct policy_file *sorted_copy(const struct policy_file *files, size_t n)
{
    struct policy_file *sorted = calloc(n + 1, sizeof *sorted);
    if (sorted != NULL && n > 0) {
        memcpy(sorted, files, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_path);
    }
    return sorted;
}

enum chancery_err policy_files_hash(const struct policy_file *files, size_t n, uint8_t out[32])
{
    struct policy_file *sorted = sorted_copy(files, n);
    if (sorted == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = hash_files(sorted, n, out);
    free(sorted);
    return err;
}

/* What a file is by its path, in the order of compiling: what others refer to comes first. */
static const struct {
    const char *path; /* of a file, or of a folder (ending in '/') whose files end in `suffix` */
    const char *suffix;
    enum chancery_err (*compile)(struct policy_bundle *b, const struct policy_file *f,
                                 struct diag *diag); /* NULL: only hashed */
} classes[] = {
    {"README.md", NULL, NULL},
    {"tests/", ".yaml", NULL}, /* table tests: read by trial/, not by the judge */
    {"bundle.yaml", NULL, compile_head},
    {"officers.yaml", NULL, policy_officers_compile},
    {"tenants.yaml", NULL, policy_tenants_compile},
    {"blocklists/", ".txt", policy_blocklist_compile},
    {"bases/", ".yaml", policy_bases_add},
    {"public_suffixes.dat", NULL, policy_suffixes_compile},
    {"profiles/", ".yaml", compile_profile},
    {"bindings/", ".yaml", policy_bindings_compile},
};
#define CLASSES (sizeof classes / sizeof classes[0])

/* The class of a path; CLASSES when a bundle has no such file. */
static size_t class_of(const char *path)
{
    for (size_t i = 0; i < CLASSES; i++) {
        size_t n = strlen(classes[i].path);
        if (classes[i].suffix == NULL
                ? strcmp(path, classes[i].path) == 0
                : strncmp(path, classes[i].path, n) == 0 && path[n] != '.' &&
                      strchr(path + n, '/') == NULL && ends_with(path + n, classes[i].suffix)) {
            return i;
        }
    }
    return CLASSES;
}

bool policy_file_known(const char *path)
{
    return class_of(path) < CLASSES;
}

bool policy_folder_known(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < CLASSES; i++) {
        if (strncmp(classes[i].path, name, n) == 0 && strcmp(classes[i].path + n, "/") == 0) {
            return true;
        }
    }
    return false;
}

static enum chancery_err compile_class(struct policy_bundle *b, size_t class,
                                       const struct policy_file *files, size_t n, struct diag *diag)
{
    for (size_t i = 0; i < n && classes[class].compile != NULL; i++) {
        if (class_of(files[i].path) == class) {
            TRY(classes[class].compile(b, &files[i], diag));
        }
    }
    return CH_OK;
}

static enum chancery_err compile_sorted(struct policy_bundle *b, const struct policy_file *files,
                                        size_t n, struct diag *diag)
{
    TRY(hash_files(files, n, b->hash));
    TRY(policy_primes_make(b));
    TRY(policy_who_begin(b));
    b->profiles = arena_alloc(&b->arena, n * sizeof *b->profiles);
    if (b->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        if (!policy_file_known(files[i].path)) {
            return diag_set(diag, CH_INVALID, files[i].path, "policy.file",
                            "a bundle has no such file; docs/POLICY.md lists what it holds");
        }
        if (i > 0 && strcmp(files[i - 1].path, files[i].path) == 0) {
            return diag_set(diag, CH_INVALID, files[i].path, "policy.file",
                            "this file is given twice");
        }
    }
    for (size_t class = 0; class < CLASSES; class ++) {
        TRY(compile_class(b, class, files, n, diag));
        /* By name from here on: what comes later refers to them. */
        qsort(b->profiles, b->n_profiles, sizeof *b->profiles, by_name);
    }
    TRY(policy_bases_check(b, diag));
    if (b->name == NULL || b->n_profiles == 0) {
        return diag_set(diag, CH_INVALID, "bundle.yaml", "policy.bundle",
                        "a bundle has a bundle.yaml and at least one profile");
    }
    return policy_who_finish(b, diag);
}

enum chancery_err policy_bundle_compile(const struct policy_file *files, size_t n,
                                        struct policy_bundle **out, struct diag *diag)
{
    struct policy_bundle *b = calloc(1, sizeof *b);
    struct policy_file *sorted = sorted_copy(files, n);
    if (b == NULL || sorted == NULL) {
        free(b);
        free(sorted);
        return CH_NOMEM;
    }
    arena_init(&b->arena, BUNDLE_MEMORY);
    enum chancery_err err = compile_sorted(b, sorted, n, diag);
    free(sorted);
    policy_bases_free(b->bases);
    b->bases = NULL;
    if (err != CH_OK) {
        policy_bundle_free(b);
        return err;
    }
    *out = b;
    return CH_OK;
}

enum chancery_err policy_bundle_compile_officers(const struct policy_file *files, size_t n,
                                                 struct policy_bundle **out, struct diag *diag)
{
    struct policy_bundle *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    arena_init(&b->arena, BUNDLE_MEMORY);
    enum chancery_err err = policy_files_hash(files, n, b->hash);
    if (err == CH_OK) {
        err = policy_primes_make(b);
    }
    for (size_t i = 0; err == CH_OK && i < n; i++) {
        if (strcmp(files[i].path, "officers.yaml") == 0) {
            err = b->officers.n > 0 ? diag_set(diag, CH_INVALID, files[i].path, "policy.file",
                                               "this file is given twice")
                                    : policy_officers_compile(b, &files[i], diag);
        }
    }
    if (err != CH_OK) {
        policy_bundle_free(b);
        return err;
    }
    *out = b;
    return CH_OK;
}

enum chancery_err policy_bundle_load(const char *dir, struct policy_bundle **out, struct diag *diag)
{
    struct policy_folder d CLEANUP(policy_folder_clear) = {.n = 0};
    TRY(policy_folder_load(dir, &d, diag));
    return policy_bundle_compile(d.files, d.n, out, diag);
}

/* ---- reading a compiled bundle ---- */

void policy_bundle_free(struct policy_bundle *b)
{
    if (b != NULL) {
        policy_officers_clear(&b->officers);
        policy_suffixes_free(b->suffixes);
        arena_clear(&b->arena);
        free(b);
    }
}

const uint8_t *policy_bundle_hash(const struct policy_bundle *b)
{
    return b->hash;
}

enum chancery_err policy_bundle_set_trust_domain(struct policy_bundle *b, const char *domain)
{
    struct slice s = slice_str(domain);
    if (!policy_text_dns(s, false, true)) {
        return CH_INVALID;
    }
    uint8_t *copy = arena_copy(&b->arena, s);
    if (copy == NULL) {
        return CH_NOMEM;
    }
    b->trust_domain = slice_of(copy, s.len);
    return CH_OK;
}

size_t policy_profile_count(const struct policy_bundle *b)
{
    return b->n_profiles;
}

const struct policy_profile *policy_profile_at(const struct policy_bundle *b, size_t i)
{
    return i < b->n_profiles ? &b->profiles[i] : NULL;
}

const struct policy_profile *policy_profile_find(const struct policy_bundle *b, struct slice name)
{
    size_t low = 0, high = b->n_profiles;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int c = slice_cmp(name, slice_str(b->profiles[mid].t.name));
        if (c == 0) {
            return &b->profiles[mid];
        }
        low = c > 0 ? mid + 1 : low;
        high = c < 0 ? mid : high;
    }
    return NULL;
}

const struct policy_template *policy_profile_template(const struct policy_profile *p)
{
    return &p->t;
}
