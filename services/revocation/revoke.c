/* Revoking: judge, log, store, tell the cache (revocation.h states the order). */
#include <stdio.h>

#include "log/log.h"
#include "os/os.h"
#include "revocation.h"

#define APPEND_MS 5000 /* the caller repeats; the log may hold the entry by then */

struct work {
    struct revocation *rv;
    const struct revocation_order *orders;
    struct revocation_outcome *outcomes;
    size_t n;
    const char *actor, *caller;
    int64_t now_s;
    struct arena *arena;
    struct revocation_issuer **issuers; /* per order, NULL when refused */
    struct revocation_key *keys;
    struct revocation_known *known;
    size_t *todo; /* orders that need a revocation, each serial once */
    size_t n_todo;
    struct revocation_row *rows; /* per todo, after logging */
};

/* CRLReason values that are accepted: RFC 5280 5.3.1 without hold, removeFromCRL and aACompromise.
 */
static bool reason_ok(unsigned reason)
{
    return reason <= 5 || reason == 9;
}

static void refuse(struct revocation_outcome *out, enum chancery_err err, const char *field,
                   const char *rule, const char *text, const char *reference)
{
    out->err = diag_set(&out->diag, err, field, rule, "%s", text);
    (void)diag_ref(&out->diag, err, reference);
}

static bool judge_order(struct work *w, size_t i)
{
    const struct revocation_order *o = &w->orders[i];
    struct revocation_outcome *out = &w->outcomes[i];
    w->issuers[i] = revocation_issuer_find(w->rv, o->issuer_id);
    if (w->issuers[i] == NULL || w->issuers[i]->shards == 0) {
        refuse(out, CH_NOT_FOUND, "issuer_id", "revoke.issuer", "no issuer of that id revokes here",
               "");
    } else if (o->serial.len == 0 || o->serial.len > REVOCATION_SERIAL_MAX ||
               o->serial.ptr[0] == 0) {
        refuse(out, CH_INVALID, "serial", "revoke.serial",
               "a serial is 1 to 20 octets without leading zero", "RFC 5280 4.1.2.2");
    } else if (!reason_ok(o->reason)) {
        refuse(out, CH_INVALID, "reason", "revoke.reason", "this reason is not accepted",
               "RFC 5280 5.3.1");
    } else {
        return true;
    }
    w->issuers[i] = NULL;
    return false;
}

/* The index of an earlier order for the same certificate, or i. */
static size_t first_same(const struct work *w, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (w->issuers[j] == w->issuers[i] && slice_eq(w->orders[j].serial, w->orders[i].serial)) {
            return j;
        }
    }
    return i;
}

static void judge_known(struct work *w, size_t i)
{
    const struct revocation_known *k = &w->known[i];
    struct revocation_outcome *out = &w->outcomes[i];
    if (k->revoked) {
        out->already = true;
        out->revoked_at_s = k->row.revoked_at_s;
        out->log_index = k->row.log_index;
    } else if (k->state < 2 || k->state > 4) {
        /* Stored, voided, discarded: a signature exists or may exist. All else was never issued. */
        refuse(out, CH_NOT_FOUND, "serial", "revoke.unknown", "no certificate with that serial",
               "");
        w->issuers[i] = NULL;
    } else if (first_same(w, i) == i) {
        w->todo[w->n_todo++] = i;
    }
}

static enum chancery_err look_up(struct work *w, struct diag *diag)
{
    for (size_t i = 0; i < w->n; i++) {
        bool ok = judge_order(w, i);
        w->keys[i] = (struct revocation_key){ok ? w->issuers[i]->id : "",
                                             ok ? w->orders[i].serial : slice_of("", 0)};
    }
    TRY(revocation_known_read(w->rv->db, w->keys, w->n, w->known, diag));
    for (size_t i = 0; i < w->n; i++) {
        if (w->issuers[i] != NULL) {
            judge_known(w, i);
        }
    }
    return CH_OK;
}

#define ENTRY_FIELDS 8

static enum chancery_err make_entry(const struct work *w, const struct revocation_row *row,
                                    struct daemon_entry *out)
{
    struct daemon_field *f = arena_alloc(w->arena, ENTRY_FIELDS * sizeof(*f));
    if (f == NULL) {
        return CH_NOMEM;
    }
    f[0] = DAEMON_STR("actor", row->actor);
    f[1] = DAEMON_STR("caller", w->caller);
    f[2] = DAEMON_STR("issuer", row->issuer_id);
    f[3] = DAEMON_NUM("not_after", row->not_after_s);
    f[4] = DAEMON_NUM("reason", row->reason);
    f[5] = DAEMON_NUM("revoked_at", row->revoked_at_s);
    f[6] = DAEMON_DIGEST("serial", row->serial);
    f[7] = DAEMON_NUM("shard", row->shard);
    *out = (struct daemon_entry){.action = "revocation", .fields = f, .n_fields = ENTRY_FIELDS};
    return CH_OK;
}

/* Logs rows[from..from+n); orders whose entry is refused by the log end with its error. */
static enum chancery_err log_some(struct work *w, size_t from, size_t n, struct diag *diag)
{
    struct daemon_entry *entries = arena_alloc(w->arena, n * sizeof(*entries));
    struct daemon_ack *acks = arena_alloc(w->arena, n * sizeof(*acks));
    if (entries == NULL || acks == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(make_entry(w, &w->rows[from + i], &entries[i]));
    }
    TRY(daemon_audit_append(w->rv->d, entries, n, APPEND_MS, acks, diag));
    for (size_t i = 0; i < n; i++) {
        struct revocation_outcome *out = &w->outcomes[w->todo[from + i]];
        w->rows[from + i].log_index = acks[i].index;
        if (acks[i].err != CH_OK) {
            out->err = acks[i].err;
            out->diag = acks[i].diag;
        }
    }
    return CH_OK;
}

static enum chancery_err log_all(struct work *w, struct diag *diag)
{
    w->rows = arena_alloc(w->arena, w->n_todo * sizeof(*w->rows));
    if (w->rows == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < w->n_todo; i++) {
        size_t at = w->todo[i];
        w->rows[i] = (struct revocation_row){.issuer_id = w->issuers[at]->id,
                                             .serial = w->orders[at].serial,
                                             .reason = w->orders[at].reason,
                                             .revoked_at_s = w->now_s,
                                             .shard = w->known[at].shard,
                                             .not_after_s = w->known[at].not_after_s,
                                             .actor = w->actor};
    }
    for (size_t from = 0; from < w->n_todo; from += DAEMON_APPEND_MAX) {
        size_t left = w->n_todo - from;
        TRY(log_some(w, from, left > DAEMON_APPEND_MAX ? DAEMON_APPEND_MAX : left, diag));
    }
    return CH_OK;
}

/* Drops rows whose entry the log refused. */
static void keep_logged(struct work *w)
{
    size_t kept = 0;
    for (size_t i = 0; i < w->n_todo; i++) {
        if (w->outcomes[w->todo[i]].err == CH_OK) {
            w->todo[kept] = w->todo[i];
            w->rows[kept++] = w->rows[i];
        }
    }
    w->n_todo = kept;
}

/* Another revocation of the same serial may have come first: what the table says is the answer. */
static enum chancery_err read_back(struct work *w, struct diag *diag)
{
    for (size_t i = 0; i < w->n_todo; i++) {
        w->keys[i] = (struct revocation_key){w->rows[i].issuer_id, w->rows[i].serial};
    }
    TRY(revocation_known_read(w->rv->db, w->keys, w->n_todo, w->known, diag));
    for (size_t i = 0; i < w->n_todo; i++) {
        struct revocation_outcome *out = &w->outcomes[w->todo[i]];
        if (!w->known[i].revoked) {
            return diag_set(diag, CH_INTEGRITY, "", "revoke.stored", "a stored row is not there");
        }
        out->revoked_at_s = w->known[i].row.revoked_at_s;
        out->log_index = w->known[i].row.log_index;
        out->already = w->known[i].row.log_index != w->rows[i].log_index;
    }
    return CH_OK;
}

static void tell_cache(const struct work *w)
{
    for (size_t i = 0; i < w->n_todo; i++) {
        revocation_cache_drop(w->rv->cache, w->issuers[w->todo[i]]->index, w->rows[i].serial);
    }
}

/* Orders for a certificate named earlier in the same call share its outcome. */
static void copy_repeated(struct work *w)
{
    for (size_t i = 0; i < w->n; i++) {
        size_t j = w->issuers[i] == NULL ? i : first_same(w, i);
        if (j != i && !w->outcomes[i].already) {
            w->outcomes[i] = w->outcomes[j];
            w->outcomes[i].already = w->outcomes[j].err == CH_OK;
        }
    }
}

static enum chancery_err work_init(struct work *w)
{
    w->issuers = arena_alloc(w->arena, w->n * sizeof(struct revocation_issuer *));
    w->keys = arena_alloc(w->arena, w->n * sizeof(*w->keys));
    w->known = arena_alloc(w->arena, w->n * sizeof(*w->known));
    w->todo = arena_alloc(w->arena, w->n * sizeof(*w->todo));
    for (size_t i = 0; i < w->n; i++) {
        w->outcomes[i] = (struct revocation_outcome){0};
    }
    return w->issuers == NULL || w->keys == NULL || w->known == NULL || w->todo == NULL ? CH_NOMEM
                                                                                        : CH_OK;
}

enum chancery_err revocation_revoke(struct revocation *rv, const struct revocation_order *orders,
                                    size_t n, const char *actor, const char *caller, int64_t now_s,
                                    struct arena *arena, struct revocation_outcome *outcomes,
                                    struct diag *diag)
{
    struct work w = {.rv = rv,
                     .orders = orders,
                     .outcomes = outcomes,
                     .n = n,
                     .actor = actor,
                     .caller = caller,
                     .now_s = now_s,
                     .arena = arena};
    TRY(work_init(&w));
    TRY(look_up(&w, diag));
    if (w.n_todo > 0) {
        TRY(log_all(&w, diag));
        keep_logged(&w);
        OS_FAILPOINT("revocation.logged");
    }
    if (w.n_todo > 0) {
        TRY(revocation_rows_store(rv->db, w.rows, w.n_todo, now_s, diag));
        OS_FAILPOINT("revocation.stored");
        tell_cache(&w);
        TRY(read_back(&w, diag));
    }
    copy_repeated(&w);
    return CH_OK;
}
