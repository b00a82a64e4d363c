/* The facts of a bundle: each file's tree made flat. */
#include "trial/facts.h"

#include <stdio.h>
#include <stdlib.h>

#include "conf/conf.h"
#include "trial/words.h"

#define MEMORY ((size_t)1 << 30)    /* 1000 profiles, 10,000 bindings, lists of 10,000 names */
#define FACTS_MAX ((size_t)4000000) /* entries of all lists */
#define VALUE_MAX ((size_t)65536)
#define DEPTH_MAX 16 /* as lib/conf */
#define BASES_DEPTH 16
#define PARTS_MAX 1024 /* keys of one profile */

struct flat {
    struct trial_facts *out;
    const struct policy_file *files;
    size_t n_files, cap;
    struct diag *diag;
};

static enum chancery_err add(struct flat *f, const char *section, const char *key,
                             const char *value, const char *source, bool member)
{
    struct trial_facts *out = f->out;
    if (section == NULL || key == NULL || value == NULL || source == NULL) {
        return CH_NOMEM;
    }
    if (out->n == f->cap) {
        size_t cap = f->cap == 0 ? 1024 : f->cap * 2;
        if (f->cap >= FACTS_MAX) {
            return diag_set(f->diag, CH_LIMIT, source, "policy.facts",
                            "the bundle says more than can be compared");
        }
        struct trial_fact *list = realloc(out->list, cap * sizeof *list);
        if (list == NULL) {
            return CH_NOMEM;
        }
        out->list = list;
        f->cap = cap;
    }
    out->list[out->n++] = (struct trial_fact){section, key, value, source, member};
    return CH_OK;
}

static const char *source_of(struct flat *f, const struct conf_node *n)
{
    return arena_printf(&f->out->arena, "%s:%u", conf_file(n), conf_line(n));
}

/* A scalar's text; durations in words, so that 24h and 1d are the same. */
static const char *scalar_text(struct flat *f, const struct conf_node *n)
{
    const char *text = "";
    int64_t seconds;
    if (conf_scalar(n, &text, NULL) != CH_OK) {
        return NULL;
    }
    if (!trial_words_duration_read(text, &seconds)) {
        return arena_str(&f->out->arena, slice_str(text));
    }
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, VALUE_MAX);
    return trial_words_duration(seconds, &b) != CH_OK ? NULL
                                                      : arena_str(&f->out->arena, buf_slice(&b));
}

/* A value inside a list, on one line: {key: value, key: [a, b]}. Keys in file order. */
static enum chancery_err render(struct flat *f, const struct conf_node *n, unsigned depth,
                                struct buf *out)
{
    bool map = conf_kind(n) == CONF_MAP;
    if (depth == 0) {
        return CH_LIMIT;
    }
    if (conf_kind(n) == CONF_SCALAR) {
        const char *text = scalar_text(f, n);
        return text == NULL ? CH_NOMEM : buf_add_str(out, text);
    }
    TRY(buf_add_str(out, map ? "{" : "["));
    for (size_t i = 0; i < conf_count(n); i++) {
        TRY(buf_add_str(out, i == 0 ? "" : ", "));
        if (map) {
            TRY(buf_printf(out, "%s: ", conf_key_at(n, i)));
        }
        TRY(render(f, conf_at(n, i), depth - 1, out));
    }
    return buf_add_str(out, map ? "}" : "]");
}

/* What names a row of a list: other rows may come and go before it. */
static const char *row_name(const struct conf_node *row)
{
    static const char *const keys[] = {"id", "name", "requester"};
    const char *text = NULL;
    for (size_t i = 0; i < 3 && conf_kind(row) == CONF_MAP; i++) {
        const struct conf_node *n = conf_get(row, keys[i]);
        if (conf_kind(n) == CONF_SCALAR && conf_scalar(n, &text, NULL) == CH_OK) {
            return text;
        }
    }
    return NULL;
}

static enum chancery_err flatten(struct flat *f, const char *section, const char *key,
                                 const struct conf_node *n, unsigned depth);

static enum chancery_err flatten_map(struct flat *f, const char *section, const char *key,
                                     const struct conf_node *n, unsigned depth)
{
    if (conf_count(n) == 0) {
        return add(f, section, key, "{}", source_of(f, n), false);
    }
    for (size_t i = 0; i < conf_count(n); i++) {
        const char *path = arena_printf(&f->out->arena, "%s%s%s", key, key[0] == '\0' ? "" : ".",
                                        conf_key_at(n, i));
        TRY(flatten(f, section, path, conf_at(n, i), depth - 1));
    }
    return CH_OK;
}

/* Rows without a name: each is a fact, and where there are several so is their order. */
static enum chancery_err flatten_list(struct flat *f, const char *section, const char *key,
                                      const struct conf_node *n, unsigned depth)
{
    struct buf order CLEANUP(buf_clear);
    bool rows = false;
    buf_init(&order, VALUE_MAX * 16);
    for (size_t i = 0; i < conf_count(n); i++) {
        const struct conf_node *row = conf_at(n, i);
        const char *name = row_name(row);
        struct buf text CLEANUP(buf_clear);
        buf_init(&text, VALUE_MAX);
        if (name != NULL) {
            const char *path = arena_printf(&f->out->arena, "%s[%s]", key, name);
            TRY(path == NULL ? CH_NOMEM : flatten_map(f, section, path, row, depth - 1));
            continue;
        }
        TRY(render(f, row, depth - 1, &text));
        TRY(add(f, section, key, arena_str(&f->out->arena, buf_slice(&text)), source_of(f, row),
                true));
        rows = rows || conf_kind(row) != CONF_SCALAR;
        TRY(rows ? buf_printf(&order, "%s%.*s", i == 0 ? "" : ", ", (int)text.len,
                              (const char *)text.ptr)
                 : CH_OK);
    }
    if (conf_count(n) == 0) {
        return add(f, section, key, "[]", source_of(f, n), false);
    }
    return !rows ? CH_OK
                 : add(f, section, arena_printf(&f->out->arena, "%s:order", key),
                       arena_str(&f->out->arena, buf_slice(&order)), source_of(f, n), false);
}

static enum chancery_err flatten(struct flat *f, const char *section, const char *key,
                                 const struct conf_node *n, unsigned depth)
{
    if (depth == 0) {
        return CH_LIMIT;
    }
    if (key == NULL) {
        return CH_NOMEM;
    }
    switch (conf_kind(n)) {
    case CONF_MAP:
        return flatten_map(f, section, key, n, depth);
    case CONF_LIST:
        return flatten_list(f, section, key, n, depth);
    case CONF_SCALAR:
        return add(f, section, key, scalar_text(f, n), source_of(f, n), false);
    case CONF_NONE:
    default:
        return CH_OK;
    }
}

/* ---- profiles and the bases under them ---- */

static const struct policy_file *base_file(const struct flat *f, const char *name)
{
    for (size_t i = 0; i < f->n_files; i++) {
        struct slice path = slice_str(f->files[i].path), want = slice_str(name);
        if (path.len == want.len + 11 && memcmp(path.ptr, "bases/", 6) == 0 &&
            memcmp(path.ptr + 6, want.ptr, want.len) == 0 &&
            memcmp(path.ptr + 6 + want.len, ".yaml", 5) == 0) {
            return &f->files[i];
        }
    }
    return NULL;
}

/* Inheritance works on a profile's keys and on those one level below: the part of a key that one
 * fact has to share with another to be replaced by it. */
static size_t inherited_part(const char *key)
{
    size_t first = strcspn(key, ".:[");
    return key[first] == '.' ? first + 1 + strcspn(key + first + 1, ".:[") : first;
}

static bool same_part(const char *a, const char *b)
{
    size_t n = inherited_part(a), m = inherited_part(b);
    return n == m && memcmp(a, b, n) == 0;
}

static bool never_inherited(const char *key)
{
    return strcmp(key, "name") == 0 || strcmp(key, "description") == 0 ||
           strcmp(key, "extends") == 0;
}

static bool is_issuer(const char *key)
{
    return strncmp(key, "issuer", 6) == 0 && (key[6] == '\0' || key[6] == 's');
}

/* Lays the facts from `own` on over those from `base` to `own`: what is replaced goes. */
static enum chancery_err lay_over(struct trial_facts *t, size_t base, size_t own)
{
    const char *parts[PARTS_MAX];
    size_t kept = base, n = 0;
    for (size_t i = own; i < t->n; i++) {
        if (n == 0 || !same_part(parts[n - 1], t->list[i].key)) {
            if (n == PARTS_MAX) {
                return CH_LIMIT;
            }
            parts[n++] = t->list[i].key;
        }
    }
    for (size_t i = base; i < t->n; i++) {
        bool gone = i < own && never_inherited(t->list[i].key);
        for (size_t k = 0; i < own && !gone && k < n; k++) {
            gone = same_part(t->list[i].key, parts[k]) ||
                   (is_issuer(t->list[i].key) && is_issuer(parts[k]));
        }
        if (!gone) {
            t->list[kept++] = t->list[i];
        }
    }
    t->n = kept;
    return CH_OK;
}

static enum chancery_err flatten_profile(struct flat *f, const char *section,
                                         const struct policy_file *file, unsigned depth)
{
    struct conf_doc *doc = NULL;
    const char *extends = NULL;
    size_t base = f->out->n;
    TRY(depth == 0 ? CH_LIMIT : conf_parse(file->path, file->content, &doc, f->diag));
    enum chancery_err err =
        conf_string(conf_root(doc), "extends", CONF_OPTIONAL, &extends, f->diag);
    const struct policy_file *under =
        err == CH_OK && extends != NULL ? base_file(f, extends) : NULL;
    if (err == CH_OK && under != NULL) {
        err = flatten_profile(f, section, under, depth - 1);
    }
    size_t own = f->out->n;
    if (err == CH_OK) {
        err = flatten(f, section, "", conf_root(doc), DEPTH_MAX);
    }
    if (err == CH_OK && under != NULL) {
        err = lay_over(f->out, base, own);
    }
    conf_free(doc);
    return err;
}

/* ---- other files ---- */

/* Each row of the list `key` is a section of its own: "officer alice". */
static enum chancery_err flatten_rows(struct flat *f, const struct conf_node *root, const char *key,
                                      const char *noun, const char *of)
{
    const struct conf_node *list = conf_get(root, key);
    for (size_t i = 0; i < conf_count(list); i++) {
        const struct conf_node *row = conf_at(list, i);
        const char *name = row_name(row);
        const char *section =
            arena_printf(&f->out->arena, "%s %s%s%s", noun, name == NULL ? "?" : name,
                         of[0] == '\0' ? "" : " in ", of);
        TRY(add(f, section, "exists", "yes", source_of(f, row), false));
        TRY(flatten(f, section, "", row, DEPTH_MAX));
    }
    return CH_OK;
}

static enum chancery_err flatten_tree(struct flat *f, const char *path,
                                      const struct conf_node *root)
{
    static const struct {
        const char *path, *list, *noun;
    } rows[] = {{"officers.yaml", "officers", "officer"},
                {"tenants.yaml", "tenants", "tenant"},
                {"bindings/", "bindings", "requester"}};
    const char *tenant = NULL, *section = path;
    for (size_t i = 0; i < 3; i++) {
        if (strncmp(path, rows[i].path, strlen(rows[i].path)) != 0) {
            continue;
        }
        TRY(conf_string(root, "tenant", CONF_OPTIONAL, &tenant, f->diag));
        TRY(flatten_rows(f, root, rows[i].list, rows[i].noun, tenant == NULL ? "" : tenant));
        for (size_t k = 0; k < conf_count(root); k++) {
            if (strcmp(conf_key_at(root, k), rows[i].list) != 0) {
                TRY(flatten(f, section, arena_str(&f->out->arena, slice_str(conf_key_at(root, k))),
                            conf_at(root, k), DEPTH_MAX));
            }
        }
        return CH_OK;
    }
    return flatten(f, strcmp(path, "bundle.yaml") == 0 ? "bundle" : section, "", root, DEPTH_MAX);
}

static enum chancery_err flatten_yaml(struct flat *f, const struct policy_file *file)
{
    struct conf_doc *doc = NULL;
    TRY(conf_parse(file->path, file->content, &doc, f->diag));
    const char *path = arena_str(&f->out->arena, slice_str(file->path));
    enum chancery_err err = path == NULL ? CH_NOMEM : flatten_tree(f, path, conf_root(doc));
    conf_free(doc);
    return err;
}

/* A list of lines: each that is no comment. */
static enum chancery_err flatten_lines(struct flat *f, const struct policy_file *file)
{
    struct slice rest = file->content;
    const char *section = arena_str(&f->out->arena, slice_str(file->path));
    for (unsigned line = 1; rest.len > 0; line++) {
        const uint8_t *end = memchr(rest.ptr, '\n', rest.len);
        size_t n = end == NULL ? rest.len : (size_t)(end - rest.ptr);
        struct slice text = slice_sub(rest, 0, n);
        rest = slice_sub(rest, n + 1, rest.len);
        while (text.len > 0 && (text.ptr[text.len - 1] == ' ' || text.ptr[text.len - 1] == '\r')) {
            text.len--;
        }
        if (text.len > 0 && text.ptr[0] != '#' &&
            !(text.len > 1 && memcmp(text.ptr, "//", 2) == 0)) {
            TRY(add(f, section, "entries",
                    slice_has_nul(text) ? "?" : arena_str(&f->out->arena, text),
                    arena_printf(&f->out->arena, "%s:%u", file->path, line), true));
        }
    }
    return CH_OK;
}

/* What is only read by people or by tests: changed or not. */
static enum chancery_err digest_fact(struct flat *f, const struct policy_file *file)
{
    uint8_t digest[32];
    char hex[65];
    crypto_sha256(file->content, digest);
    hex_encode(slice_of(digest, sizeof digest), hex);
    return add(f, arena_str(&f->out->arena, slice_str(file->path)), "content",
               arena_str(&f->out->arena, slice_str(hex)),
               arena_str(&f->out->arena, slice_str(file->path)), false);
}

static bool begins(const char *s, const char *head)
{
    return strncmp(s, head, strlen(head)) == 0;
}

static enum chancery_err flatten_file(struct flat *f, const struct policy_file *file)
{
    size_t n = strlen(file->path);
    bool yaml = n > 5 && strcmp(file->path + n - 5, ".yaml") == 0;
    if (begins(file->path, "bases/")) {
        return CH_OK; /* seen through the profiles that extend them */
    }
    if (begins(file->path, "tests/") || n < 4 || strcmp(file->path + n - 3, ".md") == 0) {
        return digest_fact(f, file);
    }
    if (begins(file->path, "profiles/") && yaml) {
        const char *section =
            arena_printf(&f->out->arena, "profile %.*s", (int)(n - 14), file->path + 9);
        TRY(add(f, section, "exists", "yes", arena_printf(&f->out->arena, "%s:1", file->path),
                false));
        return flatten_profile(f, section, file, BASES_DEPTH);
    }
    return yaml ? flatten_yaml(f, file) : flatten_lines(f, file);
}

static int by_place(const void *a, const void *b)
{
    const struct trial_fact *x = a, *y = b;
    int c = strcmp(x->section, y->section);
    c = c == 0 ? strcmp(x->key, y->key) : c;
    return c == 0 ? strcmp(x->value, y->value) : c;
}

static void sort(struct trial_facts *t)
{
    size_t kept = 0;
    if (t->n > 1) {
        qsort(t->list, t->n, sizeof *t->list, by_place);
    }
    for (size_t i = 0; i < t->n; i++) {
        if (kept == 0 || by_place(&t->list[kept - 1], &t->list[i]) != 0) {
            t->list[kept++] = t->list[i];
        }
    }
    t->n = kept;
}

enum chancery_err trial_facts_read(const struct policy_file *files, size_t n,
                                   struct trial_facts *out, struct diag *diag)
{
    struct flat f = {.out = out, .files = files, .n_files = n, .diag = diag};
    *out = (struct trial_facts){.n = 0};
    arena_init(&out->arena, MEMORY);
    for (size_t i = 0; i < n; i++) {
        enum chancery_err err = flatten_file(&f, &files[i]);
        if (err != CH_OK) {
            trial_facts_clear(out);
            return err;
        }
    }
    sort(out);
    return CH_OK;
}

void trial_facts_clear(struct trial_facts *f)
{
    free(f->list);
    arena_clear(&f->arena);
    *f = (struct trial_facts){.n = 0};
}

const struct trial_fact *trial_facts_find(const struct trial_facts *f, const char *section,
                                          const char *key, size_t *out_n)
{
    const struct trial_fact *first = NULL;
    *out_n = 0;
    for (size_t i = 0; i < f->n; i++) {
        if (strcmp(f->list[i].section, section) == 0 && strcmp(f->list[i].key, key) == 0) {
            first = first == NULL ? &f->list[i] : first;
            ++*out_n;
        }
    }
    return first;
}
