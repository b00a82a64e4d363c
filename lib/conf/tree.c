/* Walking the tree, errors at a node, and the report of keys that nobody asked for. */
#include <stdio.h>

#include "conf/conf_int.h"

const struct conf_node *conf_root(const struct conf_doc *doc)
{
    return doc->root;
}

enum conf_kind conf_kind(const struct conf_node *n)
{
    return n == NULL ? CONF_NONE : n->kind;
}

unsigned conf_line(const struct conf_node *n)
{
    return n == NULL ? 0 : n->line;
}

unsigned conf_column(const struct conf_node *n)
{
    return n == NULL ? 0 : n->column;
}

const char *conf_file(const struct conf_node *n)
{
    return n == NULL ? "" : n->doc->name;
}

/* Remembers an absent name that a reader knows, for suggestions. Losing one does no harm. */
static void remember(const struct conf_node *map, const char *key)
{
    for (const struct conf_asked *a = map->marks->asked; a != NULL; a = a->next) {
        if (strcmp(a->key, key) == 0) {
            return;
        }
    }
    struct conf_asked *a = NULL;
    if (map->marks->n_asked < CONF_ASKED_MAX) {
        a = arena_alloc(&map->doc->arena, sizeof *a);
    }
    char *copy = a == NULL ? NULL : arena_str(&map->doc->arena, slice_str(key));
    if (copy != NULL) {
        *a = (struct conf_asked){copy, map->marks->asked};
        map->marks->asked = a;
        map->marks->n_asked++;
    }
}

const struct conf_node *conf_get(const struct conf_node *map, const char *key)
{
    if (conf_kind(map) != CONF_MAP) {
        return NULL;
    }
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct conf_entry *e = &map->entries[map->order[mid]];
        int c = strcmp(key, e->key);
        if (c == 0) {
            e->taken = true;
            return e->value;
        }
        if (c < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    remember(map, key);
    return NULL;
}

size_t conf_count(const struct conf_node *n)
{
    return n == NULL ? 0 : n->n;
}

const struct conf_node *conf_at(const struct conf_node *n, size_t i)
{
    if (i >= conf_count(n)) {
        return NULL;
    }
    n->entries[i].taken = true;
    return n->entries[i].value;
}

const char *conf_key_at(const struct conf_node *map, size_t i)
{
    if (conf_kind(map) != CONF_MAP || i >= map->n) {
        return NULL;
    }
    map->entries[i].taken = true;
    return map->entries[i].key;
}

enum chancery_err conf_error(const struct conf_node *n, enum chancery_err err, const char *rule,
                             struct diag *diag, const char *fmt, ...)
{
    char field[96], text[320];
    (void)snprintf(field, sizeof field, "%s:%u:%u", conf_file(n), conf_line(n), conf_column(n));
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    return diag_set(diag, err, field, rule, "%s", text);
}

/* ---- unknown keys ---- */

#define NAME_MAX_COMPARED 40 /* longer names get no suggestion */

/* Levenshtein distance; both at most NAME_MAX_COMPARED long. */
static size_t distance(const char *a, const char *b)
{
    size_t row[NAME_MAX_COMPARED + 1];
    size_t n = strlen(b);
    for (size_t j = 0; j <= n; j++) {
        row[j] = j;
    }
    for (size_t i = 1; a[i - 1] != '\0'; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t best = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row[j];
            best = row[j] + 1 < best ? row[j] + 1 : best;
            row[j] = row[j - 1] + 1 < best ? row[j - 1] + 1 : best;
        }
    }
    return row[n];
}

/* Candidates: names that readers know and this file does not have: absent ones, and of a merged map
 * those that came from another file. */
static const char *nearest(const struct conf_node *map, const struct conf_entry *e)
{
    const char *best = NULL;
    size_t best_d = strlen(e->key) / 3 + 1, d;
    if (strlen(e->key) > NAME_MAX_COMPARED) {
        return NULL;
    }
    for (const struct conf_asked *a = map->marks->asked; a != NULL; a = a->next) {
        if (strlen(a->key) <= NAME_MAX_COMPARED && (d = distance(e->key, a->key)) <= best_d) {
            best = a->key;
            best_d = d;
        }
    }
    for (size_t i = 0; map->beneath != NULL && i < map->n; i++) {
        const struct conf_entry *other = &map->entries[i];
        if (other->taken && other->value->doc != e->value->doc &&
            strlen(other->key) <= NAME_MAX_COMPARED &&
            (d = distance(e->key, other->key)) <= best_d) {
            best = other->key;
            best_d = d;
        }
    }
    return best;
}

static enum chancery_err unknown(const struct conf_node *map, const struct conf_entry *e,
                                 struct diag *diag)
{
    /* Of a merged map, the key may stand in the base's file. */
    struct conf_node at = {.doc = e->value->doc, .line = e->line, .column = e->column};
    const char *hint = nearest(map, e);
    if (hint != NULL) {
        return conf_error(&at, CH_INVALID, "conf.unknown", diag,
                          "unknown key \"%.64s\"; did you mean \"%s\"?", e->key, hint);
    }
    return conf_error(&at, CH_INVALID, "conf.unknown", diag, "unknown key \"%.64s\"", e->key);
}

/* Recursion is bounded by CONF_DEPTH_MAX. */
enum chancery_err conf_finish(const struct conf_node *n, struct diag *diag)
{
    for (size_t i = 0; i < conf_count(n); i++) {
        const struct conf_entry *e = &n->entries[i];
        if (n->kind == CONF_MAP && !e->taken) {
            return unknown(n, e, diag);
        }
        TRY(conf_finish(e->value, diag));
    }
    return CH_OK;
}
