/* The threads of a replay: bodies in, counts and changes out, put together in the history's order.
 */
#include <pthread.h>
#include <stdlib.h>

#include "trial/replay_int.h"

#define RECORD_MEMORY ((size_t)16 << 20) /* a record opened and built */
#define KEPT_MEMORY ((size_t)1 << 30)    /* a million changes with their texts */

struct body {
    struct body *next;
    uint64_t number;
    size_t len;
    uint8_t octets[];
};

struct trial_replay {
    struct trial_replay_opts opts;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct body *first, *last;
    unsigned queued, joined;
    bool ended;
    enum chancery_err err; /* the first one */
    struct diag diag;
    uint64_t bodies;
    const struct trial_bundle *bases[TRIAL_BASES_MAX];
    size_t n_bases;
    unsigned n_threads;
    pthread_t threads[TRIAL_THREADS_MAX];
    struct trial_worker *workers;
    struct trial_report report;
    bool finished;
};

enum chancery_err trial_replay_base(struct trial_replay *r, const struct trial_bundle *base)
{
    pthread_mutex_lock(&r->lock);
    bool room = r->n_bases < TRIAL_BASES_MAX;
    if (room) {
        r->bases[r->n_bases++] = base;
    }
    pthread_mutex_unlock(&r->lock);
    return room ? CH_OK : CH_LIMIT;
}

const struct trial_bundle *trial_replay_find_base(struct trial_replay *r, const uint8_t sha256[32])
{
    const struct trial_bundle *found = NULL;
    pthread_mutex_lock(&r->lock);
    for (size_t i = r->n_bases; i > 0 && found == NULL; i--) { /* the latest are asked for most */
        const struct policy_bundle *b = trial_bundle_of(r->bases[i - 1]);
        found = memcmp(policy_bundle_hash(b), sha256, 32) == 0 ? r->bases[i - 1] : NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return found;
}

enum chancery_err trial_worker_keep(struct trial_worker *w, const struct trial_change *c)
{
    if (w->n_changes == w->cap_changes) {
        size_t cap = w->cap_changes == 0 ? 64 : w->cap_changes * 2;
        struct trial_change *list = realloc(w->changes, cap * sizeof *list);
        if (list == NULL) {
            return CH_NOMEM;
        }
        w->changes = list;
        w->cap_changes = cap;
    }
    w->changes[w->n_changes++] = *c;
    return CH_OK;
}

static enum chancery_err judge_body(struct trial_worker *w, const struct body *b)
{
    struct slice rest = slice_of(b->octets, b->len);
    struct trial_record rec;
    /* Sequence: body, then place in it: a body of TRIAL_BODY_MAX has fewer than 2^22 records. */
    for (uint64_t i = 0;; i++) {
        enum chancery_err err = trial_record_next(&rest, &rec, &w->diag);
        if (err != CH_OK) {
            return err == CH_END ? CH_OK : err;
        }
        TRY(trial_replay_record(w, &rec, b->number << 22 | i));
    }
}

static struct body *take(struct trial_replay *r)
{
    while (r->first == NULL && !r->ended) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    struct body *b = r->first;
    if (b != NULL) {
        r->first = b->next;
        r->last = r->first == NULL ? NULL : r->last;
        r->queued--;
    }
    return b;
}

static void *work(void *arg)
{
    struct trial_worker *w = arg;
    struct trial_replay *r = w->replay;
    pthread_mutex_lock(&r->lock);
    for (;;) {
        struct body *b = take(r);
        if (b == NULL) {
            break;
        }
        bool skip = r->err != CH_OK;
        pthread_cond_broadcast(&r->changed);
        pthread_mutex_unlock(&r->lock);
        enum chancery_err err = skip ? CH_OK : judge_body(w, b);
        free(b);
        pthread_mutex_lock(&r->lock);
        if (err != CH_OK && r->err == CH_OK) {
            r->err = err;
            r->diag = w->diag;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

enum chancery_err trial_replay_new(const struct trial_replay_opts *opts, struct trial_replay **out)
{
    struct trial_replay *r = calloc(1, sizeof *r);
    unsigned n = opts->threads == 0 ? 1 : opts->threads;
    n = n > TRIAL_THREADS_MAX ? TRIAL_THREADS_MAX : n;
    if (r == NULL) {
        return CH_NOMEM;
    }
    r->opts = *opts;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->changed, NULL);
    r->workers = calloc(n, sizeof *r->workers);
    for (unsigned i = 0; r->workers != NULL && i < n; i++) {
        struct trial_worker *w = &r->workers[i];
        w->opts = &r->opts;
        w->replay = r;
        arena_init(&w->arena, RECORD_MEMORY);
        arena_init(&w->kept, KEPT_MEMORY);
        if (pthread_create(&r->threads[i], NULL, work, w) != 0) {
            break;
        }
        r->n_threads++;
    }
    if (r->n_threads == 0) {
        trial_replay_free(r);
        return CH_NOMEM;
    }
    *out = r;
    return CH_OK;
}

enum chancery_err trial_replay_push(struct trial_replay *r, struct slice body, struct diag *diag)
{
    struct body *b = malloc(sizeof *b + body.len);
    if (b == NULL) {
        return CH_NOMEM;
    }
    *b = (struct body){.len = body.len};
    if (body.len > 0) {
        memcpy(b->octets, body.ptr, body.len);
    }
    pthread_mutex_lock(&r->lock);
    while (r->queued >= 2 * r->n_threads && r->err == CH_OK) {
        pthread_cond_wait(&r->changed, &r->lock);
    }
    enum chancery_err err = r->err;
    if (err == CH_OK) {
        b->number = r->bodies++;
        if (r->last == NULL) {
            r->first = b;
        } else {
            r->last->next = b;
        }
        r->last = b;
        r->queued++;
        pthread_cond_broadcast(&r->changed);
    } else {
        free(b);
        if (diag != NULL) {
            *diag = r->diag;
        }
    }
    pthread_mutex_unlock(&r->lock);
    return err;
}

static int by_sequence(const void *a, const void *b)
{
    const struct trial_change *x = a, *y = b;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static void join_all(struct trial_replay *r)
{
    pthread_mutex_lock(&r->lock);
    r->ended = true;
    pthread_cond_broadcast(&r->changed);
    pthread_mutex_unlock(&r->lock);
    while (r->joined < r->n_threads) {
        pthread_join(r->threads[r->joined++], NULL);
    }
}

static enum chancery_err put_together(struct trial_replay *r)
{
    struct trial_report *out = &r->report;
    size_t n = 0;
    for (unsigned i = 0; i < r->n_threads; i++) {
        const struct trial_report *c = &r->workers[i].counts;
        out->records += c->records;
        out->permitted += c->permitted;
        out->refused += c->refused;
        out->forged += c->forged;
        out->baseless += c->baseless;
        for (size_t k = 0; k < TRIAL_KINDS; k++) {
            out->counts[k] += c->counts[k];
        }
        n += r->workers[i].n_changes;
    }
    out->changes = calloc(n + 1, sizeof *out->changes);
    if (out->changes == NULL) {
        return CH_NOMEM;
    }
    for (unsigned i = 0; i < r->n_threads; i++) {
        struct trial_worker *w = &r->workers[i];
        if (w->n_changes > 0) {
            memcpy(out->changes + out->n_changes, w->changes, w->n_changes * sizeof *w->changes);
        }
        out->n_changes += w->n_changes;
    }
    qsort(out->changes, out->n_changes, sizeof *out->changes, by_sequence);
    return CH_OK;
}

enum chancery_err trial_replay_finish(struct trial_replay *r, const struct trial_report **out,
                                      struct diag *diag)
{
    join_all(r);
    if (r->err != CH_OK) {
        if (diag != NULL) {
            *diag = r->diag;
        }
        return r->err;
    }
    if (!r->finished) {
        TRY(put_together(r));
        r->finished = true;
    }
    *out = &r->report;
    return CH_OK;
}

void trial_replay_free(struct trial_replay *r)
{
    if (r == NULL) {
        return;
    }
    join_all(r);
    while (r->first != NULL) {
        struct body *b = r->first;
        r->first = b->next;
        free(b);
    }
    for (unsigned i = 0; r->workers != NULL && i < r->n_threads; i++) {
        arena_clear(&r->workers[i].arena);
        arena_clear(&r->workers[i].kept);
        free(r->workers[i].changes);
    }
    free(r->workers);
    free(r->report.changes);
    pthread_cond_destroy(&r->changed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
