/* Sets of octet strings and prefixes, searched by what may begin with them: requesters, suffixes,
 * networks, prefixes of URIs all become keys of one kind.
 *
 * A key belongs to a numbered set and is exact (matches itself) or open (matches what begins with
 * it). All matches of a text are found by one binary search in its set, then by following links
 * from each match to the next shorter one. In a large set, exact keys are found by hash instead:
 * a search would wait for memory at each step. Built once, then immutable. */
#ifndef CHANCERY_POLICY_PREFIX_H
#define CHANCERY_POLICY_PREFIX_H

#include "base/bytes.h"

#define POLICY_PREFIX_NONE UINT32_MAX
#define POLICY_PREFIX_MAX ((size_t)1 << 20) /* keys of one index: a hundred per binding */

struct policy_prefix_entry {
    struct slice key;
    uint32_t set, value;
    uint32_t parent; /* the next match of whatever this one matches */
    uint32_t order;  /* of being added */
    bool open;
};

struct policy_prefix_new {
    struct policy_prefix_new *next;
    struct policy_prefix_entry e;
};

struct policy_prefix {
    struct policy_prefix_new *added;
    size_t n_added;
    const struct policy_prefix_entry *at; /* by set, key, open first, order of being added */
    size_t n;
    const uint32_t *from; /* set s is at[from[s] .. from[s + 1]) */
    size_t n_sets;
    const uint32_t *open;      /* places of open keys, in order */
    const uint32_t *open_from; /* those of set s are open[open_from[s] .. open_from[s + 1]) */
    const uint32_t *slots; /* exact keys by hash: place + 1 of the last of equal ones; 0: free */
    size_t n_slots;        /* a power of 2 */
};

/* policy_prefix_add copies a key into `arena` for the index to be made. CH_LIMIT, CH_NOMEM. */
enum chancery_err policy_prefix_add(struct policy_prefix *p, struct arena *arena, uint32_t set,
                                    struct slice key, bool open, uint32_t value) MUST_CHECK;
/* policy_prefix_seal makes the index of all that was added; sets are numbered below n_sets. With
 * `fold`, of equal keys only the first added stays; `folded` (NULL: not wanted) then holds for each
 * value the one that stayed in its place. */
enum chancery_err policy_prefix_seal(struct policy_prefix *p, struct arena *arena, size_t n_sets,
                                     bool fold, uint32_t *folded) MUST_CHECK;
/* policy_prefix_move puts what was added to set s into set to[s]. */
void policy_prefix_move(struct policy_prefix *p, const uint32_t *to);
/* policy_prefix_same says whether two entries have one key: then they match the same texts. */
bool policy_prefix_same(const struct policy_prefix_entry *a, const struct policy_prefix_entry *b);
/* policy_prefix_first gives the longest match of `text` in a set, POLICY_PREFIX_NONE when there is
 * none; at[that].parent is the next one, and so on: equal keys from the last to the first added,
 * then shorter ones. */
uint32_t policy_prefix_first(const struct policy_prefix *p, uint32_t set, struct slice text);

#endif
