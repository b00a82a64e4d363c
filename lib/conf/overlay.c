/* One map laid over another: inheritance between files, one level of maps deep. */
#include <stdlib.h>

#include "conf/conf_int.h"

static int order_cmp(const void *a, const void *b, void *entries)
{
    const struct conf_entry *e = entries;
    return strcmp(e[*(const size_t *)a].key, e[*(const size_t *)b].key);
}

void conf_order(struct conf_node *n)
{
    for (size_t i = 0; i < n->n; i++) {
        n->order[i] = i;
    }
    if (n->n > 1) {
        qsort_r(n->order, n->n, sizeof *n->order, order_cmp, n->entries);
    }
}

const struct conf_entry *conf_twice(const struct conf_node *n)
{
    for (size_t i = 1; i < n->n; i++) {
        const struct conf_entry *x = &n->entries[n->order[i - 1]], *y = &n->entries[n->order[i]];
        if (strcmp(x->key, y->key) == 0) {
            return n->order[i] > n->order[i - 1] ? y : x;
        }
    }
    return NULL;
}

const struct conf_node *conf_beneath(const struct conf_node *n)
{
    return n == NULL ? NULL : n->beneath;
}

/* Like conf_get, without marking. */
static struct conf_entry *find(const struct conf_node *map, const char *key)
{
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        struct conf_entry *e = &map->entries[map->order[mid]];
        int c = strcmp(key, e->key);
        if (c == 0) {
            return e;
        }
        low = c > 0 ? mid + 1 : low;
        high = c < 0 ? mid : high;
    }
    return NULL;
}

static bool listed(const char *const *names, const char *key)
{
    for (; names != NULL && *names != NULL; names++) {
        if (strcmp(*names, key) == 0) {
            return true;
        }
    }
    return false;
}

/* A map that stands where `over` does, with room for the keys of both. */
static struct conf_node *merged_new(const struct conf_node *base, const struct conf_node *over)
{
    struct arena *arena = &over->doc->arena;
    struct conf_node *n = arena_alloc(arena, sizeof *n);
    struct conf_marks *marks = arena_alloc(arena, sizeof *marks);
    struct conf_entry *entries = arena_alloc(arena, (base->n + over->n) * sizeof *entries);
    size_t *order = arena_alloc(arena, (base->n + over->n) * sizeof *order);
    if (n == NULL || marks == NULL || entries == NULL || order == NULL) {
        return NULL;
    }
    *n = (struct conf_node){.doc = over->doc,
                            .kind = CONF_MAP,
                            .line = over->line,
                            .column = over->column,
                            .entries = entries,
                            .order = order,
                            .marks = marks,
                            .beneath = over->beneath};
    return n;
}

/* Recursion: two calls at most, `depth` is 1 at the top and 0 below. */
static enum chancery_err lay(const struct conf_node *base, const struct conf_node *over,
                             const char *const *own, unsigned depth, const struct conf_node **out)
{
    struct conf_node *n = merged_new(base, over);
    if (n == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < over->n; i++) {
        struct conf_entry *e = &n->entries[n->n++], *below;
        *e = over->entries[i];
        below = listed(own, e->key) ? NULL : find(base, e->key);
        if (depth > 0 && below != NULL && below->value->kind == CONF_MAP &&
            e->value->kind == CONF_MAP) {
            TRY(lay(below->value, e->value, NULL, depth - 1, &e->value));
        }
    }
    for (size_t i = 0; i < base->n; i++) {
        const struct conf_entry *e = &base->entries[i];
        if (!listed(own, e->key) && find(over, e->key) == NULL) {
            n->entries[n->n] = *e;
            n->entries[n->n++].taken = false;
            n->beneath = base;
        }
    }
    conf_order(n);
    *out = n;
    return CH_OK;
}

enum chancery_err conf_overlay(const struct conf_node *base, const struct conf_node *over,
                               const char *const *own, const struct conf_node **out,
                               struct diag *diag)
{
    const struct conf_node *const both[] = {over, base};
    for (size_t i = 0; i < 2; i++) {
        if (conf_kind(both[i]) != CONF_MAP) {
            return conf_error(both[i], CH_INVALID, "conf.type", diag,
                              "this must be a map (key: value)");
        }
    }
    return lay(base, over, own, 1, out);
}
