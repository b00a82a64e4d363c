/* Reading: entries and the checkpoint. Rows are read from the database, so what is read is durable.
 */
#include "chancery/audit/v1/audit.pb-c.h"
#include "leaf.h"
#include "service.h"
#include "store.h"

#define LIST_MAX 1000
#define LIST_DEFAULT 100
#define STREAM_CHUNK 256
#define FILTER_STEP 2048               /* entries looked at per piece when most do not match */
#define ANSWER_BYTES ((size_t)2 << 20) /* per message; the caller goes on from the last index */
#define TIME_MARGIN_MS 100

enum chancery_err audit_rpc_get_checkpoint(struct rpc_call *call, const ProtobufCMessage *in,
                                           ProtobufCMessage *out, void *ctx)
{
    (void)in;
    struct audit_service *s = ctx;
    Chancery__Audit__V1__GetCheckpointResponse *r =
        (Chancery__Audit__V1__GetCheckpointResponse *)out;
    CLEANUP(buf_clear) struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    uint64_t size = 0;
    TRY(audit_publisher_note(s->publisher, &note, &size, rpc_diag(call)));
    r->checkpoint = arena_str(rpc_arena(call), buf_slice(&note));
    return r->checkpoint == NULL ? CH_NOMEM : CH_OK;
}

/* Entries collected for one answer. */
struct collecting {
    struct arena *arena;
    Chancery__Audit__V1__LogEntry **list;
    size_t n, max, bytes;
    struct slice action, field, value; /* filters; empty: none */
    uint64_t next;                     /* index after the last one looked at */
};

static bool matches(const struct collecting *c, struct slice line)
{
    if (c->action.len == 0 && c->field.len == 0) {
        return true;
    }
    struct audit_leaf leaf;
    if (audit_leaf_read(line, &leaf, NULL) != CH_OK) {
        return false;
    }
    return (c->action.len == 0 || slice_eq(c->action, leaf.action)) &&
           (c->field.len == 0 || audit_fields_match(leaf.f, c->field, c->value));
}

static enum chancery_err collect(void *ctx, uint64_t index, struct slice line)
{
    struct collecting *c = ctx;
    if (c->n == c->max || c->bytes + line.len > ANSWER_BYTES) {
        return CH_END;
    }
    c->next = index + 1;
    if (!matches(c, line)) {
        return CH_OK;
    }
    Chancery__Audit__V1__LogEntry *e = arena_alloc(c->arena, sizeof *e);
    if (e == NULL) {
        return CH_NOMEM;
    }
    chancery__audit__v1__log_entry__init(e);
    e->index = index;
    e->leaf = rpc_bytes(c->arena, line);
    if (e->leaf.data == NULL) {
        return CH_NOMEM;
    }
    c->list[c->n++] = e;
    c->bytes += line.len;
    return CH_OK;
}

static bool full(const struct collecting *c)
{
    return c->n == c->max || c->bytes >= ANSWER_BYTES - AUDIT_LEAF_MAX;
}

/* Where a read of at most `want` entries ends: rows behind it would be fetched for nothing. */
static uint64_t read_end(uint64_t from, uint64_t size, uint64_t want)
{
    return size - from < want ? size : from + want;
}

static enum chancery_err time_left(struct rpc_call *call)
{
    if (rpc_cancelled(call)) {
        return CH_CANCELLED;
    }
    return rpc_time_left_ms(call) > TIME_MARGIN_MS ? CH_OK : CH_DEADLINE;
}

static enum chancery_err list_forward(struct rpc_call *call, struct db_conn *conn,
                                      struct collecting *c, uint64_t size)
{
    while (c->next < size && !full(c)) {
        uint64_t before = c->next;
        TRY(time_left(call));
        bool filtered = c->action.len > 0 || c->field.len > 0;
        uint64_t end = read_end(c->next, size, filtered ? FILTER_STEP : c->max - c->n);
        TRY(audit_store_read(conn, c->next, end, collect, c, rpc_diag(call)));
        if (c->next == before) {
            break;
        }
    }
    return CH_OK;
}

static void reverse(Chancery__Audit__V1__LogEntry **list, size_t n)
{
    for (size_t i = 0; i < n / 2; i++) {
        Chancery__Audit__V1__LogEntry *kept = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = kept;
    }
}

/* Reads pieces from the end; inside a piece entries come in order, so each is turned round. */
static enum chancery_err list_backward(struct rpc_call *call, struct db_conn *conn,
                                       struct collecting *c, uint64_t size)
{
    uint64_t end = size;
    size_t max = c->max;
    bool filtered = c->action.len > 0 || c->field.len > 0;
    uint64_t step = filtered && max < FILTER_STEP ? FILTER_STEP : max;
    Chancery__Audit__V1__LogEntry **list = arena_alloc(c->arena, (size_t)step * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    while (end > 0 && c->n < max && c->bytes < ANSWER_BYTES - AUDIT_LEAF_MAX) {
        uint64_t from = end > step ? end - step : 0;
        struct collecting piece = *c;
        piece.list = list;
        piece.n = 0;
        piece.bytes = 0;
        piece.max = (size_t)(end - from);
        piece.next = from;
        TRY(list_forward(call, conn, &piece, end));
        if (piece.next < end) { /* more bytes than one answer: a shorter piece from the end */
            step = step > 1 ? step / 2 : 1;
            continue;
        }
        reverse(piece.list, piece.n);
        for (size_t i = 0; i < piece.n && c->n < max && c->bytes < ANSWER_BYTES; i++) {
            c->list[c->n++] = piece.list[i];
            c->bytes += piece.list[i]->leaf.len;
        }
        end = from;
    }
    return CH_OK;
}

static enum chancery_err check_list(const Chancery__Audit__V1__ListEntriesRequest *m,
                                    struct diag *diag)
{
    if (m->count > LIST_MAX) {
        return diag_set(diag, CH_LIMIT, "count", "audit.list.count", "at most %d entries per call",
                        LIST_MAX);
    }
    if (m->first_index > INT64_MAX) {
        return diag_set(diag, CH_INVALID, "first_index", "audit.list.index", "no log is that long");
    }
    if (m->action[0] != '\0' && !audit_action_ok(slice_str(m->action))) {
        return diag_set(diag, CH_INVALID, "action", "audit.list.action", "not an action");
    }
    if (m->field[0] == '\0' && m->value[0] != '\0') {
        return diag_set(diag, CH_INVALID, "value", "audit.list.field",
                        "a value needs the name of a field");
    }
    if (!slice_is_utf8(slice_str(m->value)) || strlen(m->value) > AUDIT_TEXT_MAX ||
        strlen(m->field) > AUDIT_NAME_MAX) {
        return diag_set(diag, CH_INVALID, "value", "audit.list.value", "not a field's value");
    }
    return CH_OK;
}

enum chancery_err audit_rpc_list_entries(struct rpc_call *call, const ProtobufCMessage *in,
                                         ProtobufCMessage *out, void *ctx)
{
    struct audit_service *s = ctx;
    const Chancery__Audit__V1__ListEntriesRequest *m =
        (const Chancery__Audit__V1__ListEntriesRequest *)in;
    Chancery__Audit__V1__ListEntriesResponse *r = (Chancery__Audit__V1__ListEntriesResponse *)out;
    TRY(check_list(m, rpc_diag(call)));
    struct collecting c = {.arena = rpc_arena(call),
                           .max = m->count == 0 ? LIST_DEFAULT : m->count,
                           .action = slice_str(m->action),
                           .field = slice_str(m->field),
                           .value = slice_str(m->value),
                           .next = m->first_index};
    c.list = arena_alloc(c.arena, c.max * sizeof *c.list);
    if (c.list == NULL) {
        return CH_NOMEM;
    }
    struct db_conn *conn = NULL;
    TRY(db_acquire(s->pool, &conn, rpc_diag(call)));
    uint64_t size = 0;
    enum chancery_err err = audit_store_size(conn, &size, rpc_diag(call));
    if (err == CH_OK) {
        err = m->newest_first ? list_backward(call, conn, &c, size)
                              : list_forward(call, conn, &c, size);
    }
    db_release(conn);
    /* A filter may look at more than the deadline allows: what was found is an answer too. */
    if (err == CH_DEADLINE && c.n > 0) {
        err = CH_OK;
    }
    r->entries = c.list;
    r->n_entries = c.n;
    r->size = size;
    return err;
}

static enum chancery_err send_chunk(struct rpc_call *call, struct collecting *c)
{
    Chancery__Audit__V1__StreamEntriesResponse m =
        CHANCERY__AUDIT__V1__STREAM_ENTRIES_RESPONSE__INIT;
    m.entries = c->list;
    m.n_entries = c->n;
    return c->n == 0 ? CH_OK : rpc_send(call, &m.base);
}

enum chancery_err audit_rpc_stream_entries(struct rpc_call *call, const ProtobufCMessage *in,
                                           ProtobufCMessage *out, void *ctx)
{
    (void)out;
    struct audit_service *s = ctx;
    const Chancery__Audit__V1__StreamEntriesRequest *m =
        (const Chancery__Audit__V1__StreamEntriesRequest *)in;
    if (m->first_index > INT64_MAX) {
        return diag_set(rpc_diag(call), CH_INVALID, "first_index", "audit.list.index",
                        "no log is that long");
    }
    CLEANUP(arena_clear) struct arena arena = {0};
    uint64_t next = m->first_index;
    uint64_t size = UINT64_MAX;
    enum chancery_err err = CH_OK;
    while (err == CH_OK && next < size) {
        arena_reset(&arena);
        struct collecting c = {.arena = &arena, .max = STREAM_CHUNK, .next = next};
        c.list = arena_alloc(&arena, c.max * sizeof *c.list);
        if (c.list == NULL) {
            return CH_NOMEM;
        }
        /* A connection is held per piece only: slow readers must not keep it. */
        struct db_conn *conn = NULL;
        TRY(time_left(call));
        TRY(db_acquire(s->pool, &conn, rpc_diag(call)));
        err = size == UINT64_MAX ? audit_store_size(conn, &size, rpc_diag(call)) : CH_OK;
        if (err == CH_OK && next < size) {
            uint64_t end = read_end(next, size, STREAM_CHUNK);
            err = audit_store_read(conn, next, end, collect, &c, rpc_diag(call));
        }
        db_release(conn);
        if (err == CH_OK) {
            err = send_chunk(call, &c);
        }
        if (c.next == next) {
            break;
        }
        next = c.next;
    }
    return err;
}
