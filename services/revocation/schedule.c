/* When CRLs are made: a series (issuer, shard) is due when a revocation is not yet covered (a
 * second after the first such one, so that several share a CRL), when its CRL should be issued
 * again, when it has none, or when the published file is not the one recorded. Rows of
 * revocation.dirty are the schedule; a claim keeps two builders apart. */
#include <stdio.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define DEBOUNCE_S 1  /* with the pass every 250 ms: in the CRL about two seconds after */
#define CLAIM_S 40    /* longer than signing may take */
#define HOLD_BACK_S 2 /* after a failure */
#define PAUSE_FIRST_MS 250
#define PAUSE_MAX_MS 2000
#define HEALTH_MS 200 /* for ca's answer whether it serves */
#define FILE_MAX ((size_t)1 << 30)

struct due {
    struct revocation_issuer *issuer;
    uint32_t shard;
};

struct pass {
    struct revocation *rv;
    int64_t now_s;
    struct due *urgent, *routine; /* [n_series] each */
    size_t n_urgent, n_routine;
};

/* ---- files against rows, once after start ---- */

static bool file_is(const struct revocation *rv, const struct revocation_series_row *row)
{
    char path[700];
    uint8_t hash[32];
    struct buf file CLEANUP(buf_clear) = {0};
    buf_init(&file, FILE_MAX);
    if (revocation_crl_path(rv, row->issuer_id, row->shard, path, sizeof(path)) != CH_OK ||
        os_file_read(path, &file, NULL) != CH_OK || file.len != row->length) {
        return false;
    }
    crypto_sha256(buf_slice(&file), hash);
    return memcmp(hash, row->sha256, 32) == 0;
}

/* Takes over what the row says; true when the file must be made again. */
static bool take_row(struct revocation *rv, struct revocation_issuer *x,
                     const struct revocation_series_row *row)
{
    struct revocation_published *p = &x->published[row->shard];
    pthread_mutex_lock(&rv->lock);
    bool check = !p->checked && row->number > 0;
    bool moved = p->changed != row->changed;
    p->changed = row->changed;
    if (row->number > p->number) {
        p->number = row->number;
        p->this_update_s = row->this_update_s;
        p->next_update_s = row->next_update_s;
        p->entries = row->entries;
        p->length = row->length;
        memcpy(p->sha256, row->sha256, 32);
    }
    p->checked = true;
    bool rebuild = p->rebuild;
    pthread_mutex_unlock(&rv->lock);
    if (moved) { /* also learns what other instances revoked */
        revocation_cache_drop_series(rv->cache, x->series + row->shard);
    }
    if (check && !file_is(rv, row)) {
        log_event(LOG_LEVEL_WARN, "revocation.crl_file", LOG_STR("issuer", x->id),
                  LOG_NUM("shard", row->shard), LOG_NUM("number", row->number));
        pthread_mutex_lock(&rv->lock);
        p->rebuild = rebuild = true;
        pthread_mutex_unlock(&rv->lock);
    }
    return rebuild;
}

static void on_series(void *ctx, const struct revocation_series_row *row)
{
    struct pass *p = ctx;
    struct revocation_issuer *x = revocation_issuer_find(p->rv, slice_str(row->issuer_id));
    if (x == NULL || row->shard >= x->shards) {
        return;
    }
    bool rebuild = take_row(p->rv, x, row);
    if (row->claim_until_s > p->now_s) {
        return;
    }
    bool uncovered = row->covered < row->changed && p->now_s >= row->changed_at_s + DEBOUNCE_S;
    if (uncovered || rebuild || row->number == 0) {
        p->urgent[p->n_urgent++] = (struct due){x, row->shard};
    } else if (p->now_s >= row->this_update_s + p->rv->conf.crl_reissue_s) {
        p->routine[p->n_routine++] = (struct due){x, row->shard};
    }
}

/* ---- when whom a CRL needs is away ---- */

/* The schedule is one task. Tries become rarer while ca, or whom it needs, is away; its return ends
 * the pause at once. */
static struct {
    unsigned ms; /* 0: none */
    int64_t until_ms;
    bool gone; /* ca was seen not to serve since the last try */
} pause_;

static bool pausing(struct revocation *rv)
{
    bool serves = false;
    if (pause_.ms == 0) {
        return false;
    }
    serves = rpc_health_check(rv->ca, HEALTH_MS, &serves, NULL) == CH_OK && serves;
    bool back = serves && pause_.gone;
    pause_.gone = !serves;
    return !back && os_mono_ms() < pause_.until_ms;
}

/* A failure that is nobody's doing here. UNKNOWN: a CRL may have been signed; its number tells. */
static bool is_away(enum chancery_err err)
{
    return err == CH_UNAVAILABLE || err == CH_UNKNOWN || err == CH_DEADLINE ||
           err == CH_CANCELLED || err == CH_BUSY;
}

static void pause_note(enum chancery_err err)
{
    if (err == CH_OK) {
        pause_.ms = 0;
        return;
    }
    pause_.ms = pause_.ms == 0 ? PAUSE_FIRST_MS : 2 * pause_.ms;
    pause_.ms = pause_.ms > PAUSE_MAX_MS ? PAUSE_MAX_MS : pause_.ms;
    pause_.until_ms = os_mono_ms() + pause_.ms;
}

/* ---- one CRL ---- */

static void note_published(struct revocation *rv, const struct revocation_crl *crl)
{
    struct revocation_published *p = &crl->issuer->published[crl->shard];
    pthread_mutex_lock(&rv->lock);
    p->number = crl->head.number;
    p->this_update_s = crl->head.this_update_s;
    p->next_update_s = crl->head.next_update_s;
    p->entries = crl->entries;
    p->length = crl->length;
    memcpy(p->sha256, crl->sha256, 32);
    p->checked = true;
    p->rebuild = false;
    pthread_mutex_unlock(&rv->lock);
}

/* ca compares each list with the one before: an entry that vanished or changed there means that
 * rows are gone or changed here (I6). */
static void judge_refusal(struct revocation_issuer *x, enum chancery_err err,
                          const struct diag *diag)
{
    if (err == CH_INTEGRITY && strncmp(diag->rule, "crl.entry.", 10) == 0) {
        atomic_store(&x->weak, true); /* until a whole round of reconciliation finds nothing */
    }
}

static enum chancery_err make_crl(struct revocation *rv, const struct due *due, struct diag *diag)
{
    struct revocation_crl crl = {.issuer = due->issuer, .shard = due->shard, .entries_fd = -1};
    int64_t from = os_mono_ms();
    enum chancery_err err = revocation_crl_build(rv, &crl, os_now_s(), diag);
    if (err == CH_OK) {
        err = revocation_crl_sign(rv, &crl, diag);
        judge_refusal(due->issuer, err, diag);
    }
    if (err == CH_OK) {
        err = revocation_crl_publish(rv, &crl, diag);
    }
    if (err == CH_OK) {
        note_published(rv, &crl);
        err = revocation_crl_record(rv->db, &crl, os_now_s(), diag);
    }
    if (err == CH_OK) {
        log_event(LOG_LEVEL_INFO, "revocation.crl", LOG_STR("issuer", due->issuer->id),
                  LOG_NUM("shard", due->shard), LOG_NUM("number", crl.head.number),
                  LOG_NUM("entries", crl.entries), LOG_NUM("ms", os_mono_ms() - from));
    }
    revocation_crl_clear(&crl);
    return err;
}

static enum chancery_err run_due(struct revocation *rv, const struct due *due)
{
    struct diag diag = {0};
    char claim[160];
    bool got = false;
    int64_t now = os_now_s();
    (void)snprintf(claim, sizeof(claim), "%s/%lx", rv->claim, (unsigned long)pthread_self());
    enum chancery_err err = revocation_series_claim(rv->db, due->issuer->id, due->shard, claim,
                                                    now + CLAIM_S, now, &got, &diag);
    if (err != CH_OK || !got) {
        return err;
    }
    err = make_crl(rv, due, &diag);
    if (err != CH_OK) {
        bool away = is_away(err); /* no fault of this series: free for the next pass */
        log_diag(away ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "revocation.crl_failed", err, &diag);
        now = os_now_s();
        enum chancery_err held =
            revocation_series_claim(rv->db, due->issuer->id, due->shard, claim,
                                    away ? now : now + HOLD_BACK_S, now, &got, &diag);
        return away || held != CH_OK ? CH_UNAVAILABLE : CH_OK;
    }
    return CH_OK;
}

static enum chancery_err run_list(struct revocation *rv, const struct due *list, size_t n)
{
    for (size_t i = 0; i < n && !daemon_stopping(rv->d); i++) {
        TRY(run_due(rv, &list[i])); /* whom the rest needs is away: next pass */
    }
    return CH_OK;
}

static enum chancery_err ensure(struct revocation *rv, struct diag *diag)
{
    for (size_t i = 0; i < rv->n_issuers; i++) {
        const struct revocation_issuer *x = &rv->issuers[i];
        if (x->shards > 0) {
            TRY(revocation_series_ensure(rv->db, x->id, x->shards, daemon_instance(rv->d), diag));
        }
    }
    return CH_OK;
}

void revocation_schedule_run(void *ctx)
{
    static bool ensured; /* this task is one thread */
    static int64_t said_ms;
    struct revocation *rv = ctx;
    struct diag diag = {0};
    struct pass p = {.rv = rv, .now_s = os_now_s()};
    enum chancery_err err = ensured ? CH_OK : ensure(rv, &diag);
    if (err == CH_OK) {
        ensured = true;
        p.urgent = calloc(2 * rv->n_series + 1, sizeof(p.urgent[0]));
        p.routine = p.urgent == NULL ? NULL : p.urgent + rv->n_series;
        err = p.urgent == NULL ? CH_NOMEM : revocation_series_read(rv->db, on_series, &p, &diag);
    }
    if (err != CH_OK && os_mono_ms() >= said_ms) {
        log_diag(LOG_LEVEL_WARN, "revocation.schedule", err, &diag);
        said_ms = os_mono_ms() + PAUSE_MAX_MS;
    } else if (err == CH_OK && p.n_urgent + p.n_routine > 0 && daemon_clock_ok(rv->d) &&
               !pausing(rv)) {
        err = run_list(rv, p.urgent, p.n_urgent);
        pause_note(err == CH_OK ? run_list(rv, p.routine, p.n_routine) : err);
    }
    free(p.urgent);
}

enum chancery_err revocation_crls_current(void *ctx, struct diag *diag)
{
    struct revocation *rv = ctx;
    int64_t now = os_now_s();
    for (size_t i = 0; i < rv->n_issuers; i++) {
        const struct revocation_issuer *x = &rv->issuers[i];
        for (uint32_t shard = 0; shard < x->shards; shard++) {
            pthread_mutex_lock(&rv->lock);
            struct revocation_published p = x->published[shard];
            pthread_mutex_unlock(&rv->lock);
            if (p.number == 0 || p.next_update_s <= now || p.rebuild) {
                return diag_set(diag, CH_UNAVAILABLE, x->id, "revocation.crl",
                                "shard %u has no current CRL", shard);
            }
        }
    }
    return CH_OK;
}
