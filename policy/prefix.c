/* The index of prefixes. */
#include "policy/prefix.h"

#include <stdlib.h>

#define SMALL_SET 32 /* keys that a binary search finds sooner than a hash */

enum chancery_err policy_prefix_add(struct policy_prefix *p, struct arena *arena, uint32_t set,
                                    struct slice key, bool open, uint32_t value)
{
    if (p->n_added == POLICY_PREFIX_MAX) {
        return CH_LIMIT;
    }
    struct policy_prefix_new *n = arena_alloc(arena, sizeof *n);
    uint8_t *copy = arena_copy(arena, key);
    if (n == NULL || copy == NULL) {
        return CH_NOMEM;
    }
    n->e = (struct policy_prefix_entry){.key = slice_of(copy, key.len),
                                        .set = set,
                                        .value = value,
                                        .order = (uint32_t)p->n_added++,
                                        .open = open};
    n->next = p->added;
    p->added = n;
    return CH_OK;
}

static int by_key(const void *a, const void *b)
{
    const struct policy_prefix_entry *x = a, *y = b;
    if (x->set != y->set) {
        return x->set < y->set ? -1 : 1;
    }
    int c = slice_cmp(x->key, y->key);
    if (c != 0) {
        return c;
    }
    return x->open != y->open ? (x->open ? -1 : 1) : (x->order < y->order ? -1 : 1);
}

static bool begins(struct slice text, struct slice key)
{
    return text.len >= key.len && (key.len == 0 || memcmp(text.ptr, key.ptr, key.len) == 0);
}

bool policy_prefix_same(const struct policy_prefix_entry *a, const struct policy_prefix_entry *b)
{
    return a->set == b->set && a->open == b->open && slice_eq(a->key, b->key);
}

/* Every open key that begins `e->key` is found from the entry before it by parents: what stands
 * between the two in order begins with it as well. */
static void link_parents(struct policy_prefix_entry *at, size_t n)
{
    uint32_t top = POLICY_PREFIX_NONE; /* innermost open key so far; its parent is the next one */
    for (size_t i = 0; i < n; i++) {
        struct policy_prefix_entry *e = &at[i];
        while (top != POLICY_PREFIX_NONE &&
               (at[top].set != e->set || !begins(e->key, at[top].key))) {
            top = at[top].parent;
        }
        e->parent = i > 0 && policy_prefix_same(&at[i - 1], e) ? (uint32_t)(i - 1) : top;
        top = e->open ? (uint32_t)i : top;
    }
}

static size_t fold_keys(struct policy_prefix_entry *at, size_t n, uint32_t *folded)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !policy_prefix_same(&at[kept - 1], &at[i])) {
            at[kept++] = at[i];
        }
        if (folded != NULL) {
            folded[at[i].value] = at[kept - 1].value;
        }
    }
    return kept;
}

/* FNV-1a over set and key. The keys are the bundle's, so nobody picks them to collide. */
static uint64_t hash_of(uint32_t set, struct slice key)
{
    uint64_t h = (0xcbf29ce484222325U ^ set) * 0x100000001b3U;
    for (size_t i = 0; i < key.len; i++) {
        h = (h ^ key.ptr[i]) * 0x100000001b3U;
    }
    return h ^ h >> 32;
}

/* The slot of an exact key: where it is, or the free one where it would be. */
static size_t slot_of(const struct policy_prefix *p, const uint32_t *slots, uint32_t set,
                      struct slice key)
{
    size_t i = (size_t)hash_of(set, key) & (p->n_slots - 1);
    for (; slots[i] != 0; i = (i + 1) & (p->n_slots - 1)) {
        const struct policy_prefix_entry *e = &p->at[slots[i] - 1];
        if (e->set == set && slice_eq(e->key, key)) {
            break;
        }
    }
    return i;
}

static enum chancery_err make_tables(struct policy_prefix *p, struct arena *arena)
{
    size_t n_slots = 2;
    while (n_slots < p->n * 2) {
        n_slots *= 2;
    }
    uint32_t *slots = arena_alloc(arena, n_slots * sizeof *slots);
    uint32_t *open = arena_alloc(arena, (p->n + 1) * sizeof *open);
    uint32_t *from = arena_alloc(arena, (p->n_sets + 1) * sizeof *from);
    uint32_t *open_from = arena_alloc(arena, (p->n_sets + 1) * sizeof *open_from);
    if (slots == NULL || open == NULL || from == NULL || open_from == NULL) {
        return CH_NOMEM;
    }
    p->n_slots = n_slots;
    size_t n = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct policy_prefix_entry *e = &p->at[i];
        from[e->set + 1]++;
        if (e->open) {
            open[n++] = (uint32_t)i;
            open_from[e->set + 1]++;
        } else {
            slots[slot_of(p, slots, e->set, e->key)] = (uint32_t)(i + 1);
        }
    }
    for (size_t s = 0; s < p->n_sets; s++) {
        from[s + 1] += from[s];
        open_from[s + 1] += open_from[s];
    }
    p->open_from = open_from;
    p->slots = slots;
    p->open = open;
    p->from = from;
    return CH_OK;
}

enum chancery_err policy_prefix_seal(struct policy_prefix *p, struct arena *arena, size_t n_sets,
                                     bool fold, uint32_t *folded)
{
    size_t n = p->n_added;
    struct policy_prefix_entry *at = arena_alloc(arena, (n + 1) * sizeof *at);
    if (at == NULL) {
        return CH_NOMEM;
    }
    struct policy_prefix_new *x = p->added;
    for (size_t i = n; i > 0; i--, x = x->next) {
        at[i - 1] = x->e;
    }
    qsort(at, n, sizeof *at, by_key);
    n = fold ? fold_keys(at, n, folded) : n;
    link_parents(at, n);
    *p = (struct policy_prefix){.at = at, .n = n, .n_sets = n_sets};
    return make_tables(p, arena);
}

void policy_prefix_move(struct policy_prefix *p, const uint32_t *to)
{
    for (struct policy_prefix_new *x = p->added; x != NULL; x = x->next) {
        x->e.set = to[x->e.set];
    }
}

/* The last key of a small set that is not after text. */
static uint32_t before(const struct policy_prefix *p, uint32_t set, struct slice text)
{
    size_t start = p->from[set], low = start, high = p->from[set + 1];
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (slice_cmp(p->at[mid].key, text) <= 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low == start ? POLICY_PREFIX_NONE : (uint32_t)(low - 1);
}

/* The last open key of a set that is not after text. */
static uint32_t open_before(const struct policy_prefix *p, uint32_t set, struct slice text)
{
    size_t start = p->open_from[set], low = start, high = p->open_from[set + 1];
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (slice_cmp(p->at[p->open[mid]].key, text) <= 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low == start ? POLICY_PREFIX_NONE : p->open[low - 1];
}

uint32_t policy_prefix_first(const struct policy_prefix *p, uint32_t set, struct slice text)
{
    if (set >= p->n_sets) {
        return POLICY_PREFIX_NONE;
    }
    uint32_t i = POLICY_PREFIX_NONE;
    if (p->from[set + 1] - p->from[set] <= SMALL_SET) {
        i = before(p, set, text);
    } else {
        uint32_t exact = p->slots[slot_of(p, p->slots, set, text)];
        i = exact != 0 ? exact - 1 : open_before(p, set, text);
    }
    while (i != POLICY_PREFIX_NONE) {
        const struct policy_prefix_entry *e = &p->at[i];
        if (e->open ? begins(text, e->key) : slice_eq(text, e->key)) {
            return i;
        }
        i = e->parent;
    }
    return POLICY_PREFIX_NONE;
}
