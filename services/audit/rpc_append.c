/* Append: from the wire to the writer, and back without holding a worker. */
#include <pthread.h>

#include "chancery/audit/v1/audit.pb-c.h"
#include "service.h"

static enum chancery_err read_field(const Chancery__Audit__V1__Field *m, struct audit_field *out)
{
    out->name = slice_str(m->name);
    switch (m->value_case) {
    case CHANCERY__AUDIT__V1__FIELD__VALUE_TEXT:
        out->type = AUDIT_TEXT;
        out->value = slice_str(m->text);
        return CH_OK;
    case CHANCERY__AUDIT__V1__FIELD__VALUE_DIGEST:
        out->type = AUDIT_DIGEST;
        out->value = rpc_slice(m->digest);
        return CH_OK;
    case CHANCERY__AUDIT__V1__FIELD__VALUE_NUMBER:
        out->type = AUDIT_NUMBER;
        out->num = m->number;
        return CH_OK;
    case CHANCERY__AUDIT__V1__FIELD__VALUE__NOT_SET:
    case _CHANCERY__AUDIT__V1__FIELD__VALUE__CASE_IS_INT_SIZE:
        break;
    }
    out->type = 0; /* audit_fields_write refuses it by name */
    return CH_OK;
}

static enum chancery_err read_entries(const Chancery__Audit__V1__AppendRequest *m,
                                      struct arena *arena, struct audit_entry **out)
{
    struct audit_entry *entries = arena_alloc(arena, (m->n_entries + 1) * sizeof *entries);
    if (entries == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < m->n_entries; i++) {
        const Chancery__Audit__V1__Entry *e = m->entries[i];
        struct audit_field *fields = arena_alloc(arena, (e->n_fields + 1) * sizeof *fields);
        if (fields == NULL) {
            return CH_NOMEM;
        }
        for (size_t k = 0; k < e->n_fields; k++) {
            TRY(read_field(e->fields[k], &fields[k]));
        }
        entries[i] = (struct audit_entry){.action = slice_str(e->action),
                                          .fields = fields,
                                          .n_fields = e->n_fields,
                                          .permit_item = rpc_slice(e->permit_item),
                                          .permit_expires_s = e->permit_expires_s};
    }
    *out = entries;
    return CH_OK;
}

/* One Append call; lives in the call's arena. */
struct append_call {
    struct audit_append append;
    struct rpc_call *call;
    Chancery__Audit__V1__AppendResponse *out;
};

static const char refusal_text[] = "the log refused this intent";

static enum chancery_err write_acks(struct arena *arena, const struct audit_ack *acks, size_t n,
                                    Chancery__Audit__V1__AppendResponse *out)
{
    Chancery__Audit__V1__Ack *list = arena_alloc(arena, n * sizeof *list);
    Chancery__Audit__V1__Ack **table = arena_alloc(arena, n * sizeof(Chancery__Audit__V1__Ack *));
    if (list == NULL || table == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__audit__v1__ack__init(&list[i]);
        table[i] = &list[i];
        if (acks[i].err != CH_OK) {
            struct diag diag = {0};
            (void)diag_set(&diag, acks[i].err, "permit_item", acks[i].rule, "%s", refusal_text);
            list[i].error = rpc_error_detail(arena, acks[i].err, &diag);
            if (list[i].error == NULL) {
                return CH_NOMEM;
            }
            continue;
        }
        list[i].index = acks[i].index;
        list[i].leaf_hash = rpc_bytes(arena, slice_of(acks[i].leaf_hash.b, TLOG_HASH));
        if (list[i].leaf_hash.data == NULL) {
            return CH_NOMEM;
        }
    }
    out->acks = table;
    out->n_acks = n;
    return CH_OK;
}

static void append_done(struct audit_append *a, enum chancery_err err)
{
    struct append_call *c = a->ctx;
    if (err == CH_OK) {
        err = write_acks(rpc_arena(c->call), a->acks, a->n, c->out);
    } else {
        *rpc_diag(c->call) = a->diag;
    }
    rpc_finish(c->call, err);
}

/* Everything that needs no order among Appends happens here, on the caller's worker. */
static enum chancery_err prepare(const struct audit_service *s, struct arena *arena,
                                 const char *producer, const struct audit_entry *entries, size_t n,
                                 struct audit_append *a, struct diag *diag)
{
    struct audit_role role = {.signer = strcmp(producer, s->signer) == 0};
    a->producer = slice_str(producer);
    if (!audit_producer_ok(a->producer)) {
        return diag_set(diag, CH_DENIED, "producer", "audit.producer",
                        "the identity cannot be a producer");
    }
    if (n == 0 || n > AUDIT_ENTRIES_MAX) {
        return diag_set(diag, CH_INVALID, "entries", "audit.entries.count",
                        "1 to %d entries per Append", AUDIT_ENTRIES_MAX);
    }
    struct audit_item *items = arena_alloc(arena, n * sizeof *items);
    a->acks = arena_alloc(arena, n * sizeof *a->acks);
    if (items == NULL || a->acks == NULL) {
        return CH_NOMEM;
    }
    a->items = items;
    a->n = n;
    return audit_entries_prepare(entries, n, role, arena, items, &a->priority, diag);
}

enum chancery_err audit_rpc_append(struct rpc_call *call, const ProtobufCMessage *in,
                                   ProtobufCMessage *out, void *ctx)
{
    struct audit_service *s = ctx;
    const Chancery__Audit__V1__AppendRequest *m = (const Chancery__Audit__V1__AppendRequest *)in;
    struct diag *diag = rpc_diag(call);
    if (m->boot.len != AUDIT_BOOT) {
        return diag_set(diag, CH_INVALID, "boot", "audit.boot", "boot is %d octets", AUDIT_BOOT);
    }
    if (m->sequence == 0 || m->sequence > INT64_MAX) {
        return diag_set(diag, CH_INVALID, "sequence", "audit.sequence", "sequences begin at 1");
    }
    struct append_call *c = arena_alloc(rpc_arena(call), sizeof *c);
    struct audit_entry *entries = NULL;
    if (c == NULL) {
        return CH_NOMEM;
    }
    TRY(read_entries(m, rpc_arena(call), &entries));
    TRY(prepare(s, rpc_arena(call), rpc_caller(call), entries, m->n_entries, &c->append, diag));
    memcpy(c->append.boot, m->boot.data, AUDIT_BOOT);
    c->append.sequence = m->sequence;
    c->append.done = append_done;
    c->append.ctx = c;
    c->call = call;
    c->out = (Chancery__Audit__V1__AppendResponse *)out;
    /* Deferred before it is queued: the writer may be done with it at once. */
    rpc_defer(call);
    enum chancery_err err = audit_writer_submit(s->writer, &c->append, diag);
    if (err != CH_OK) {
        rpc_finish(call, err);
    }
    return CH_OK;
}

/* ---- the log's own entries ---- */

struct sink_wait {
    pthread_mutex_t mutex;
    pthread_cond_t cond;
    bool done;
    enum chancery_err err;
};

static void sink_done(struct audit_append *a, enum chancery_err err)
{
    struct sink_wait *w = a->ctx;
    (void)pthread_mutex_lock(&w->mutex);
    w->done = true;
    w->err = err;
    (void)pthread_cond_signal(&w->cond);
    (void)pthread_mutex_unlock(&w->mutex);
}

static enum chancery_err sink_entries(struct arena *arena, const struct daemon_entry *in, size_t n,
                                      struct audit_entry **out)
{
    struct audit_entry *entries = arena_alloc(arena, n * sizeof *entries);
    if (entries == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        struct audit_field *fields = arena_alloc(arena, (in[i].n_fields + 1) * sizeof *fields);
        if (fields == NULL) {
            return CH_NOMEM;
        }
        for (size_t k = 0; k < in[i].n_fields; k++) {
            const struct daemon_field *f = &in[i].fields[k];
            fields[k] =
                (struct audit_field){.name = slice_str(f->name),
                                     .type = f->type == DAEMON_FIELD_TEXT     ? AUDIT_TEXT
                                             : f->type == DAEMON_FIELD_DIGEST ? AUDIT_DIGEST
                                                                              : AUDIT_NUMBER,
                                     .value = f->value,
                                     .num = f->num};
        }
        entries[i] = (struct audit_entry){.action = slice_str(in[i].action),
                                          .fields = fields,
                                          .n_fields = in[i].n_fields,
                                          .permit_item = in[i].permit_item,
                                          .permit_expires_s = in[i].permit_expires_s};
    }
    *out = entries;
    return CH_OK;
}

static enum chancery_err submit_and_wait(struct audit_service *s, struct audit_append *a,
                                         struct diag *diag)
{
    struct sink_wait w = {.done = false};
    (void)pthread_mutex_init(&w.mutex, NULL);
    (void)pthread_cond_init(&w.cond, NULL);
    a->done = sink_done;
    a->ctx = &w;
    enum chancery_err err = audit_writer_submit(s->writer, a, diag);
    if (err == CH_OK) {
        (void)pthread_mutex_lock(&w.mutex);
        while (!w.done) {
            (void)pthread_cond_wait(&w.cond, &w.mutex);
        }
        (void)pthread_mutex_unlock(&w.mutex);
        err = w.err;
        if (err != CH_OK && diag != NULL) {
            *diag = a->diag;
        }
    }
    (void)pthread_cond_destroy(&w.cond);
    (void)pthread_mutex_destroy(&w.mutex);
    return err;
}

enum chancery_err audit_sink(void *ctx, uint64_t sequence, const struct daemon_entry *entries,
                             size_t n, struct daemon_ack *acks, struct diag *diag)
{
    struct audit_service *s = ctx;
    CLEANUP(arena_clear) struct arena arena = {0};
    struct audit_append a = {.sequence = sequence};
    struct audit_entry *own = NULL;
    TRY(sink_entries(&arena, entries, n, &own));
    TRY(prepare(s, &arena, daemon_identity(s->daemon), own, n, &a, diag));
    memcpy(a.boot, daemon_boot(s->daemon), AUDIT_BOOT);
    TRY(submit_and_wait(s, &a, diag));
    for (size_t i = 0; i < n; i++) {
        acks[i] = (struct daemon_ack){.err = a.acks[i].err, .index = a.acks[i].index};
        memcpy(acks[i].leaf_hash, a.acks[i].leaf_hash.b, TLOG_HASH);
    }
    return CH_OK;
}
