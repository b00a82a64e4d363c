/* Verified promotions become a set of prepared bundles; takers read the set without a lock.
 *
 * A set sits in one of a few slots. A taker counts itself into the slot that is current, looks
 * whether it still is, and takes a reference on one item; then it counts itself out. The writer
 * fills a slot only when it is not current and nobody is counted in. */
#include "policy/life.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "policy/policy_int.h"

#define SLOTS 8 /* takers stay for nanoseconds: one free slot is always near */
#define FILES_MEMORY ((size_t)64 << 20)
#define LINKS_MEMORY ((size_t)64 << 20)
#define KEEP_S (POLICY_LIFE_GRACE_S + 2 * POLICY_LIFE_SKEW_S)

struct held { /* an item with its count; `item` is first: takers hold a pointer to it */
    struct policy_life_item item;
    atomic_uint refs;
};

struct set {
    size_t n;
    struct held *at[POLICY_LIFE_KEPT_MAX]; /* ascending by sequence */
};

struct slot {
    atomic_uint readers;
    struct set set;
};

struct policy_life {
    policy_life_prepare_fn *prepare;
    policy_life_release_fn *release;
    void *ctx;
    char *trust_domain;
    pthread_mutex_t lock; /* updates: everything below but slots and current */
    struct policy_chain chain;
    uint64_t refused; /* number of the promotion that did not verify, and its bundle; 0: none */
    uint8_t refused_sha256[32];
    uint64_t expected; /* the chain reaches this number, with this bundle there */
    uint8_t expected_sha256[32];
    struct set known; /* what the next set holds; payload NULL: not prepared yet */
    atomic_size_t current;
    struct slot slots[SLOTS];
};

static void unref(struct policy_life *l, struct held *h)
{
    if (h != NULL && atomic_fetch_sub(&h->refs, 1) == 1) {
        if (h->item.payload != NULL) {
            l->release(h->item.payload);
        }
        free(h);
    }
}

static void set_clear(struct policy_life *l, struct set *s)
{
    for (size_t i = 0; i < s->n; i++) {
        unref(l, s->at[i]);
    }
    s->n = 0;
}

/* ---- takers ---- */

/* When the item at `i` stops being in force: at the first coming of a higher number. */
static int64_t end_of(const struct set *s, size_t i)
{
    int64_t end = INT64_MAX;
    for (size_t k = i + 1; k < s->n; k++) {
        end = s->at[k]->item.not_before_s < end ? s->at[k]->item.not_before_s : end;
    }
    return end;
}

static struct held *in_force(const struct set *s, int64_t now_s)
{
    for (size_t i = s->n; i > 0; i--) {
        if (s->at[i - 1]->item.not_before_s <= now_s) {
            return s->at[i - 1];
        }
    }
    return NULL;
}

static struct held *near_force(const struct set *s, const uint8_t *named, int64_t now_s)
{
    for (size_t i = s->n; i > 0; i--) {
        const struct policy_life_item *it = &s->at[i - 1]->item;
        int64_t end = end_of(s, i - 1);
        if (memcmp(it->sha256, named, 32) == 0 && it->not_before_s < end &&
            it->not_before_s <= now_s + POLICY_LIFE_SKEW_S && end > now_s - POLICY_LIFE_GRACE_S) {
            return s->at[i - 1];
        }
    }
    return NULL;
}

const struct policy_life_item *policy_life_take(struct policy_life *l, const uint8_t *named,
                                                int64_t now_s)
{
    struct slot *slot;
    for (;;) {
        size_t at = atomic_load(&l->current);
        slot = &l->slots[at];
        atomic_fetch_add(&slot->readers, 1);
        if (atomic_load(&l->current) == at) {
            break;
        }
        atomic_fetch_sub(&slot->readers, 1);
    }
    struct held *h =
        named == NULL ? in_force(&slot->set, now_s) : near_force(&slot->set, named, now_s);
    if (h != NULL) {
        atomic_fetch_add(&h->refs, 1);
    }
    atomic_fetch_sub(&slot->readers, 1);
    return h == NULL ? NULL : &h->item;
}

void policy_life_drop(struct policy_life *l, const struct policy_life_item *item)
{
    unref(l, (struct held *)(uintptr_t)item);
}

/* ---- the writer ---- */

/* Puts what is known and prepared into a free slot and makes it current. Nobody waits: an old slot
 * gives its bundles back when it is filled the next time. */
static enum chancery_err publish(struct policy_life *l)
{
    size_t now = atomic_load(&l->current);
    for (size_t i = 0; i < SLOTS; i++) {
        if (i == now || atomic_load(&l->slots[i].readers) != 0) {
            continue;
        }
        struct set *s = &l->slots[i].set;
        set_clear(l, s);
        for (size_t k = 0; k < l->known.n; k++) {
            if (l->known.at[k]->item.payload != NULL) {
                atomic_fetch_add(&l->known.at[k]->refs, 1);
                s->at[s->n++] = l->known.at[k];
            }
        }
        atomic_store(&l->current, i);
        /* Sets that nobody reads any more let their bundles go. */
        for (size_t k = 0; k < SLOTS; k++) {
            if (k != i && atomic_load(&l->slots[k].readers) == 0) {
                set_clear(l, &l->slots[k].set);
            }
        }
        return CH_OK;
    }
    return CH_BUSY;
}

static struct held *held_new(uint64_t sequence, int64_t not_before_s, const uint8_t sha256[32])
{
    struct held *h = calloc(1, sizeof *h);
    if (h != NULL) {
        atomic_init(&h->refs, 1);
        h->item.sequence = sequence;
        h->item.not_before_s = not_before_s;
        memcpy(h->item.sha256, sha256, sizeof h->item.sha256);
    }
    return h;
}

static void forget(struct policy_life *l, size_t i)
{
    unref(l, l->known.at[i]);
    l->known.n--;
    memmove(&l->known.at[i], &l->known.at[i + 1], (l->known.n - i) * sizeof l->known.at[0]);
}

/* Forgets what is out of force for good; with `room`, the oldest when all places are taken. True
 * when something went. */
static bool forget_old(struct policy_life *l, int64_t now_s, bool room)
{
    size_t before = l->known.n;
    for (size_t i = 0; i < l->known.n;) {
        int64_t end = end_of(&l->known, i);
        if (end <= now_s - KEEP_S || end <= l->known.at[i]->item.not_before_s) {
            forget(l, i);
        } else {
            i++;
        }
    }
    if (room && l->known.n == POLICY_LIFE_KEPT_MAX) {
        forget(l, 0);
    }
    return l->known.n < before;
}

static enum chancery_err fetch(const struct policy_life_source *src, const uint8_t sha256[32],
                               struct arena *arena, struct policy_file **out, size_t *out_n,
                               struct diag *diag)
{
    uint8_t hash[32];
    enum chancery_err err = src->files(src->ctx, sha256, arena, out, out_n, diag);
    if (err == CH_NOT_FOUND) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.missing",
                        "the files of a promoted bundle are gone");
    }
    TRY(err);
    TRY(policy_files_hash(*out, *out_n, hash));
    if (memcmp(hash, sha256, sizeof hash) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.altered",
                        "the files are not those of the bundle that was promoted");
    }
    return CH_OK;
}

static enum chancery_err other_history(const struct policy_life *l, struct diag *diag)
{
    return diag_set(diag, CH_INTEGRITY, "promotion", "bundle.history",
                    "promotion %llu, on which this process has acted, is gone or another one",
                    (unsigned long long)l->expected);
}

/* Verifies one promotion and remembers it, not yet prepared. */
static enum chancery_err learn(struct policy_life *l, const struct policy_life_source *src,
                               const struct policy_link *link, int64_t now_s, struct diag *diag)
{
    CLEANUP(arena_clear) struct arena arena;
    struct policy_file *files = NULL;
    struct policy_bundle *b = NULL;
    size_t n = 0;
    arena_init(&arena, FILES_MEMORY);
    if (link->plan.sequence == l->expected &&
        memcmp(link->plan.bundle, l->expected_sha256, 32) != 0) {
        return other_history(l, diag);
    }
    TRY(fetch(src, link->plan.bundle, &arena, &files, &n, diag));
    TRY(policy_bundle_compile_officers(files, n, &b, diag));
    struct held *h = held_new(link->plan.sequence, link->not_before_s, link->plan.bundle);
    enum chancery_err err =
        h == NULL ? CH_NOMEM : policy_bundle_set_trust_domain(b, l->trust_domain);
    if (err == CH_OK) {
        err = policy_chain_extend(&l->chain, link, b, diag);
    }
    if (err != CH_OK) {
        policy_bundle_free(b);
        free(h);
        return err;
    }
    (void)forget_old(l, now_s, true);
    l->known.at[l->known.n++] = h;
    return CH_OK;
}

static enum chancery_err prepare(struct policy_life *l, const struct policy_file *files, size_t n,
                                 struct held *h, struct diag *diag)
{
    struct policy_bundle *b = NULL;
    TRY(policy_bundle_compile(files, n, &b, diag));
    enum chancery_err err = policy_bundle_set_trust_domain(b, l->trust_domain);
    if (err != CH_OK) {
        policy_bundle_free(b);
        return err;
    }
    return l->prepare(l->ctx, b, &h->item.payload, diag);
}

/* Compiles whatever is kept and has not been compiled; the first failure is told, the others are
 * tried all the same. */
static enum chancery_err prepare_known(struct policy_life *l, const struct policy_life_source *src,
                                       struct diag *diag)
{
    enum chancery_err first = CH_OK;
    for (size_t i = 0; i < l->known.n; i++) {
        CLEANUP(arena_clear) struct arena arena;
        struct policy_file *files = NULL;
        struct diag why = {.field = ""};
        size_t n = 0;
        arena_init(&arena, FILES_MEMORY);
        if (l->known.at[i]->item.payload != NULL) {
            continue;
        }
        enum chancery_err err = fetch(src, l->known.at[i]->item.sha256, &arena, &files, &n, &why);
        if (err == CH_OK) {
            err = prepare(l, files, n, l->known.at[i], &why);
        }
        if (err != CH_OK && first == CH_OK) {
            first = err;
            if (diag != NULL) {
                *diag = why;
            }
        }
    }
    return first;
}

static enum chancery_err learn_all(struct policy_life *l, const struct policy_life_source *src,
                                   int64_t now_s, bool *changed, struct diag *diag)
{
    for (;;) {
        CLEANUP(arena_clear) struct arena arena;
        struct policy_link *links = NULL;
        size_t n = 0;
        arena_init(&arena, LINKS_MEMORY);
        TRY(src->links(src->ctx, l->chain.last.sequence, &arena, &links, &n, diag));
        if (n == 0) {
            return l->chain.last.sequence < l->expected ? other_history(l, diag) : CH_OK;
        }
        for (size_t i = 0; i < n; i++) {
            enum chancery_err err = learn(l, src, &links[i], now_s, diag);
            if (err != CH_OK) {
                l->refused = links[i].plan.sequence;
                memcpy(l->refused_sha256, links[i].plan.bundle, sizeof l->refused_sha256);
                return err;
            }
            *changed = true;
        }
    }
}

static bool unprepared(const struct policy_life *l)
{
    for (size_t i = 0; i < l->known.n; i++) {
        if (l->known.at[i]->item.payload == NULL) {
            return true;
        }
    }
    return false;
}

enum chancery_err policy_life_update(struct policy_life *l, const struct policy_life_source *source,
                                     int64_t now_s, struct diag *diag)
{
    struct diag second = {.field = ""};
    bool changed = false;
    pthread_mutex_lock(&l->lock);
    l->refused = 0;
    enum chancery_err err = learn_all(l, source, now_s, &changed, diag), prepared = CH_OK;
    changed = forget_old(l, now_s, false) || changed;
    if (unprepared(l)) {
        prepared = prepare_known(l, source, &second);
        changed = true;
    }
    if (changed) {
        enum chancery_err published = publish(l);
        prepared = prepared == CH_OK ? published : prepared;
    }
    pthread_mutex_unlock(&l->lock);
    if (err == CH_OK && prepared != CH_OK && diag != NULL) {
        *diag = second;
    }
    return err == CH_OK ? prepared : err;
}

/* ---- the chain, for those who promote ---- */

uint64_t policy_life_end(struct policy_life *l, uint8_t out_sha256[32])
{
    pthread_mutex_lock(&l->lock);
    uint64_t sequence = l->chain.last.sequence;
    memcpy(out_sha256, policy_bundle_hash(l->chain.last.officers), 32);
    pthread_mutex_unlock(&l->lock);
    return sequence;
}

uint64_t policy_life_refused(struct policy_life *l, uint8_t out_sha256[32])
{
    pthread_mutex_lock(&l->lock);
    uint64_t sequence = l->refused;
    memcpy(out_sha256, l->refused_sha256, 32);
    pthread_mutex_unlock(&l->lock);
    return sequence;
}

bool policy_life_behind(struct policy_life *l, int64_t now_s)
{
    pthread_mutex_lock(&l->lock);
    uint64_t due = policy_chain_in_force(&l->chain, now_s)->sequence;
    bool shorter = l->chain.last.sequence < l->expected;
    pthread_mutex_unlock(&l->lock);
    if (shorter) {
        return true;
    }
    const struct policy_life_item *item = policy_life_take(l, NULL, now_s);
    if (item == NULL) {
        return true;
    }
    bool behind = item->sequence != due;
    policy_life_drop(l, item);
    return behind;
}

enum chancery_err policy_life_check(struct policy_life *l, const struct policy_link *link,
                                    const struct policy_bundle *successor,
                                    struct policy_promotion *report, struct diag *diag)
{
    pthread_mutex_lock(&l->lock);
    enum chancery_err err = policy_chain_check(&l->chain, link, successor, report, diag);
    pthread_mutex_unlock(&l->lock);
    return err;
}

void policy_life_next(struct policy_life *l, const uint8_t bundle[32], struct slice author,
                      int64_t now_s, struct policy_plan *out, int64_t *out_at_s)
{
    pthread_mutex_lock(&l->lock);
    int64_t last = l->chain.last.promoted_at_s;
    *out_at_s = now_s > last ? now_s : last;
    policy_chain_next(&l->chain, bundle, author, *out_at_s, out);
    pthread_mutex_unlock(&l->lock);
}

/* ---- marks: "<first bundle> <number> <its bundle>\n" ---- */

enum chancery_err policy_life_mark(struct policy_life *l, struct buf *out)
{
    char first[65], last[65];
    uint8_t sha256[32];
    uint64_t sequence = policy_life_end(l, sha256);
    hex_encode(slice_of(l->chain.first, 32), first);
    hex_encode(slice_of(sha256, 32), last);
    return buf_printf(out, "%s %llu %s\n", first, (unsigned long long)sequence, last);
}

/* A number of up to 18 digits and the blank after it. */
static bool mark_number(struct slice *rest, uint64_t *out)
{
    size_t i = 0;
    uint64_t v = 0;
    while (i < rest->len && i < 18 && rest->ptr[i] >= '0' && rest->ptr[i] <= '9') {
        v = v * 10 + (uint64_t)(rest->ptr[i++] - '0');
    }
    if (i == 0 || i == rest->len || rest->ptr[i] != ' ') {
        return false;
    }
    *rest = slice_sub(*rest, i + 1, rest->len);
    *out = v;
    return true;
}

enum chancery_err policy_life_expect(struct policy_life *l, struct slice line, struct diag *diag)
{
    uint8_t first[32], last[32];
    size_t n = 0, m = 0;
    uint64_t sequence = 0;
    if (line.len == 0) {
        return CH_OK;
    }
    struct slice rest = slice_sub(line, 65, line.len);
    if (hex_decode(slice_sub(line, 0, 64), first, sizeof first, &n) != CH_OK || n != 32 ||
        line.len < 66 || line.ptr[64] != ' ' || !mark_number(&rest, &sequence) || rest.len != 65 ||
        rest.ptr[64] != '\n' ||
        hex_decode(slice_sub(rest, 0, 64), last, sizeof last, &m) != CH_OK || m != 32) {
        return diag_set(diag, CH_MALFORMED, "bundle", "bundle.mark",
                        "the mark of the last promotion does not read");
    }
    pthread_mutex_lock(&l->lock);
    if (memcmp(first, l->chain.first, sizeof first) == 0) {
        l->expected = sequence;
        memcpy(l->expected_sha256, last, sizeof last);
    }
    pthread_mutex_unlock(&l->lock);
    return CH_OK;
}

/* ---- life and end ---- */

static enum chancery_err open_first(struct policy_life *l, const struct policy_life_opts *o,
                                    struct diag *diag)
{
    struct policy_bundle *first = NULL;
    TRY(policy_bundle_compile_officers(o->files, o->n_files, &first, diag));
    policy_chain_init(&l->chain, first);
    if (policy_bundle_set_trust_domain(first, l->trust_domain) != CH_OK) {
        return diag_set(diag, CH_INVALID, "trust_domain", "bundle.trust_domain",
                        "the trust domain is not a domain name");
    }
    struct held *h = held_new(0, INT64_MIN, l->chain.first);
    if (h == NULL) {
        return CH_NOMEM;
    }
    l->known.at[l->known.n++] = h;
    TRY(prepare(l, o->files, o->n_files, h, diag));
    return publish(l);
}

enum chancery_err policy_life_new(const struct policy_life_opts *opts, struct policy_life **out,
                                  struct diag *diag)
{
    struct policy_life *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return CH_NOMEM;
    }
    l->prepare = opts->prepare;
    l->release = opts->release;
    l->ctx = opts->ctx;
    pthread_mutex_init(&l->lock, NULL);
    l->trust_domain = strdup(opts->trust_domain);
    enum chancery_err err = l->trust_domain == NULL ? CH_NOMEM : open_first(l, opts, diag);
    if (err != CH_OK) {
        policy_life_free(l);
        return err;
    }
    *out = l;
    return CH_OK;
}

void policy_life_free(struct policy_life *l)
{
    if (l == NULL) {
        return;
    }
    for (size_t i = 0; i < SLOTS; i++) {
        set_clear(l, &l->slots[i].set);
    }
    set_clear(l, &l->known);
    policy_chain_clear(&l->chain);
    pthread_mutex_destroy(&l->lock);
    free(l->trust_domain);
    free(l);
}
