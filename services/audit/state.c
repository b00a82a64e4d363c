/* Rebuilds the writer's state from the log: next index, last time, windows of recent Appends,
 * permit items still to be remembered. The log is the only source, so a new writer judges as the
 * last one did. */
#include "state.h"

enum chancery_err audit_state_init(struct audit_state *s)
{
    memset(s, 0, sizeof *s);
    s->producers = audit_producers_new();
    s->permits = audit_permits_new();
    if (s->producers == NULL || s->permits == NULL) {
        audit_state_clear(s);
        return CH_NOMEM;
    }
    return CH_OK;
}

void audit_state_clear(struct audit_state *s)
{
    audit_producers_free(s->producers);
    audit_permits_free(s->permits);
    memset(s, 0, sizeof *s);
}

static enum chancery_err record_of(struct audit_state *s, struct slice producer,
                                   const uint8_t boot[AUDIT_BOOT], uint64_t sequence,
                                   struct audit_record **out, struct diag *diag)
{
    enum chancery_err err = audit_producers_find(s->producers, producer, boot, sequence, out, diag);
    if (err == CH_NOT_FOUND) {
        err = audit_producers_open(s->producers, producer, boot, sequence, out, diag);
    }
    return err;
}

static struct slice text_of(struct slice f, const char *name)
{
    struct slice raw;
    if (audit_fields_find(f, name, &raw) != CH_OK || raw.len < 2) {
        return (struct slice){0};
    }
    return slice_sub(raw, 1, raw.len - 2); /* what this reads is never escaped: URIs and rules */
}

/* The log's own entry about a refused INTENT belongs to the window of the one who sent it. */
static enum chancery_err replay_refused(struct audit_state *s, const struct audit_leaf *l,
                                        struct diag *diag)
{
    uint8_t boot[AUDIT_BOOT];
    int64_t sequence = 0;
    int64_t place = 0;
    enum chancery_err ignored = CH_OK;
    struct slice producer = text_of(l->f, "for_producer");
    const char *rule = audit_refusal_rule(text_of(l->f, "rule"), &ignored);
    TRY(audit_fields_digest(l->f, "for_boot", boot, sizeof boot));
    TRY(audit_fields_number(l->f, "for_pseq", &sequence));
    TRY(audit_fields_number(l->f, "item", &place));
    if (!audit_producer_ok(producer) || rule == NULL || sequence <= 0 || place < 0 ||
        place >= AUDIT_ENTRIES_MAX) {
        return CH_INTEGRITY;
    }
    struct audit_record *r = NULL;
    TRY(record_of(s, producer, boot, (uint64_t)sequence, &r, diag));
    return audit_record_refuse(r, (uint32_t)place, rule);
}

static enum chancery_err replay_intent(struct audit_state *s, const struct audit_leaf *l)
{
    uint8_t item[AUDIT_PERMIT_ITEM];
    int64_t expires_s = 0;
    TRY(audit_fields_digest(l->f, "permit_item", item, sizeof item));
    TRY(audit_fields_number(l->f, "permit_expires_s", &expires_s));
    return audit_permits_add(s->permits, item, expires_s + AUDIT_PERMIT_KEEP_S,
                             l->ts_ns / 1000000000);
}

enum chancery_err audit_state_replay(struct audit_state *s, uint64_t index, struct slice leaf,
                                     struct diag *diag)
{
    struct audit_leaf l;
    struct audit_record *r = NULL;
    TRY(audit_leaf_read(leaf, &l, diag));
    if (l.ts_ns < s->last_ts_ns) {
        return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.time",
                        "entry %llu is older than the one before it", (unsigned long long)index);
    }
    struct tlog_hash hash;
    tlog_leaf_hash(leaf, &hash);
    audit_producers_clock(s->producers, l.ts_ns / 1000000000);
    enum chancery_err err = record_of(s, l.producer, l.boot, l.sequence, &r, diag);
    if (err == CH_OK) {
        err = audit_record_accept(r, index, &hash, l.action, l.f);
    }
    if (err == CH_OK && slice_eq(l.action, slice_str("intent"))) {
        err = replay_intent(s, &l);
    } else if (err == CH_OK && slice_eq(l.action, slice_str(AUDIT_REFUSED))) {
        err = replay_refused(s, &l, diag);
    }
    if (err != CH_OK) {
        return diag_set(diag, err == CH_NOMEM ? err : CH_INTEGRITY, "audit.batch",
                        "audit.log.replay", "entry %llu does not fit the entries before it",
                        (unsigned long long)index);
    }
    s->last_ts_ns = l.ts_ns;
    s->next = index + 1;
    return CH_OK;
}
