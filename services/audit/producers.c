/* Windows of recent Appends: one ring per (producer, boot), addressed by sequence. Sequences may
 * come out of order within the window. */
#include "producers.h"

#include <assert.h>
#include <stdlib.h>

struct stream {
    uint8_t boot[AUDIT_BOOT];
    size_t producer_len;
    int64_t used_s;             /* last use, in the log's time */
    uint64_t gone;              /* highest sequence that left the window */
    size_t cap;                 /* of the ring: power of two up to AUDIT_WINDOW */
    struct audit_record **ring; /* record of a sequence: at sequence % cap */
    uint8_t producer[];
};
struct audit_producers {
    struct stream **streams;
    size_t n, cap;
    int64_t now_s;
};
#define FIRST_RING 8

struct audit_producers *audit_producers_new(void)
{
    return calloc(1, sizeof(struct audit_producers));
}

static void record_free(struct audit_record *r)
{
    if (r != NULL) {
        free(r->hashes);
        free(r->refused);
        free(r);
    }
}

static void stream_free(struct stream *s)
{
    for (size_t i = 0; s != NULL && s->ring != NULL && i < s->cap; i++) {
        record_free(s->ring[i]);
    }
    if (s != NULL) {
        free(s->ring);
        free(s);
    }
}

void audit_producers_free(struct audit_producers *p)
{
    if (p == NULL) {
        return;
    }
    for (size_t i = 0; i < p->n; i++) {
        stream_free(p->streams[i]);
    }
    free(p->streams);
    free(p);
}

void audit_producers_clock(struct audit_producers *p, int64_t now_s)
{
    p->now_s = now_s > p->now_s ? now_s : p->now_s;
}

static struct stream *locate(struct audit_producers *p, struct slice producer,
                             const uint8_t boot[AUDIT_BOOT])
{
    /* Newest first: those are the ones in use. */
    for (size_t i = p->n; i > 0; i--) {
        struct stream *s = p->streams[i - 1];
        if (memcmp(s->boot, boot, AUDIT_BOOT) == 0 &&
            slice_eq(slice_of(s->producer, s->producer_len), producer)) {
            s->used_s = p->now_s;
            return s;
        }
    }
    return NULL;
}

/* Forgets what nobody used for long; counts what the producer has. */
static size_t sweep(struct audit_producers *p, struct slice producer)
{
    size_t kept = 0;
    size_t same = 0;
    for (size_t i = 0; i < p->n; i++) {
        struct stream *s = p->streams[i];
        if (s->used_s < p->now_s - AUDIT_STREAM_KEEP_S) {
            stream_free(s);
            continue;
        }
        same += slice_eq(slice_of(s->producer, s->producer_len), producer) ? 1 : 0;
        p->streams[kept++] = s;
    }
    p->n = kept;
    return same;
}

static enum chancery_err add_stream(struct audit_producers *p, struct slice producer,
                                    const uint8_t boot[AUDIT_BOOT], struct stream **out,
                                    struct diag *diag)
{
    if (sweep(p, producer) >= AUDIT_STREAMS_PER_PRODUCER || p->n >= AUDIT_STREAMS_MAX) {
        return diag_set(diag, CH_BUSY, "boot", "audit.streams",
                        "too many starts of this producer lately");
    }
    if (p->n == p->cap) {
        size_t cap = p->cap == 0 ? 16 : 2 * p->cap;
        struct stream **more = realloc(p->streams, cap * sizeof *more);
        if (more == NULL) {
            return CH_NOMEM;
        }
        p->streams = more;
        p->cap = cap;
    }
    struct stream *s = calloc(1, sizeof *s + producer.len);
    if (s != NULL) {
        s->cap = FIRST_RING;
        s->ring = calloc(s->cap, sizeof(struct audit_record *));
    }
    if (s == NULL || s->ring == NULL) {
        stream_free(s);
        return CH_NOMEM;
    }
    memcpy(s->producer, producer.ptr, producer.len);
    s->producer_len = producer.len;
    memcpy(s->boot, boot, AUDIT_BOOT);
    s->used_s = p->now_s;
    p->streams[p->n++] = s;
    *out = s;
    return CH_OK;
}

/* The ring grows before a record is pushed out of a window that is not at its full size yet. */
static enum chancery_err place_for(struct stream *s, uint64_t sequence, struct audit_record ***out)
{
    while (s->ring[sequence % s->cap] != NULL && s->cap < AUDIT_WINDOW) {
        size_t cap = 2 * s->cap;
        struct audit_record **ring = calloc(cap, sizeof(struct audit_record *));
        if (ring == NULL) {
            return CH_NOMEM;
        }
        for (size_t i = 0; i < s->cap; i++) {
            if (s->ring[i] != NULL) {
                ring[s->ring[i]->sequence % cap] = s->ring[i];
            }
        }
        free(s->ring);
        s->ring = ring;
        s->cap = cap;
    }
    *out = &s->ring[sequence % s->cap];
    return CH_OK;
}

static enum chancery_err too_old(struct diag *diag)
{
    return diag_set(
        diag, CH_PRECONDITION, "sequence", "audit.sequence.old",
        "the sequence is older than the last %d of this boot: its outcome is in the log only",
        AUDIT_WINDOW);
}

enum chancery_err audit_producers_find(struct audit_producers *p, struct slice producer,
                                       const uint8_t boot[AUDIT_BOOT], uint64_t sequence,
                                       struct audit_record **out, struct diag *diag)
{
    struct stream *s = locate(p, producer, boot);
    if (s == NULL) {
        return CH_NOT_FOUND;
    }
    struct audit_record *r = s->ring[sequence % s->cap];
    if (r != NULL && r->sequence == sequence) {
        *out = r;
        return CH_OK;
    }
    return sequence <= s->gone ? too_old(diag) : CH_NOT_FOUND;
}

static enum chancery_err open_record(struct stream *s, uint64_t sequence, struct audit_record **out,
                                     struct diag *diag)
{
    struct audit_record **place = NULL;
    TRY(place_for(s, sequence, &place));
    if (sequence <= s->gone || (*place != NULL && (*place)->sequence >= sequence)) {
        return too_old(diag);
    }
    struct audit_record *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return CH_NOMEM;
    }
    if (*place != NULL) {
        s->gone = (*place)->sequence > s->gone ? (*place)->sequence : s->gone;
        record_free(*place);
    }
    r->sequence = sequence;
    *place = r;
    *out = r;
    return CH_OK;
}

enum chancery_err audit_producers_open(struct audit_producers *p, struct slice producer,
                                       const uint8_t boot[AUDIT_BOOT], uint64_t sequence,
                                       struct audit_record **out, struct diag *diag)
{
    assert(producer.len <= AUDIT_PRODUCER_MAX);
    struct stream *s = locate(p, producer, boot);
    enum chancery_err err = s == NULL ? add_stream(p, producer, boot, &s, diag) : CH_OK;
    if (err == CH_OK) {
        err = open_record(s, sequence, out, diag);
    }
    return err == CH_NOMEM ? diag_set(diag, err, "", "audit.memory", "out of memory") : err;
}

/* Makes room for item `n` of an array that grows by doubling; n is the present count. */
static void *grown(void *array, size_t n, size_t size)
{
    if (n != 0 && (n & (n - 1)) != 0) {
        return array;
    }
    return realloc(array, (n == 0 ? 1 : 2 * n) * size);
}

static void chain(uint8_t content[32], struct slice action, struct slice f)
{
    uint8_t parts[3 * 32];
    memcpy(parts, content, 32);
    crypto_sha256(action, parts + 32);
    crypto_sha256(f, parts + 64);
    crypto_sha256(slice_of(parts, sizeof parts), content);
}

enum chancery_err audit_record_accept(struct audit_record *r, uint64_t index,
                                      const struct tlog_hash *leaf_hash, struct slice action,
                                      struct slice f)
{
    if (r->n > 0 && index != r->first_index + r->n) {
        return CH_INTEGRITY;
    }
    struct tlog_hash *hashes = grown(r->hashes, r->n, sizeof *hashes);
    if (hashes == NULL) {
        return CH_NOMEM;
    }
    r->hashes = hashes;
    r->first_index = r->n == 0 ? index : r->first_index;
    hashes[r->n++] = *leaf_hash;
    chain(r->content, action, f);
    return CH_OK;
}

enum chancery_err audit_record_refuse(struct audit_record *r, uint32_t place, const char *rule)
{
    struct audit_refusal refusal = {.place = place};
    refusal.rule = audit_refusal_rule(slice_str(rule), &refusal.err);
    if (refusal.rule == NULL || (r->n_refused > 0 && r->refused[r->n_refused - 1].place >= place)) {
        return CH_INTEGRITY;
    }
    struct audit_refusal *refused = grown(r->refused, r->n_refused, sizeof *refused);
    if (refused == NULL) {
        return CH_NOMEM;
    }
    r->refused = refused;
    refused[r->n_refused++] = refusal;
    return CH_OK;
}

bool audit_record_same(const struct audit_record *r, const struct audit_item *items, size_t n)
{
    if (n != (size_t)r->n + r->n_refused) {
        return false;
    }
    uint8_t content[32] = {0};
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (next < r->n_refused && r->refused[next].place == i) {
            next++;
        } else {
            chain(content, items[i].action, items[i].f);
        }
    }
    return next == r->n_refused && memcmp(content, r->content, sizeof content) == 0;
}

void audit_record_acks(const struct audit_record *r, struct audit_ack *out)
{
    size_t refused = 0;
    size_t accepted = 0;
    for (size_t i = 0; i < (size_t)r->n + r->n_refused; i++) {
        out[i] = (struct audit_ack){0};
        if (refused < r->n_refused && r->refused[refused].place == i) {
            out[i].err = r->refused[refused].err;
            out[i].rule = r->refused[refused].rule;
            refused++;
        } else {
            out[i].index = r->first_index + accepted;
            out[i].leaf_hash = r->hashes[accepted];
            accepted++;
        }
    }
}

const char *audit_refusal_rule(struct slice text, enum chancery_err *out_err)
{
    static const char *const rules[] = {AUDIT_RULE_USED, AUDIT_RULE_EXPIRED, AUDIT_RULE_TERM};
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if (slice_eq(text, slice_str(rules[i]))) {
            *out_err = CH_PRECONDITION;
            return rules[i];
        }
    }
    return NULL;
}
