/* Reconciliation (I6): the audit log against revocation.status.
 *
 * New log entries are read into the journal; then journal entries are compared with rows, all new
 * ones and a window of the old ones in each run. A logged revocation without row is stored (a crash
 * between log and table leaves one; so does a hand that deletes). A row that says less than its log
 * entry cannot be mended here, since rows are append-only: its issuer says no `good` until it is
 * gone. */
#include <jansson.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define READ_MS 60000
#define CHECK_BATCH 1000
#define CHECK_WINDOW 20000 /* old entries per run: about 50 ms of queries */

/* ---- reading the log ---- */

static bool number_of(const json_t *f, const char *name, int64_t *out)
{
    const json_t *v = json_object_get(f, name);
    *out = json_integer_value(v);
    return json_is_integer(v);
}

static bool fields_read(const json_t *f, struct revocation_logged *out)
{
    int64_t reason = 0, shard = 0;
    size_t len = 0;
    const char *issuer = json_string_value(json_object_get(f, "issuer"));
    const char *serial = json_string_value(json_object_get(f, "serial"));
    if (issuer == NULL || serial == NULL || strlen(issuer) >= sizeof(out->issuer_id) ||
        hex_decode(slice_str(serial), out->serial, sizeof(out->serial), &len) != CH_OK ||
        !number_of(f, "reason", &reason) || !number_of(f, "shard", &shard) ||
        !number_of(f, "revoked_at", &out->revoked_at_s) ||
        !number_of(f, "not_after", &out->not_after_s) || reason < 0 || reason > 10 || shard < 0 ||
        shard > UINT32_MAX) {
        return false;
    }
    memcpy(out->issuer_id, issuer, strlen(issuer) + 1);
    out->serial_len = (uint8_t)len;
    out->reason = (uint8_t)reason;
    out->shard = (uint32_t)shard;
    return len > 0;
}

/* CH_NOT_FOUND: an entry of another kind or producer. */
static enum chancery_err leaf_read(const struct revocation *rv, uint64_t index, struct slice leaf,
                                   struct revocation_logged *out)
{
    static const char action[] = "\"action\":\"revocation\"";
    if (leaf.len == 0 || memmem(leaf.ptr, leaf.len, action, sizeof(action) - 1) == NULL) {
        return CH_NOT_FOUND;
    }
    *out = (struct revocation_logged){.log_index = index};
    json_t *doc = json_loadb((const char *)leaf.ptr, leaf.len, JSON_REJECT_DUPLICATES, NULL);
    const char *what = json_string_value(json_object_get(doc, "action"));
    const char *who = json_string_value(json_object_get(doc, "producer"));
    enum chancery_err err = CH_NOT_FOUND;
    if (what != NULL && who != NULL && strcmp(what, "revocation") == 0 &&
        strcmp(who, daemon_identity(rv->d)) == 0) {
        err = fields_read(json_object_get(doc, "f"), out) ? CH_OK : CH_INTEGRITY;
    }
    json_decref(doc);
    return err;
}

static enum chancery_err take_entries(struct revocation *rv,
                                      const Chancery__Audit__V1__StreamEntriesResponse *m,
                                      struct diag *diag)
{
    for (size_t i = 0; i < m->n_entries; i++) {
        const Chancery__Audit__V1__LogEntry *e = m->entries[i];
        struct revocation_logged logged;
        if (e->index != revocation_journal_position(rv->journal)) {
            return diag_set(diag, CH_INTEGRITY, "audit", "revocation.log.order",
                            "entry %llu where another was due", (unsigned long long)e->index);
        }
        enum chancery_err err = leaf_read(rv, e->index, rpc_slice(e->leaf), &logged);
        if (err == CH_OK) {
            err = revocation_journal_add(rv->journal, &logged);
        } else if (err == CH_NOT_FOUND) {
            err = revocation_journal_advance(rv->journal, e->index + 1);
        }
        if (err != CH_OK) {
            return diag_set(diag, err, "audit", "revocation.log.entry", "entry %llu: %s",
                            (unsigned long long)e->index, err_name(err));
        }
    }
    return CH_OK;
}

static enum chancery_err read_log(struct revocation *rv, struct diag *diag)
{
    Chancery__Audit__V1__StreamEntriesRequest q = CHANCERY__AUDIT__V1__STREAM_ENTRIES_REQUEST__INIT;
    struct arena arena CLEANUP(arena_clear) = {0};
    struct rpc_stream *s = NULL;
    q.first_index = revocation_journal_position(rv->journal);
    TRY(rpc_stream_open(rv->audit, &chancery__audit__v1__audit_service__descriptor, "StreamEntries",
                        RPC_SERVER_STREAM, &q.base, READ_MS, &s, diag));
    enum chancery_err err = CH_OK;
    while (err == CH_OK && !daemon_stopping(rv->d)) {
        ProtobufCMessage *m = NULL;
        arena_reset(&arena);
        err = rpc_stream_recv(s, &arena, &m);
        if (err == CH_OK) {
            err = take_entries(rv, (const Chancery__Audit__V1__StreamEntriesResponse *)m, diag);
        }
    }
    if (err == CH_END) {
        err = rpc_stream_finish(s, &arena, NULL, diag);
    }
    rpc_stream_free(s);
    return err;
}

/* ---- comparing ---- */

struct sweep {
    bool started;
    size_t loaded;                     /* entries of earlier starts: their rows were there */
    size_t next;                       /* of the window over old entries */
    size_t seen;                       /* entries compared at least once */
    bool weak[REVOCATION_ISSUERS_MAX]; /* found in this round */
    bool altered[REVOCATION_ISSUERS_MAX], altered_before[REVOCATION_ISSUERS_MAX];
};

static void alarm_row(struct revocation *rv, const struct revocation_logged *e, const char *what)
{
    char serial[41];
    struct diag diag = {0};
    hex_encode(slice_of(e->serial, e->serial_len), serial);
    log_event(LOG_LEVEL_ERROR, "revocation.row", LOG_STR("what", what),
              LOG_STR("issuer", e->issuer_id), LOG_STR("serial", serial),
              LOG_NUM("log_index", e->log_index));
    const struct daemon_field fields[] = {DAEMON_STR("issuer", e->issuer_id),
                                          DAEMON_NUM("logged", e->log_index),
                                          DAEMON_STR("serial", serial), DAEMON_STR("what", what)};
    if (daemon_audit(rv->d, "revocation.alarm", fields, 4, NULL, &diag) != CH_OK) {
        log_event(LOG_LEVEL_WARN, "revocation.alarm_not_logged", LOG_STR("text", diag.text));
    }
}

static bool says_the_same(const struct revocation_logged *e, const struct revocation_row *row)
{
    return row->revoked_at_s == e->revoked_at_s && row->reason == e->reason &&
           row->shard == e->shard && row->not_after_s == e->not_after_s;
}

/* Whether the row is what the log says: of this entry, or of another entry for the same serial. */
static bool row_is_sound(const struct revocation *rv, const struct revocation_logged *e,
                         const struct revocation_row *row)
{
    if (row->log_index == e->log_index) {
        return says_the_same(e, row);
    }
    if (row->log_index >= revocation_journal_position(rv->journal)) {
        return row->revoked_at_s <= e->revoked_at_s + 60; /* not read yet: two came at once */
    }
    const struct revocation_logged *other = revocation_journal_find(rv->journal, row->log_index);
    return other != NULL && other->serial_len == e->serial_len &&
           memcmp(other->serial, e->serial, e->serial_len) == 0 &&
           strcmp(other->issuer_id, e->issuer_id) == 0 && says_the_same(other, row);
}

static enum chancery_err restore(struct revocation *rv, const struct revocation_logged *e,
                                 const struct revocation_issuer *x, struct diag *diag)
{
    const struct revocation_row row = {.issuer_id = e->issuer_id,
                                       .serial = slice_of(e->serial, e->serial_len),
                                       .reason = e->reason,
                                       .revoked_at_s = e->revoked_at_s,
                                       .shard = e->shard,
                                       .not_after_s = e->not_after_s,
                                       .log_index = e->log_index,
                                       .actor = daemon_identity(rv->d)};
    TRY(revocation_rows_store(rv->db, &row, 1, os_now_s(), diag));
    revocation_cache_drop(rv->cache, x->index, row.serial);
    return CH_OK;
}

/* A row that was never there (its process died between log and table) is stored and no more is
 * said; one that vanished is an alarm, and silences `good` until a round has found everything in
 * place. */
static enum chancery_err judge_missing(struct revocation *rv, struct sweep *sw, size_t i,
                                       struct revocation_issuer *x, struct diag *diag)
{
    const struct revocation_logged *e = revocation_journal_at(rv->journal, i);
    bool vanished = i < sw->seen || i < sw->loaded;
    bool before = atomic_exchange(&x->weak, true);
    TRY(restore(rv, e, x, diag)); /* on failure it stays weak and is tried again */
    if (vanished) {
        sw->weak[x->index] = true;
        alarm_row(rv, e, "missing: stored again from the log");
    } else {
        atomic_store(&x->weak, before);
        log_event(LOG_LEVEL_WARN, "revocation.completed", LOG_STR("issuer", e->issuer_id),
                  LOG_NUM("log_index", e->log_index));
    }
    return CH_OK;
}

static enum chancery_err judge(struct revocation *rv, struct sweep *sw, size_t i,
                               const struct revocation_known *known, struct diag *diag)
{
    const struct revocation_logged *e = revocation_journal_at(rv->journal, i);
    struct revocation_issuer *x = revocation_issuer_find(rv, slice_str(e->issuer_id));
    if (x == NULL) {
        return CH_OK; /* an issuer of former times */
    }
    if (!known->revoked) {
        return judge_missing(rv, sw, i, x, diag);
    }
    if (!row_is_sound(rv, e, &known->row)) {
        atomic_store(&x->weak, true);
        sw->weak[x->index] = sw->altered[x->index] = true;
        if (!sw->altered_before[x->index]) { /* once, not in every round */
            alarm_row(rv, e, "weakened: differs from the log");
        }
    }
    return CH_OK;
}

static enum chancery_err compare(struct revocation *rv, struct sweep *sw, size_t from, size_t n,
                                 struct diag *diag)
{
    struct arena arena CLEANUP(arena_clear) = {0};
    struct revocation_key *keys = arena_alloc(&arena, n * sizeof(*keys));
    struct revocation_known *known = arena_alloc(&arena, n * sizeof(*known));
    if (keys == NULL || known == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct revocation_logged *e = revocation_journal_at(rv->journal, from + i);
        keys[i] = (struct revocation_key){e->issuer_id, slice_of(e->serial, e->serial_len)};
    }
    TRY(revocation_known_read(rv->db, keys, n, known, diag));
    for (size_t i = 0; i < n; i++) {
        TRY(judge(rv, sw, from + i, &known[i], diag));
    }
    return CH_OK;
}

static enum chancery_err compare_range(struct revocation *rv, struct sweep *sw, size_t from,
                                       size_t to, struct diag *diag)
{
    for (size_t i = from; i < to && !daemon_stopping(rv->d); i += CHECK_BATCH) {
        TRY(compare(rv, sw, i, to - i < CHECK_BATCH ? to - i : CHECK_BATCH, diag));
    }
    return CH_OK;
}

/* A whole round over all entries that found nothing frees an issuer again. */
static void end_round(struct revocation *rv, struct sweep *sw)
{
    for (size_t i = 0; i < rv->n_issuers; i++) {
        if (atomic_load(&rv->issuers[i].weak) != sw->weak[i]) {
            log_event(LOG_LEVEL_WARN, sw->weak[i] ? "revocation.weak" : "revocation.sound",
                      LOG_STR("issuer", rv->issuers[i].id));
        }
        atomic_store(&rv->issuers[i].weak, sw->weak[i]);
        sw->altered_before[i] = sw->altered[i];
        sw->weak[i] = sw->altered[i] = false;
    }
    sw->next = 0;
}

static enum chancery_err run(struct revocation *rv, struct sweep *sw, struct diag *diag)
{
    if (!sw->started) {
        sw->started = true;
        sw->loaded = revocation_journal_count(rv->journal);
    }
    TRY(read_log(rv, diag));
    if (daemon_stopping(rv->d)) {
        return CH_OK;
    }
    size_t n = revocation_journal_count(rv->journal);
    TRY(compare_range(rv, sw, sw->seen, n, diag)); /* all of them after a start */
    sw->seen = n;
    if (!atomic_load(&rv->reconciled)) {
        atomic_store(&rv->reconciled, true);
        log_event(LOG_LEVEL_INFO, "revocation.reconciled", LOG_NUM("entries", n));
    }
    size_t to = n - sw->next < CHECK_WINDOW ? n : sw->next + CHECK_WINDOW;
    TRY(compare_range(rv, sw, sw->next, to, diag));
    sw->next = to;
    if (sw->next >= n) {
        end_round(rv, sw);
    }
    return CH_OK;
}

void revocation_reconcile_run(void *ctx)
{
    static struct sweep sweep; /* the task is one thread, the process has one log */
    static enum chancery_err last;
    struct revocation *rv = ctx;
    struct diag diag = {0};
    enum chancery_err err = run(rv, &sweep, &diag);
    if (err != CH_OK && err != last) { /* one line per fault, not one every two seconds */
        log_diag(err == CH_INTEGRITY ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "revocation.reconcile",
                 err, &diag);
    }
    last = err;
}
