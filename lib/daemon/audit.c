/* The appender: entries of this process to chancery-audit, repeated with the same sequence until
 * their fate is known. */
#include <time.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "daemon_int.h"
#include "os/os.h"

#define ATTEMPT_MS 3000 /* one try; audit answers in milliseconds, or is away */
#define ATTEMPT_MIN_MS 50
#define BACKOFF_FIRST_MS 10
#define BACKOFF_MAX_MS 200
#define ONE_ENTRY_MS 5000

void daemon_audit_sink(struct daemon *d, daemon_sink_fn *fn, void *ctx)
{
    d->sink = fn;
    d->sink_ctx = ctx;
}

static ProtobufCBinaryData borrowed(struct slice s)
{
    return (ProtobufCBinaryData){s.len, (uint8_t *)(uintptr_t)s.ptr};
}

static enum chancery_err field_fill(struct arena *a, const struct daemon_field *in,
                                    Chancery__Audit__V1__Field *out)
{
    chancery__audit__v1__field__init(out);
    out->name = (char *)(uintptr_t)in->name;
    switch (in->type) {
    case DAEMON_FIELD_TEXT:
        out->value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_TEXT;
        out->text = arena_str(a, in->value);
        return out->text == NULL ? CH_NOMEM : CH_OK;
    case DAEMON_FIELD_DIGEST:
        out->value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_DIGEST;
        out->digest = borrowed(in->value);
        return CH_OK;
    case DAEMON_FIELD_NUMBER:
        out->value_case = CHANCERY__AUDIT__V1__FIELD__VALUE_NUMBER;
        out->number = in->num;
        return CH_OK;
    }
    return CH_INVALID;
}

static enum chancery_err entry_fill(struct arena *a, const struct daemon_entry *in,
                                    Chancery__Audit__V1__Entry *out)
{
    chancery__audit__v1__entry__init(out);
    out->action = (char *)(uintptr_t)in->action;
    out->permit_item = borrowed(in->permit_item);
    out->permit_expires_s = in->permit_expires_s;
    Chancery__Audit__V1__Field *fields = arena_alloc(a, (in->n_fields + 1) * sizeof *fields);
    Chancery__Audit__V1__Field **list = arena_alloc(a, (in->n_fields + 1) * sizeof *list);
    if (fields == NULL || list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < in->n_fields; i++) {
        TRY(field_fill(a, &in->fields[i], &fields[i]));
        list[i] = &fields[i];
    }
    out->fields = list;
    out->n_fields = in->n_fields;
    return CH_OK;
}

static enum chancery_err request_fill(struct daemon *d, struct arena *a, uint64_t sequence,
                                      const struct daemon_entry *entries, size_t n,
                                      Chancery__Audit__V1__AppendRequest *out)
{
    chancery__audit__v1__append_request__init(out);
    out->boot = borrowed(slice_of(d->boot, sizeof d->boot));
    out->sequence = sequence;
    Chancery__Audit__V1__Entry *list = arena_alloc(a, n * sizeof *list);
    out->entries = arena_alloc(a, n * sizeof(Chancery__Audit__V1__Entry *));
    if (list == NULL || out->entries == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(entry_fill(a, &entries[i], &list[i]));
        out->entries[i] = &list[i];
    }
    out->n_entries = n;
    return CH_OK;
}

static enum chancery_err acks_read(const Chancery__Audit__V1__AppendResponse *r, size_t n,
                                   struct daemon_ack *acks, struct diag *diag)
{
    if (r->n_acks != n) {
        return diag_set(diag, CH_INTEGRITY, "acks", "audit.acks", "%zu acks for %zu entries",
                        r->n_acks, n);
    }
    for (size_t i = 0; i < n; i++) {
        if (r->acks[i]->leaf_hash.len != 32 && r->acks[i]->leaf_hash.len != 0) {
            return diag_set(diag, CH_INTEGRITY, "acks.leaf_hash", "audit.acks", "bad leaf hash");
        }
    }
    for (size_t i = 0; i < n; i++) {
        acks[i] = (struct daemon_ack){.index = r->acks[i]->index};
        acks[i].err = rpc_error_read(r->acks[i]->error, &acks[i].diag);
        if (r->acks[i]->leaf_hash.len == 32) {
            memcpy(acks[i].leaf_hash, r->acks[i]->leaf_hash.data, 32);
        }
    }
    return CH_OK;
}

static bool worth_repeating(enum chancery_err err)
{
    return err == CH_UNAVAILABLE || err == CH_UNKNOWN || err == CH_BUSY || err == CH_DEADLINE ||
           err == CH_CANCELLED;
}

/* One try through the sink or the RPC. */
static enum chancery_err attempt(struct daemon *d,
                                 const Chancery__Audit__V1__AppendRequest *request,
                                 const struct daemon_entry *entries, size_t n, unsigned timeout_ms,
                                 struct daemon_ack *acks, struct diag *diag)
{
    if (d->sink != NULL) {
        return d->sink(d->sink_ctx, request->sequence, entries, n, acks, diag);
    }
    struct rpc_channel *audit = daemon_peer(d, "audit");
    if (audit == NULL) {
        return diag_set(diag, CH_PRECONDITION, "peers.audit", "conf.peers", "no peer \"audit\"");
    }
    CLEANUP(arena_clear) struct arena arena = {0};
    ProtobufCMessage *m = NULL;
    TRY(rpc_call_unary(audit, &chancery__audit__v1__audit_service__descriptor, "Append",
                       &request->base, timeout_ms, &arena, &m, diag));
    return acks_read((const Chancery__Audit__V1__AppendResponse *)m, n, acks, diag);
}

enum chancery_err daemon_audit_append(struct daemon *d, const struct daemon_entry *entries,
                                      size_t n, unsigned timeout_ms, struct daemon_ack *acks,
                                      struct diag *diag)
{
    if (n == 0 || n > DAEMON_APPEND_MAX || timeout_ms == 0) {
        return diag_set(diag, CH_INVALID, "entries", "audit.count", "1 to %d entries",
                        DAEMON_APPEND_MAX);
    }
    CLEANUP(arena_clear) struct arena arena = {0};
    Chancery__Audit__V1__AppendRequest request;
    TRY(request_fill(d, &arena, atomic_fetch_add(&d->sequence, 1) + 1, entries, n, &request));
    int64_t until = os_mono_ms() + timeout_ms;
    int64_t backoff = BACKOFF_FIRST_MS;
    bool unknown = false;
    for (;;) {
        int64_t left = until - os_mono_ms();
        left = left < ATTEMPT_MIN_MS ? ATTEMPT_MIN_MS : left > ATTEMPT_MS ? ATTEMPT_MS : left;
        enum chancery_err err = attempt(d, &request, entries, n, (unsigned)left, acks, diag);
        if (!worth_repeating(err)) {
            /* A try whose answer was lost may have been appended, whatever a later one says. */
            return err != CH_OK && unknown ? CH_UNKNOWN : err;
        }
        unknown = unknown || (err != CH_UNAVAILABLE && err != CH_BUSY);
        if (os_mono_ms() + backoff >= until) {
            return unknown ? CH_UNKNOWN : err;
        }
        (void)nanosleep(&(struct timespec){0, (long)(backoff * 1000000)}, NULL);
        backoff = backoff * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : backoff * 2;
    }
}

enum chancery_err daemon_audit(struct daemon *d, const char *action,
                               const struct daemon_field *fields, size_t n_fields,
                               uint64_t *out_index, struct diag *diag)
{
    struct daemon_entry entry = {.action = action, .fields = fields, .n_fields = n_fields};
    struct daemon_ack ack = {0};
    TRY(daemon_audit_append(d, &entry, 1, ONE_ENTRY_MS, &ack, diag));
    if (ack.err != CH_OK && diag != NULL) {
        *diag = ack.diag;
    }
    if (ack.err == CH_OK && out_index != NULL) {
        *out_index = ack.index;
    }
    return ack.err;
}
