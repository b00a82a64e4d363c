/* What Permit leaves in the history, and ReadHistory. */
#include <stdlib.h>

#include "conf/conf.h"
#include "log/log.h"
#include "os/os.h"
#include "service.h"
#include "trial/usage.h"

#define WRITE_MS 200 /* how long a record waits for its row */
#define PURGE_MS 60000
#define WRITE_TASK "history"
#define DROPPED_LINE_S 60 /* at most one line a minute says what was dropped */

/* ---- keeping ---- */

static enum chancery_err write_record(const struct policy_decision *d,
                                      const Chancery__Policy__V1__CertificateItem *in,
                                      const uint8_t bundle_sha256[32], int64_t now_s,
                                      struct buf *out)
{
    struct buf usage CLEANUP(buf_clear);
    buf_init(&usage, TRIAL_USAGE_MAX);
    if (d->limited != NULL) {
        TRY(trial_usage_write(&d->limited->usage, &d->limited->limits, &usage));
    }
    struct trial_record r = {.usage = buf_slice(&usage),

                             .judged_at_s = now_s,
                             .permitted = d->err == CH_OK,
                             .failed = slice_str(d->failed)};
    size_t len = chancery__policy__v1__certificate_item__get_packed_size(in);
    uint8_t *packed = malloc(len + 1);
    if (packed == NULL) {
        return CH_NOMEM;
    }
    r.item = slice_of(packed, chancery__policy__v1__certificate_item__pack(in, packed));
    memcpy(r.bundle_sha256, bundle_sha256, 32);
    memcpy(r.rules_sha256, d->item.rules_sha256, 32);
    memcpy(r.tbs_sha256, d->item.tbs_sha256, 32);
    enum chancery_err err = trial_record_write(&r, out);
    free(packed);
    return err;
}

void policy_history_keep(const struct policy_service *s,
                         const Chancery__Policy__V1__PermitRequest *in,
                         const struct policy_decision *items, const uint8_t bundle_sha256[32],
                         int64_t now_s)
{
    struct buf records CLEANUP(buf_clear);
    uint32_t n = 0, permitted = 0;
    buf_init(&records, TRIAL_BODY_MAX);
    for (size_t i = 0; i < in->n_items; i++) {
        /* Memory, and requests of a size that the history has no room for: left out. */
        if (items[i].judged && write_record(&items[i], in->items[i]->certificate, bundle_sha256,
                                            now_s, &records) == CH_OK) {
            n++;
            permitted += items[i].err == CH_OK ? 1 : 0;
        }
    }
    if (policy_history_add(s->history, buf_slice(&records), n, permitted, now_s)) {
        daemon_every_wake(s->daemon, WRITE_TASK);
    }
}

static void write_task(void *ctx)
{
    struct policy_service *s = ctx;
    struct diag diag = {.text = ""};
    enum chancery_err err = policy_history_write(s->history, &diag);
    uint64_t dropped = policy_history_dropped(s->history);
    int64_t now_ms = os_mono_ms();
    bool due = s->history_line_ms == 0 || now_ms - s->history_line_ms > DROPPED_LINE_S * 1000;
    if (due && (dropped > s->history_dropped || (err != CH_OK && err != CH_UNAVAILABLE))) {
        log_event(LOG_LEVEL_WARN, "policy.history",
                  LOG_NUM("dropped", dropped - s->history_dropped),
                  LOG_STR("error", err == CH_OK ? "" : err_name(err)), LOG_STR("text", diag.text));
        s->history_dropped = dropped;
        s->history_line_ms = now_ms;
    }
}

static void purge_task(void *ctx)
{
    struct policy_service *s = ctx;
    struct diag diag = {.text = ""};
    int64_t now_s = os_now_s(), db_now = 0;
    /* A clock that ran ahead must not forget. */
    enum chancery_err err = db_now_s(s->db, &db_now, &diag);
    if (err == CH_OK) {
        err = policy_history_purge(s->history, db_now < now_s ? db_now : now_s, &diag);
    }
    if (err != CH_OK && err != CH_UNAVAILABLE) {
        log_diag(LOG_LEVEL_WARN, "policy.history.purge", err, &diag);
    }
}

static void last_write(void *ctx)
{
    struct policy_service *s = ctx;
    write_task(s);
}

/* ---- who may read ---- */

static enum chancery_err read_readers(struct policy_service *s, struct diag *diag)
{
    const struct conf_node *nodes = NULL;
    TRY(conf_list(daemon_conf(s->daemon), "history_readers", CONF_OPTIONAL, &nodes, diag));
    size_t n = conf_count(nodes);
    if (n > POLICY_HISTORY_READERS_MAX) {
        return conf_error(nodes, CH_LIMIT, "config.history_readers", diag, "at most %d readers",
                          POLICY_HISTORY_READERS_MAX);
    }
    for (size_t i = 0; i < n; i++) {
        TRY(conf_scalar(conf_at(nodes, i), &s->history_readers[i], diag));
        if (strncmp(s->history_readers[i], "/user/", 6) != 0) {
            return conf_error(
                conf_at(nodes, i), CH_INVALID, "config.history_readers", diag,
                "write a person's identity of this trust domain, such as /user/alice");
        }
    }
    return CH_OK;
}

enum chancery_err policy_history_open(struct policy_service *s, struct diag *diag)
{
    int64_t days = POLICY_HISTORY_DAYS;
    TRY(conf_int(daemon_conf(s->daemon), "history_days", CONF_OPTIONAL, 0, POLICY_HISTORY_DAYS_MAX,
                 &days, diag));
    TRY(read_readers(s, diag));
    s->history = policy_history_new(s->db, (unsigned)days);
    if (s->history == NULL) {
        return CH_NOMEM;
    }
    TRY(daemon_every(s->daemon, WRITE_TASK, WRITE_MS, write_task, s));
    TRY(daemon_every(s->daemon, "history.purge", PURGE_MS, purge_task, s));
    return daemon_on_stop(s->daemon, last_write, s);
}

/* ---- reading ---- */

struct reading {
    struct rpc_call *call;
    const uint8_t *tbs_sha256; /* NULL: all */
};

static enum chancery_err send_records(struct rpc_call *call, struct slice records)
{
    Chancery__Policy__V1__ReadHistoryResponse m = CHANCERY__POLICY__V1__READ_HISTORY_RESPONSE__INIT;
    m.records = (ProtobufCBinaryData){records.len, (uint8_t *)(uintptr_t)records.ptr};
    return rpc_send(call, &m.base);
}

static enum chancery_err send_row(void *ctx, struct slice records)
{
    const struct reading *reading = ctx;
    if (reading->tbs_sha256 == NULL) {
        return send_records(reading->call, records);
    }
    struct slice rest = records;
    struct trial_record r;
    for (;;) {
        struct slice before = rest;
        enum chancery_err err = trial_record_next(&rest, &r, rpc_diag(reading->call));
        if (err != CH_OK) {
            return err == CH_END ? CH_OK : err;
        }
        if (memcmp(r.tbs_sha256, reading->tbs_sha256, 32) == 0) {
            TRY(send_records(reading->call, slice_sub(before, 0, before.len - rest.len)));
        }
    }
}

static Chancery__Policy__V1__HistoryIssuer *issuer_message(const struct policy_issuer *i,
                                                           struct arena *arena)
{
    Chancery__Policy__V1__HistoryIssuer *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    chancery__policy__v1__history_issuer__init(m);
    m->issuer_id = arena_str(arena, slice_str(i->issuer_id));
    m->subject = rpc_bytes(arena, i->subject);
    m->ski = rpc_bytes(arena, i->ski);
    m->spki_sha256 = rpc_bytes(arena, slice_of(i->spki_sha256, 32));
    m->key_type = arena_str(arena, slice_str(crypto_key_type_name(i->key_type)));
    m->not_after_s = i->not_after_s;
    m->shards = i->shards;
    m->cas_below = i->cas_below;
    m->crl_url_base = arena_str(arena, slice_str(i->crl_url_base));
    m->ocsp_url = arena_str(arena, slice_str(i->ocsp_url));
    m->aia_url_base = arena_str(arena, slice_str(i->aia_url_base));
    return m->issuer_id == NULL || m->key_type == NULL || m->crl_url_base == NULL ||
                   m->ocsp_url == NULL || m->aia_url_base == NULL
               ? NULL
               : m;
}

static enum chancery_err send_head(const struct policy_service *s, struct rpc_call *call)
{
    struct arena *arena = rpc_arena(call);
    const struct policy_life_item *bundle = NULL;
    Chancery__Policy__V1__HistoryHead head = CHANCERY__POLICY__V1__HISTORY_HEAD__INIT;
    Chancery__Policy__V1__ReadHistoryResponse m = CHANCERY__POLICY__V1__READ_HISTORY_RESPONSE__INIT;
    head.trust_domain = arena_str(arena, slice_str(daemon_trust_domain(s->daemon)));
    TRY(policy_bundles_take(s->bundles, slice_of(NULL, 0), os_now_s(), &bundle, rpc_diag(call)));
    head.bundle_sha256 = rpc_bytes(arena, slice_of(bundle->sha256, 32));
    policy_bundles_drop(s->bundles, bundle);
    head.issuers = arena_alloc(arena, s->issuers.n * sizeof *head.issuers);
    head.own_keys = arena_alloc(arena, s->issuers.n_own_keys * sizeof *head.own_keys);
    if (head.trust_domain == NULL || head.issuers == NULL || head.own_keys == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s->issuers.n; i++) {
        head.issuers[i] = issuer_message(&s->issuers.list[i], arena);
        if (head.issuers[i] == NULL) {
            return CH_NOMEM;
        }
    }
    for (size_t i = 0; i < s->issuers.n_own_keys; i++) {
        head.own_keys[i] = rpc_bytes(arena, slice_of(s->issuers.own_keys[i], 32));
    }
    head.n_issuers = s->issuers.n;
    head.n_own_keys = s->issuers.n_own_keys;
    m.head = &head;
    return rpc_send(call, &m.base);
}

enum chancery_err policy_rpc_read_history(struct rpc_call *call, const ProtobufCMessage *in_message,
                                          ProtobufCMessage *out, void *ctx)
{
    const struct policy_service *s = ctx;
    const Chancery__Policy__V1__ReadHistoryRequest *in =
        (const Chancery__Policy__V1__ReadHistoryRequest *)in_message;
    struct reading reading = {.call = call};
    (void)out;
    if (in->from_s < 0 || in->to_s < in->from_s) {
        return diag_set(rpc_diag(call), CH_INVALID, "to_s", "history.span",
                        "the span of time ends before it begins");
    }
    if (in->tbs_sha256.len == 32) {
        reading.tbs_sha256 = in->tbs_sha256.data;
    } else if (in->tbs_sha256.len != 0) {
        return diag_set(rpc_diag(call), CH_INVALID, "tbs_sha256", "history.tbs",
                        "a digest has 32 octets");
    }
    /* Names of many requesters leave here: who took them is written down first. */
    const struct daemon_field fields[] = {DAEMON_STR("caller", rpc_caller(call)),
                                          DAEMON_NUM("from", in->from_s),
                                          DAEMON_NUM("to", in->to_s)};
    TRY(daemon_audit(s->daemon, "history-read", fields, 3, NULL, rpc_diag(call)));
    TRY(send_head(s, call));
    return policy_history_read(s->history, in->from_s, in->to_s, send_row, &reading,
                               rpc_diag(call));
}
