/* Limits as the service runs them: the batch's facts, and the tasks that follow the log and end
 * what ended by time. A bundle without limits costs no statement. */
#include "chancery/audit/v1/audit.pb-c.h"
#include "log/log.h"
#include "os/os.h"
#include "service.h"

#define FOLLOW_EVERY_MS 2000 /* how late a freed place is seen */
#define SWEEP_EVERY_MS 2000
#define READ_MS 60000

/* ---- a batch ---- */

/* Facts for the items that wait for them. What cannot be known leaves them undecided. */
enum chancery_err policy_limits_decide(const struct policy_service *s,
                                       const struct policy_decider *d,
                                       struct policy_decision *items, size_t n, int64_t now_s,
                                       struct arena *arena)
{
    struct policy_ask asks[PERMIT_BATCH_MAX];
    struct diag diag = {.field = ""};
    size_t asked = 0;
    for (size_t i = 0; i < n; i++) {
        if (items[i].open != NULL) {
            asks[asked++] = policy_ask_of(items[i].open);
        }
    }
    if (asked == 0) {
        return CH_OK;
    }
    enum chancery_err err =
        policy_limiter_admit(s->limiter, asks, asked, now_s, now_s + PERMIT_TTL_S, false, &diag);
    if (err != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "policy.limits", err, &diag);
    }
    for (size_t i = 0, k = 0; i < n; i++) {
        if (items[i].open != NULL) {
            const struct policy_usage *usage = err == CH_OK ? &asks[k].usage : NULL;
            TRY(policy_decide_limits(d, usage, arena, &items[i]));
            k++;
        }
    }
    return CH_OK;
}

void policy_limits_explain(const struct policy_service *s, const struct policy_decider *d,
                           struct policy_open *o)
{
    struct policy_ask ask;
    struct diag diag = {.field = ""};
    if (o->verdict.verdict != POLICY_NA) {
        return;
    }
    ask = policy_ask_of(o);
    enum chancery_err err =
        policy_limiter_admit(s->limiter, &ask, 1, o->facts.now_s, o->facts.now_s, true, &diag);
    o->facts.usage = err == CH_OK ? &ask.usage : NULL;
    policy_judge_limits(d->bundle, &o->facts, &o->verdict);
    o->facts.usage = NULL;
}

/* ---- following the log ---- */

static enum chancery_err log_size(struct policy_service *s, uint64_t *out, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    ProtobufCMessage *m = NULL;
    Chancery__Audit__V1__ListEntriesRequest q = CHANCERY__AUDIT__V1__LIST_ENTRIES_REQUEST__INIT;
    q.count = 1;
    q.newest_first = true;
    TRY(rpc_call_unary(s->audit, &chancery__audit__v1__audit_service__descriptor, "ListEntries",
                       &q.base, READ_MS, &arena, &m, diag));
    *out = ((const Chancery__Audit__V1__ListEntriesResponse *)m)->size;
    return CH_OK;
}

static enum chancery_err take_entries(struct policy_service *s,
                                      const Chancery__Audit__V1__StreamEntriesResponse *m,
                                      struct diag *diag)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        const Chancery__Audit__V1__LogEntry *e = m->entries[i];
        if (s->follow.next - s->follow.from == POLICY_FOLLOW_MAX) {
            TRY(policy_follow_store(s->limiter, &s->follow, 0, diag));
        }
        TRY(policy_follow_take(&s->follow, e->index, rpc_slice(e->leaf), diag));
    }
    return CH_OK;
}

/* Reads from `position` to the end of the log as it was when the stream began. */
static enum chancery_err read_log(struct policy_service *s, uint64_t position, struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct rpc_stream *stream = NULL;
    int64_t began_s = os_now_s();
    Chancery__Audit__V1__StreamEntriesRequest q = CHANCERY__AUDIT__V1__STREAM_ENTRIES_REQUEST__INIT;
    q.first_index = position;
    TRY(policy_follow_start(&s->follow, position));
    TRY(rpc_stream_open(s->audit, &chancery__audit__v1__audit_service__descriptor, "StreamEntries",
                        RPC_SERVER_STREAM, &q.base, READ_MS, &stream, diag));
    enum chancery_err err = CH_OK;
    while (err == CH_OK && !daemon_stopping(s->daemon)) {
        ProtobufCMessage *m = NULL;
        arena_reset(&arena);
        err = rpc_stream_recv(stream, &arena, &m);
        if (err == CH_OK) {
            err = take_entries(s, (const Chancery__Audit__V1__StreamEntriesResponse *)m, diag);
        }
    }
    if (err == CH_END) {
        err = rpc_stream_finish(stream, &arena, NULL, diag);
        /* A clock that is not right proves nothing about permits that were never used. */
        int64_t read_s = daemon_clock_ok(s->daemon) ? began_s : 0;
        err = err == CH_OK ? policy_follow_store(s->limiter, &s->follow, read_s, diag) : err;
    }
    rpc_stream_free(stream);
    return err;
}

static enum chancery_err follow(struct policy_service *s, struct diag *diag)
{
    uint64_t position = 0, size = 0;
    bool idle = false;
    enum chancery_err err = policy_follow_hold(s->limiter, &position, &idle, diag);
    if (err == CH_NOT_FOUND) {
        return CH_OK; /* another instance does it */
    }
    TRY(err);
    if (!idle) {
        return read_log(s, position, diag);
    }
    TRY(log_size(s, &size, diag));
    return policy_follow_skip(s->limiter, size, diag);
}

/* One line per fault, not one every two seconds. */
static void tell(const char *event, enum chancery_err err, enum chancery_err *last,
                 const struct diag *diag)
{
    if (err != CH_OK && err != *last) {
        log_diag(err == CH_INTEGRITY ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, event, err, diag);
    }
    *last = err;
}

/* Whether the bundle in force limits anything. */
static bool limited(const struct policy_service *s)
{
    const struct policy_life_item *bundle = NULL;
    if (policy_bundles_take(s->bundles, slice_of(NULL, 0), os_now_s(), &bundle, NULL) != CH_OK) {
        return false; /* nothing is permitted either */
    }
    bool used = policy_limits_used(bundle->payload);
    policy_bundles_drop(s->bundles, bundle);
    return used;
}

static void follow_task(void *ctx)
{
    struct policy_service *s = ctx;
    struct diag diag = {.field = ""};
    if (limited(s)) {
        tell("policy.limits_follow", follow(s, &diag), &s->follow_last, &diag);
    }
}

static void sweep_task(void *ctx)
{
    struct policy_service *s = ctx;
    struct diag diag = {.field = ""};
    if (limited(s) && daemon_clock_ok(s->daemon)) {
        enum chancery_err err = policy_limiter_sweep(s->limiter, os_now_s(), &diag);
        tell("policy.limits_sweep", err, &s->sweep_last, &diag);
    }
}

static void stop(void *ctx)
{
    struct policy_service *s = ctx;
    policy_limiter_give_back(s->limiter);
}

enum chancery_err policy_limits_open(struct policy_service *s, struct diag *diag)
{
    const struct policy_limiter_opts opts = {.db = s->db, .holder = daemon_boot(s->daemon)};
    s->audit = daemon_peer(s->daemon, "audit");
    if (s->audit == NULL) {
        return diag_set(diag, CH_INVALID, "peers", "config.peers", "peers must name audit");
    }
    s->follow.trust_domain = daemon_trust_domain(s->daemon);
    TRY(policy_limiter_new(&opts, &s->limiter));
    TRY(daemon_every(s->daemon, "limits", FOLLOW_EVERY_MS, follow_task, s));
    TRY(daemon_every(s->daemon, "limits sweep", SWEEP_EVERY_MS, sweep_task, s));
    return daemon_on_stop(s->daemon, stop, s);
}

void policy_limits_close(struct policy_service *s)
{
    policy_follow_clear(&s->follow);
    policy_limiter_free(s->limiter);
    s->limiter = NULL;
}
