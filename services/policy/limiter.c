/* Batches of asks: which scopes they need, from memory when leased tokens are enough, else with one
 * statement. */
#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#include "limiter_int.h"
#include "os/os.h"

#define LOCK_WAIT_S 3  /* behind other batches, whose statements are bounded by the pool */
#define AWAY_MS 1000   /* after a failure batches are turned away without asking again */
#define CONFLICTS 5    /* a deadlock, or a scope removed as unused: the next try sees it */
#define TIDY_MS 600000 /* scopes that nothing is known of cost only room */
#define KEY_MAX 1024   /* as the table */
#define NS_PER_S 1000000000LL

struct policy_limiter {
    struct policy_limiter_opts opts;
    uint8_t holder[16];
    pthread_mutex_t lock; /* one batch at a time; guards the rest */
    struct policy_purse *purse;
    int64_t away_until_ms, tidy_at_ms;
};

enum chancery_err policy_limiter_new(const struct policy_limiter_opts *opts,
                                     struct policy_limiter **out)
{
    struct policy_limiter *l = calloc(1, sizeof *l);
    if (l == NULL || policy_purse_new(&l->purse) != CH_OK) {
        free(l);
        return CH_NOMEM;
    }
    l->opts = *opts;
    memcpy(l->holder, opts->holder, sizeof l->holder);
    l->opts.lease_ms = opts->lease_ms == 0 ? POLICY_LEASE_MS : opts->lease_ms;
    l->opts.mono_ms = opts->mono_ms == NULL ? os_mono_ms : opts->mono_ms;
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return CH_OK;
}

void policy_limiter_free(struct policy_limiter *l)
{
    if (l != NULL) {
        pthread_mutex_destroy(&l->lock);
        policy_purse_free(l->purse);
        free(l);
    }
}

struct db_pool *policy_limiter_db(const struct policy_limiter *l)
{
    return l->opts.db;
}

const uint8_t *policy_limiter_holder(const struct policy_limiter *l)
{
    return l->holder;
}

/* ---- scopes of a batch ---- */

/* A twentieth of a minute's tokens, and no more than an eighth of the bucket: leases of several
 * instances must leave something in it. Below two the bucket is asked each time. */
static int64_t block_of(const struct policy_limit *limit)
{
    int64_t minute = limit->interval_ns == 0 ? 0 : 60 * NS_PER_S / limit->interval_ns;
    int64_t block = minute / 20 < limit->burst / 8 ? minute / 20 : limit->burst / 8;
    return block < 2 ? 0 : block;
}

static enum chancery_err key_of(enum policy_scope kind, const struct permit_request *r,
                                struct arena *arena, struct slice *out)
{
    static const char *const names[POLICY_SCOPES] = {[POLICY_SCOPE_REQUESTER] = "requester",
                                                     [POLICY_SCOPE_PROFILE] = "profile",
                                                     [POLICY_SCOPE_TENANT_REQUESTER] =
                                                         "tenant_requester",
                                                     [POLICY_SCOPE_TENANT] = "tenant"};
    bool tenant = kind == POLICY_SCOPE_TENANT || kind == POLICY_SCOPE_TENANT_REQUESTER;
    bool requester = kind == POLICY_SCOPE_REQUESTER || kind == POLICY_SCOPE_TENANT_REQUESTER;
    struct slice group = tenant ? r->tenant : r->profile;
    struct slice who = requester ? r->requester : slice_of(NULL, 0);
    const char *key = arena_printf(arena, "%s\n%.*s\n%.*s", names[kind], (int)group.len,
                                   group.len == 0 ? "" : (const char *)group.ptr, (int)who.len,
                                   who.len == 0 ? "" : (const char *)who.ptr);
    if (key == NULL) {
        return CH_NOMEM;
    }
    *out = slice_str(key);
    return out->len <= KEY_MAX ? CH_OK : CH_LIMIT;
}

static size_t scope_add(struct limits_batch *b, struct slice key, const struct policy_limit *limit)
{
    for (size_t i = 0; i < b->n_scopes; i++) {
        if (slice_eq(b->scopes[i].key, key)) {
            return i;
        }
    }
    b->scopes[b->n_scopes] =
        (struct limits_scope){.key = key, .limit = limit, .block = block_of(limit)};
    return b->n_scopes++;
}

static enum chancery_err item_scopes(struct limits_batch *b, struct policy_ask *ask, size_t item,
                                     struct arena *arena)
{
    struct limits_item *i = &b->items[item];
    for (enum policy_scope kind = 0; kind < POLICY_SCOPES; kind++) {
        const struct policy_limit *limit = ask->limits->scopes[kind];
        struct slice key;
        if (limit == NULL) {
            continue;
        }
        TRY(key_of(kind, ask->request, arena, &key));
        size_t scope = scope_add(b, key, limit);
        b->pairs[b->n_pairs++] = (struct limits_pair){item, scope, kind};
        if (limit->interval_ns > 0) {
            b->scopes[scope].need++;
            if (b->scopes[scope].block == 0 && i->record == LIMITS_RECORD_NOTHING) {
                i->record = LIMITS_RECORD_CHARGE; /* exact, also when another instance is asked */
            }
        }
    }
    return CH_OK;
}

static void lock_add(struct limits_batch *b, const uint8_t *digest)
{
    b->locks[b->n_locks++] = (int32_t)((uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 |
                                       (uint32_t)digest[2] << 8 | digest[3]);
}

static int by_number(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return x < y ? -1 : x > y;
}

static void sort_locks(struct limits_batch *b)
{
    size_t kept = 0;
    qsort(b->locks, b->n_locks, sizeof *b->locks, by_number);
    for (size_t i = 0; i < b->n_locks; i++) {
        if (i == 0 || b->locks[i] != b->locks[kept - 1]) {
            b->locks[kept++] = b->locks[i];
        }
    }
    b->n_locks = kept;
}

static int by_key(const void *a, const void *b, void *ctx)
{
    const struct limits_batch *batch = ctx;
    return slice_cmp(batch->scopes[*(const size_t *)a].key, batch->scopes[*(const size_t *)b].key);
}

/* Rows are locked in the order of their keys. */
static enum chancery_err sort_scopes(struct limits_batch *b, struct arena *arena)
{
    size_t order[LIMITS_SCOPES_MAX], place[LIMITS_SCOPES_MAX];
    struct limits_scope *sorted = arena_alloc(arena, (b->n_scopes + 1) * sizeof *sorted);
    if (sorted == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_scopes; i++) {
        order[i] = i;
    }
    qsort_r(order, b->n_scopes, sizeof *order, by_key, b);
    for (size_t i = 0; i < b->n_scopes; i++) {
        sorted[i] = b->scopes[order[i]];
        place[order[i]] = i;
    }
    memcpy(b->scopes, sorted, b->n_scopes * sizeof *sorted);
    for (size_t i = 0; i < b->n_pairs; i++) {
        b->pairs[i].scope = place[b->pairs[i].scope];
    }
    return CH_OK;
}

/* The same request twice in one batch is nobody's honest batch: the second gets nothing. */
static bool asked_before(const struct limits_batch *b, const struct policy_ask *ask)
{
    for (size_t i = 0; i < b->n_items; i++) {
        if (memcmp(b->items[i].ask->digest, ask->digest, 32) == 0) {
            return true;
        }
    }
    return false;
}

static void usage_set(struct policy_ask *ask, bool granted)
{
    ask->usage = (struct policy_usage){.state = POLICY_USAGE_KNOWN, .recorded = granted};
    for (size_t i = 0; i < POLICY_SCOPES; i++) {
        ask->usage.scopes[i] = (struct policy_scope_usage){granted, granted ? 0 : 1, 0};
    }
}

static enum chancery_err add_item(struct policy_limiter *l, struct limits_batch *b,
                                  struct policy_ask *ask, int64_t now_ms, struct arena *arena)
{
    bool counts = ask->limits->counts;
    usage_set(ask, false);
    if (asked_before(b, ask)) {
        return CH_OK;
    }
    if (!counts && policy_purse_knows(l->purse, ask->digest, now_ms)) {
        usage_set(ask, true); /* paid before */
        return CH_OK;
    }
    struct limits_item *i = &b->items[b->n_items];
    *i = (struct limits_item){.ask = ask,
                              .record = counts ? LIMITS_RECORD_COUNT : LIMITS_RECORD_NOTHING};
    TRY(policy_limits_names(ask->request, i->names));
    TRY(item_scopes(b, ask, b->n_items, arena));
    b->n_items++;
    if (i->record != LIMITS_RECORD_NOTHING) {
        lock_add(b, ask->digest);
    }
    if (ask->limits->profile->duplicates_refused) {
        lock_add(b, i->names);
    }
    if (ask->limits->profile->key_reuse != POLICY_KEY_ALLOW) {
        lock_add(b, ask->request->spki_sha256.ptr);
    }
    return CH_OK;
}

/* ---- from memory, or with one statement ---- */

/* Whether leased tokens are enough for all of it; fills what is there. */
static bool have_all(struct policy_limiter *l, struct limits_batch *b, int64_t now_ms)
{
    bool enough = true;
    for (size_t i = 0; i < b->n_items; i++) {
        enough = enough && b->items[i].record == LIMITS_RECORD_NOTHING;
    }
    for (size_t i = 0; i < b->n_scopes; i++) {
        struct limits_scope *s = &b->scopes[i];
        if (s->block > 0 && !policy_purse_room(l->purse, s->key)) {
            s->block = 0;
        }
        s->have = s->block > 0 ? policy_purse_have(l->purse, s->key, now_ms) : 0;
        enough = enough && s->have >= s->need && (s->block > 0 || s->limit->interval_ns == 0);
    }
    return enough;
}

/* A scope's tokens keep the end of the lease they came with. */
static void spend(struct policy_limiter *l, struct limits_batch *b)
{
    for (size_t i = 0; i < b->n_scopes && !b->dry; i++) {
        policy_purse_take(l->purse, b->scopes[i].key, b->scopes[i].need);
    }
    for (size_t i = 0; i < b->n_items; i++) {
        usage_set(b->items[i].ask, true);
    }
}

static enum chancery_err ask_database(struct policy_limiter *l, struct limits_batch *b,
                                      int64_t now_ms, struct diag *diag)
{
    enum chancery_err err = CH_CONFLICT;
    if (now_ms < l->away_until_ms) {
        return diag_set(diag, CH_UNAVAILABLE, "limits", "policy.limits",
                        "the database that limits are counted in is away; retry");
    }
    for (int i = 0; i < CONFLICTS && err == CH_CONFLICT; i++) {
        err = policy_limiter_store_admit(l->opts.db, l->holder, l->opts.lease_ms, b, diag);
    }
    if (b->dry) {
        return err;
    }
    for (size_t i = 0; i < b->n_scopes; i++) {
        const struct limits_scope *s = &b->scopes[i];
        if (s->block > 0) { /* after a failure nobody knows what is left: nothing */
            int64_t until = now_ms + l->opts.lease_ms - POLICY_LEASE_MARGIN_MS;
            (void)policy_purse_set(l->purse, s->key, s->limit->interval_ns,
                                   err == CH_OK ? s->have : 0, until);
        }
    }
    if (err != CH_OK) {
        l->away_until_ms = err == CH_CONFLICT ? 0 : now_ms + AWAY_MS;
    }
    return err;
}

static enum chancery_err run(struct policy_limiter *l, struct limits_batch *b,
                             struct policy_ask *asks, size_t n, struct arena *arena,
                             struct diag *diag)
{
    int64_t now_ms = l->opts.mono_ms();
    for (size_t i = 0; i < n; i++) {
        TRY(add_item(l, b, &asks[i], now_ms, arena));
    }
    TRY(sort_scopes(b, arena));
    sort_locks(b);
    if (have_all(l, b, now_ms)) {
        spend(l, b);
    } else {
        TRY(ask_database(l, b, now_ms, diag));
    }
    for (size_t i = 0; i < b->n_items && !b->dry; i++) {
        const struct policy_ask *ask = b->items[i].ask;
        if (b->items[i].record == LIMITS_RECORD_NOTHING && ask->usage.recorded) {
            policy_purse_learn(l->purse, ask->digest, now_ms);
        }
    }
    return CH_OK;
}

static bool lock_soon(struct policy_limiter *l)
{
    struct timespec until;
    if (clock_gettime(CLOCK_REALTIME, &until) != 0) {
        return false;
    }
    until.tv_sec += LOCK_WAIT_S;
    return pthread_mutex_timedlock(&l->lock, &until) == 0;
}

enum chancery_err policy_limiter_admit(struct policy_limiter *l, struct policy_ask *asks, size_t n,
                                       int64_t now_s, int64_t expires_s, bool dry,
                                       struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear);
    arena_init(&arena, 0);
    struct limits_batch *b = n > PERMIT_BATCH_MAX ? NULL : arena_alloc(&arena, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    *b = (struct limits_batch){.dry = dry, .now_s = now_s, .expires_s = expires_s};
    if (!lock_soon(l)) {
        return diag_set(diag, CH_UNAVAILABLE, "limits", "policy.limits",
                        "other batches wait for the database; retry");
    }
    enum chancery_err err = run(l, b, asks, n, &arena, diag);
    pthread_mutex_unlock(&l->lock);
    /* Whatever the database says: nothing is permitted, and all of it may be asked again. */
    return err == CH_OK || err == CH_NOMEM ? err : CH_UNAVAILABLE;
}

/* ---- now and then ---- */

static void add_rest(void *ctx, struct slice key, int64_t interval_ns, int64_t tokens)
{
    struct limits_rest *r = ctx;
    r->keys[r->n] = key;
    r->intervals[r->n] = interval_ns;
    r->tokens[r->n++] = tokens;
}

void policy_limiter_give_back(struct policy_limiter *l)
{
    struct arena arena CLEANUP(arena_clear);
    arena_init(&arena, 0);
    struct limits_rest r = {.keys = arena_alloc(&arena, LIMITS_PURSES_MAX * sizeof *r.keys),
                            .intervals = arena_alloc(&arena, LIMITS_PURSES_MAX * 8),
                            .tokens = arena_alloc(&arena, LIMITS_PURSES_MAX * 8)};
    if (r.keys == NULL || r.intervals == NULL || r.tokens == NULL) {
        return; /* they come back by themselves */
    }
    pthread_mutex_lock(&l->lock);
    policy_purse_each(l->purse, l->opts.mono_ms(), add_rest, &r);
    enum chancery_err err =
        r.n == 0 ? CH_OK : policy_limiter_store_return(l->opts.db, l->holder, &r, NULL);
    policy_purse_tidy(l->purse, INT64_MAX);
    pthread_mutex_unlock(&l->lock);
    (void)err; /* the lease ends anyway */
}

enum chancery_err policy_limiter_sweep(struct policy_limiter *l, int64_t now_s, struct diag *diag)
{
    pthread_mutex_lock(&l->lock);
    int64_t now_ms = l->opts.mono_ms();
    bool tidy = now_ms >= l->tidy_at_ms;
    l->tidy_at_ms = tidy ? now_ms + TIDY_MS : l->tidy_at_ms;
    policy_purse_tidy(l->purse, now_ms);
    pthread_mutex_unlock(&l->lock);
    return policy_limiter_store_sweep(l->opts.db, now_s, tidy, diag);
}
