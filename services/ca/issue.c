/* The cycle of one batch (docs/ISSUANCE.md, steps 3 to 7). */
#include "issue.h"

#include <stdlib.h>
#include <time.h>

#include "lease.h"
#include "log/log.h"
#include "os/os.h"

#define BACKLOG_MAX                                                                                \
    4096               /* reservations waiting for settlement: the log or the database is away     \
                        */
#define WAIT_MIN_MS 50 /* less is left: the step would not be worth beginning */
#define FOLLOW_MAX 10  /* times a batch is built anew because the bundle in force changed */
#define FOLLOW_MS 100  /* between two of them, but the first */
#define ITEM_ARENA ((size_t)4 << 20)

void ca_item_end(struct ca_item *i, enum ca_outcome outcome, enum chancery_err err,
                 const struct diag *diag)
{
    i->outcome = outcome;
    i->err = err;
    if (diag != NULL && diag != &i->diag) {
        i->diag = *diag;
    }
}

void ca_item_hand_over(struct ca_batch *b, struct ca_item *i, enum ca_state to,
                       enum chancery_err err, const struct diag *diag)
{
    struct ca_orphan o = {.serial_len = CA_SERIAL};
    memcpy(o.issuer_id, i->profile->issuer->issuer_id, strlen(i->profile->issuer->issuer_id) + 1);
    memcpy(o.serial, i->serial, CA_SERIAL);
    memcpy(o.tbs_sha256, i->built.tbs_sha256, 32);
    if (ca_lease_hand_over(b->ca->lease, &o, to) != CH_OK) {
        /* Without memory the row stays reserved until this process's lease is settled: give it up.
         */
        ca_lease_lost(b->ca->lease, b->epoch);
    }
    ca_item_end(i, CA_OUT_VOIDED, err, diag);
}

unsigned ca_batch_wait(const struct ca_batch *b, unsigned most)
{
    int64_t left = b->deadline_mono_ms - os_mono_ms();
    return left < WAIT_MIN_MS ? 0 : left < (int64_t)most ? (unsigned)left : most;
}

static bool known_twice(const Chancery__Ca__V1__IssueBatchRequest *in)
{
    for (size_t i = 0; i < in->n_items; i++) {
        for (size_t k = 0; k < i; k++) {
            const Chancery__Common__V1__Request *a = in->items[i]->request,
                                                *b = in->items[k]->request;
            if (a != NULL && b != NULL &&
                slice_eq(rpc_slice(a->request_id), rpc_slice(b->request_id))) {
                return true;
            }
        }
    }
    return false;
}

enum chancery_err ca_batch_open(struct ca *ca, const Chancery__Ca__V1__IssueBatchRequest *in,
                                struct arena *arena, int64_t now_s, int64_t time_left_ms,
                                struct ca_batch *out, struct diag *diag)
{
    struct ca_batch b = {.ca = ca, .now_s = now_s, .arena = arena, .n = in->n_items};
    if (in->n_items == 0 || in->n_items > PERMIT_BATCH_MAX || known_twice(in)) {
        return diag_set(diag, CH_INVALID, "items", "batch.items",
                        "a batch has 1 to %d items of different requests", PERMIT_BATCH_MAX);
    }
    if (!daemon_ready(
            ca->d)) { /* better now than after a reservation that would only be closed again */
        return diag_set(diag, CH_UNAVAILABLE, "ca", "ca.not_ready",
                        "a part that issuing needs is away; nothing was done; try later");
    }
    b.epoch = ca_lease_epoch(ca->lease);
    if (b.epoch == 0 || ca_lease_backlog(ca->lease) > BACKLOG_MAX) {
        return diag_set(diag, CH_UNAVAILABLE, "ca", b.epoch == 0 ? "ca.lease" : "ca.backlog",
                        "this instance cannot reserve serials now; try later");
    }
    b.deadline_mono_ms = os_mono_ms() + time_left_ms;
    b.statement_bytes = rpc_slice(in->statement);
    b.statement_signature = rpc_slice(in->statement_signature);
    const struct daemon_keys *keys = &daemon_trust(ca->d)->statement;
    TRY(permit_statement_check(b.statement_bytes, b.statement_signature, keys->keys, keys->n, now_s,
                               &b.statement, diag));
    crypto_sha256(b.statement_bytes, b.statement_sha256);
    TRY(ca_bundles_take(ca->bundles, now_s, &b.bundle, diag));
    b.items = calloc(b.n, sizeof *b.items);
    if (b.items == NULL) {
        ca_bundles_drop(ca->bundles, b.bundle);
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b.n; i++) {
        b.items[i].in = in->items[i];
        arena_init(&b.items[i].arena, ITEM_ARENA);
    }
    *out = b;
    return CH_OK;
}

void ca_batch_clear(struct ca_batch *b)
{
    for (size_t i = 0; b->items != NULL && i < b->n; i++) {
        crypto_public_free(b->items[i].key);
        arena_clear(&b->items[i].arena);
    }
    free(b->items);
    b->items = NULL;
    if (b->bundle != NULL) {
        ca_bundles_drop(b->ca->bundles, b->bundle);
        b->bundle = NULL;
    }
}

static size_t open_items(const struct ca_batch *b)
{
    size_t n = 0;
    for (size_t i = 0; i < b->n; i++) {
        n += b->items[i].outcome == CA_OPEN ? 1 : 0;
    }
    return n;
}

/* Forgets what was built: requests and serial numbers begin anew. Nothing is durable yet. */
static void begin_again(struct ca_batch *b)
{
    for (size_t i = 0; i < b->n; i++) {
        struct ca_item *it = &b->items[i];
        struct ca_item fresh = {.in = it->in, .arena = it->arena};
        crypto_public_free(it->key);
        arena_reset(&fresh.arena);
        *it = fresh;
    }
}

/* The batch goes to the bundle that is in force by now. */
static enum chancery_err follow(struct ca_batch *b, unsigned round, struct diag *diag)
{
    const struct policy_life_item *next = NULL;
    if (round > 0) {
        /* Clocks or replicas of policy do not agree yet: a moment helps. */
        (void)nanosleep(&(struct timespec){0, FOLLOW_MS * 1000000L}, NULL);
    }
    enum chancery_err err = ca_bundles_refresh(b->ca->bundles, diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "ca.bundles", err, diag);
    }
    b->now_s = os_now_s();
    TRY(ca_bundles_take(b->ca->bundles, b->now_s, &next, diag));
    ca_bundles_drop(b->ca->bundles, b->bundle);
    b->bundle = next;
    begin_again(b);
    return CH_OK;
}

static bool superseded(enum chancery_err err, const struct diag *diag)
{
    return err == CH_PRECONDITION && strcmp(diag->rule, "bundle.superseded") == 0;
}

/* Steps 3 and 4, under the bundle in force. */
static enum chancery_err build_and_permit(struct ca_batch *b, struct diag *diag)
{
    for (unsigned round = 0;; round++) {
        ca_batch_build(b);
        OS_FAILPOINT("ca.built");
        if (open_items(b) == 0) {
            return CH_OK;
        }
        enum chancery_err err = ca_batch_permit(b, diag);
        if (!superseded(err, diag)) {
            return err;
        }
        if (round == FOLLOW_MAX) {
            return diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.superseded",
                            "policy and ca do not agree on the bundle in force; nothing was done; "
                            "try later");
        }
        TRY(follow(b, round, diag));
    }
}

enum chancery_err ca_batch_run(struct ca_batch *b, struct diag *diag)
{
    TRY(build_and_permit(b, diag));
    OS_FAILPOINT("ca.permitted");
    if (open_items(b) > 0) {
        TRY(ca_batch_reserve(b, diag));
    }
    OS_FAILPOINT("ca.reserved");
    if (open_items(b) > 0) {
        TRY(ca_batch_sign(b, diag));
    }
    OS_FAILPOINT("ca.signed");
    if (open_items(b) > 0) {
        ca_batch_store(b);
    }
    OS_FAILPOINT("ca.stored");
    return CH_OK;
}
