/* Keeping a lease; settling handed-over reservations and expired leases. Two tasks (keep, settle)
 * and any number of RPC workers use it side by side. */
#include "lease.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "log/log.h"

#define SETTLE_LOG_MS 5000
#define LEASES_PER_RUN 16 /* of other instances; the next run comes soon */

struct orphan {
    struct orphan *next;
    struct ca_orphan row;
    enum ca_state to;
};

struct ca_lease {
    struct ca_lease_opts opts;
    atomic_int_fast64_t epoch;
    bool issuers_recorded;
    pthread_mutex_t lock; /* the list */
    struct orphan *orphans;
    size_t n_orphans;
};

enum chancery_err ca_lease_new(const struct ca_lease_opts *opts, struct ca_lease **out)
{
    struct ca_lease *l = calloc(1, sizeof *l);
    if (l == NULL) {
        return CH_NOMEM;
    }
    l->opts = *opts;
    atomic_init(&l->epoch, 0);
    pthread_mutex_init(&l->lock, NULL);
    *out = l;
    return CH_OK;
}

void ca_lease_free(struct ca_lease *l)
{
    if (l == NULL) {
        return;
    }
    while (l->orphans != NULL) {
        struct orphan *o = l->orphans;
        l->orphans = o->next;
        free(o);
    }
    pthread_mutex_destroy(&l->lock);
    free(l);
}

int64_t ca_lease_epoch(const struct ca_lease *l)
{
    return atomic_load(&l->epoch);
}

void ca_lease_lost(struct ca_lease *l, int64_t epoch)
{
    int_fast64_t expected = epoch;
    if (atomic_compare_exchange_strong(&l->epoch, &expected, 0)) {
        log_event(LOG_LEVEL_WARN, "ca.lease_lost", LOG_NUM("epoch", epoch));
    }
}

enum chancery_err ca_lease_keep(struct ca_lease *l, int64_t now_s, struct diag *diag)
{
    int64_t epoch = ca_lease_epoch(l);
    if (epoch != 0) {
        enum chancery_err err = ca_store_lease_extend(l->opts.db, epoch, l->opts.lease_s, diag);
        if (err != CH_PRECONDITION) {
            return err;
        }
        ca_lease_lost(l, epoch);
    }
    for (size_t i = 0; !l->issuers_recorded && i < l->opts.n_issuers; i++) {
        TRY(ca_store_issuer(l->opts.db, &l->opts.issuers[i], now_s, diag));
    }
    l->issuers_recorded = true;
    TRY(ca_store_lease_new(l->opts.db, l->opts.instance, l->opts.lease_s, &epoch, diag));
    atomic_store(&l->epoch, epoch);
    log_event(LOG_LEVEL_INFO, "ca.lease_taken", LOG_NUM("epoch", epoch));
    return CH_OK;
}

/* ---- settlement ---- */

/* One entry per reservation that may have been signed. */
struct settlement {
    struct daemon_field fields[CA_ORPHANS_MAX][4];
    struct daemon_entry entries[CA_ORPHANS_MAX];
    struct daemon_ack acks[CA_ORPHANS_MAX];
    struct ca_change changes[CA_ORPHANS_MAX];
};

/* An entry that the log refuses for good would block settlement for ever: it is alarmed and passed
 * over. */
static enum chancery_err settlement_log(const struct ca_lease *l, struct settlement *s, size_t n,
                                        struct diag *diag)
{
    if (n == 0) {
        return CH_OK;
    }
    TRY(l->opts.append(l->opts.append_ctx, s->entries, n, SETTLE_LOG_MS, s->acks, diag));
    for (size_t i = 0; i < n; i++) {
        if (s->acks[i].err != CH_OK) {
            log_diag(LOG_LEVEL_ERROR, "ca.settlement_not_logged", s->acks[i].err, &s->acks[i].diag);
        }
    }
    return CH_OK;
}

/* Logs and then changes n reservations. The log comes first: a crash between the two repeats an
 * entry, the other order would lose one. */
static enum chancery_err settle_rows(const struct ca_lease *l, const struct ca_orphan *rows,
                                     const enum ca_state *to, size_t n, int64_t epoch,
                                     struct diag *diag)
{
    struct settlement *s = calloc(1, sizeof *s);
    size_t logged = 0;
    if (s == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        s->changes[i] = (struct ca_change){rows[i].issuer_id,
                                           slice_of(rows[i].serial, rows[i].serial_len), to[i]};
        if (to[i] != CA_VOIDED) {
            continue;
        }
        struct daemon_field *f = s->fields[logged];
        f[0] = DAEMON_STR("issuer", rows[i].issuer_id);
        f[1] = DAEMON_DIGEST("tbs", slice_of(rows[i].tbs_sha256, 32));
        f[2] = DAEMON_STR("outcome", "unknown, treated as issued");
        f[3] = DAEMON_NUM("epoch", epoch);
        s->entries[logged++] =
            (struct daemon_entry){.action = "settlement", .fields = f, .n_fields = 4};
    }
    enum chancery_err err = settlement_log(l, s, logged, diag);
    if (err == CH_OK) {
        err = ca_store_change(l->opts.db, s->changes, n, diag);
    }
    free(s);
    return err;
}

static enum chancery_err settle_epoch(struct ca_lease *l, int64_t epoch, struct diag *diag)
{
    struct ca_orphan *rows = calloc(CA_ORPHANS_MAX, sizeof *rows);
    enum ca_state to[CA_ORPHANS_MAX];
    size_t n = 0, total = 0;
    if (rows == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < CA_ORPHANS_MAX; i++) {
        to[i] = CA_VOIDED;
    }
    enum chancery_err err;
    do {
        err = ca_store_orphans(l->opts.db, epoch, rows, &n, diag);
        if (err == CH_OK && n > 0) {
            err = settle_rows(l, rows, to, n, epoch, diag);
        }
        total += n;
    } while (err == CH_OK && n == CA_ORPHANS_MAX);
    free(rows);
    TRY(err);
    TRY(ca_store_settled(l->opts.db, epoch, diag));
    log_event(LOG_LEVEL_INFO, "ca.lease_settled", LOG_NUM("epoch", epoch),
              LOG_NUM("voided", total));
    return CH_OK;
}

/* Moves up to CA_ORPHANS_MAX of the list out; the list is the caller's to put back on failure. */
static struct orphan *take_orphans(struct ca_lease *l, size_t *out_n)
{
    pthread_mutex_lock(&l->lock);
    struct orphan *first = l->orphans, *last = NULL;
    size_t n = 0;
    for (struct orphan *o = first; o != NULL && n < CA_ORPHANS_MAX; o = o->next) {
        last = o;
        n++;
    }
    if (last != NULL) {
        l->orphans = last->next;
        last->next = NULL;
    }
    pthread_mutex_unlock(&l->lock);
    *out_n = n;
    return first;
}

static void end_orphans(struct ca_lease *l, struct orphan *list, size_t n, bool settled)
{
    pthread_mutex_lock(&l->lock);
    while (list != NULL) {
        struct orphan *o = list;
        list = o->next;
        if (settled) {
            free(o);
        } else {
            o->next = l->orphans;
            l->orphans = o;
        }
    }
    l->n_orphans -= settled ? n : 0;
    pthread_mutex_unlock(&l->lock);
}

static enum chancery_err settle_own(struct ca_lease *l, struct diag *diag)
{
    for (;;) {
        size_t n, i = 0;
        struct orphan *list = take_orphans(l, &n);
        if (n == 0) {
            return CH_OK;
        }
        enum ca_state to[CA_ORPHANS_MAX];
        struct ca_orphan *rows = calloc(n, sizeof *rows);
        for (struct orphan *o = list; rows != NULL && o != NULL; o = o->next) {
            to[i] = o->to;
            rows[i++] = o->row;
        }
        enum chancery_err err =
            rows == NULL ? CH_NOMEM : settle_rows(l, rows, to, n, ca_lease_epoch(l), diag);
        free(rows);
        end_orphans(l, list, n, err == CH_OK);
        TRY(err);
    }
}

enum chancery_err ca_lease_settle(struct ca_lease *l, struct diag *diag)
{
    TRY(settle_own(l, diag));
    TRY(ca_store_close_batches(l->opts.db, diag));
    for (int i = 0; i < LEASES_PER_RUN; i++) {
        int64_t epoch;
        enum chancery_err err = ca_store_fence(l->opts.db, &epoch, diag);
        if (err == CH_NOT_FOUND) {
            return CH_OK;
        }
        TRY(err);
        ca_lease_lost(l, epoch); /* it may have been our own, not renewed in time */
        TRY(settle_epoch(l, epoch, diag));
    }
    return CH_OK;
}

enum chancery_err ca_lease_hand_over(struct ca_lease *l, const struct ca_orphan *orphan,
                                     enum ca_state to)
{
    struct orphan *o = calloc(1, sizeof *o);
    if (o == NULL) {
        return CH_NOMEM;
    }
    o->row = *orphan;
    o->to = to;
    pthread_mutex_lock(&l->lock);
    o->next = l->orphans;
    l->orphans = o;
    l->n_orphans++;
    pthread_mutex_unlock(&l->lock);
    if (l->opts.wake != NULL) {
        l->opts.wake(l->opts.wake_ctx);
    }
    return CH_OK;
}

size_t ca_lease_backlog(struct ca_lease *l)
{
    pthread_mutex_lock(&l->lock);
    size_t n = l->n_orphans;
    pthread_mutex_unlock(&l->lock);
    return n;
}

void ca_lease_give_up(struct ca_lease *l)
{
    struct diag diag = {.field = ""};
    int64_t epoch = ca_lease_epoch(l);
    enum chancery_err err = epoch == 0 ? CH_OK : ca_store_lease_extend(l->opts.db, epoch, 0, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "ca.lease_give_up", err, &diag);
    }
    atomic_store(&l->epoch, 0);
}
