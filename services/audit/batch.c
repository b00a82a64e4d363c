/* Judges Appends: repetition, single use and term of permits; then writes their leaves. */
#include "batch.h"

void audit_batch_begin(struct audit_batch *b, const struct audit_state *s, int64_t now_ns)
{
    buf_reset(&b->row);
    b->first = s->next;
    b->n = 0;
    b->ts_ns = now_ns > s->last_ts_ns ? now_ns : s->last_ts_ns;
}

bool audit_batch_spoils(enum chancery_err err)
{
    return err != CH_OK && err != CH_PRECONDITION && err != CH_EXISTS && err != CH_BUSY;
}

static enum chancery_err add_leaf(struct audit_batch *b, struct audit_state *s,
                                  struct audit_record *r, const struct audit_leaf *l)
{
    buf_reset(&b->leaf);
    TRY(audit_leaf_write(l, &b->leaf));
    TRY(audit_row_add(&b->row, buf_slice(&b->leaf)));
    struct tlog_hash hash;
    tlog_leaf_hash(buf_slice(&b->leaf), &hash);
    TRY(audit_record_accept(r, s->next, &hash, l->action, l->f));
    s->next++;
    s->last_ts_ns = l->ts_ns;
    b->n++;
    return CH_OK;
}

/* The rule that refuses an INTENT, NULL when none does; remembers its permit item. */
static enum chancery_err judge_intent(struct audit_state *s, const struct audit_item *item,
                                      int64_t now_s, const char **out_rule)
{
    *out_rule = NULL;
    if (audit_permits_has(s->permits, item->permit_item)) {
        *out_rule = AUDIT_RULE_USED;
    } else if (item->permit_expires_s <= now_s) {
        *out_rule = AUDIT_RULE_EXPIRED;
    } else if (item->permit_expires_s > now_s + AUDIT_PERMIT_TERM_S) {
        *out_rule = AUDIT_RULE_TERM;
    }
    if (*out_rule != NULL) {
        return CH_OK;
    }
    return audit_permits_add(s->permits, item->permit_item,
                             item->permit_expires_s + AUDIT_PERMIT_KEEP_S, now_s);
}

/* The log's own entry about one refused INTENT (invariant: authenticated refusals are audited one
 * by one). It also lets a restarted writer repeat the same refusal. */
static enum chancery_err add_refused(struct audit_batch *b, struct audit_state *s,
                                     const struct audit_append *a,
                                     const struct audit_refusal *refusal)
{
    struct audit_field fields[] = {
        {.name = slice_str("for_producer"), .type = AUDIT_TEXT, .value = a->producer},
        {.name = slice_str("for_boot"),
         .type = AUDIT_DIGEST,
         .value = slice_of(a->boot, AUDIT_BOOT)},
        {.name = slice_str("for_pseq"), .type = AUDIT_NUMBER, .num = (int64_t)a->sequence},
        {.name = slice_str("item"), .type = AUDIT_NUMBER, .num = refusal->place},
        {.name = slice_str("permit_item"),
         .type = AUDIT_DIGEST,
         .value = slice_of(a->items[refusal->place].permit_item, AUDIT_PERMIT_ITEM)},
        {.name = slice_str("rule"), .type = AUDIT_TEXT, .value = slice_str(refusal->rule)},
    };
    CLEANUP(buf_clear) struct buf f;
    buf_init(&f, AUDIT_ENCODED_MAX);
    TRY(audit_fields_write(fields, sizeof fields / sizeof fields[0], &f, NULL));
    struct audit_leaf leaf = {.action = slice_str(AUDIT_REFUSED),
                              .f = buf_slice(&f),
                              .producer = b->self,
                              .sequence = ++*b->self_sequence,
                              .ts_ns = b->ts_ns};
    memcpy(leaf.boot, b->self_boot, AUDIT_BOOT);
    struct audit_record *own = NULL;
    TRY(audit_producers_open(s->producers, b->self, b->self_boot, leaf.sequence, &own, NULL));
    return add_leaf(b, s, own, &leaf);
}

static enum chancery_err add_items(struct audit_batch *b, struct audit_state *s,
                                   const struct audit_append *a, struct audit_record *r)
{
    struct audit_leaf leaf = {.producer = a->producer, .sequence = a->sequence, .ts_ns = b->ts_ns};
    memcpy(leaf.boot, a->boot, AUDIT_BOOT);
    for (size_t i = 0; i < a->n; i++) {
        const char *rule = NULL;
        if (a->items[i].intent) {
            TRY(judge_intent(s, &a->items[i], b->ts_ns / 1000000000, &rule));
        }
        if (rule != NULL) {
            TRY(audit_record_refuse(r, (uint32_t)i, rule));
            continue;
        }
        leaf.action = a->items[i].action;
        leaf.f = a->items[i].f;
        TRY(add_leaf(b, s, r, &leaf));
    }
    /* After all leaves of the Append, which stand side by side. */
    for (size_t i = 0; i < r->n_refused; i++) {
        enum chancery_err err = add_refused(b, s, a, &r->refused[i]);
        if (err != CH_OK) {
            return audit_batch_spoils(err) ? err : CH_INTERNAL;
        }
    }
    return CH_OK;
}

enum chancery_err audit_batch_add(struct audit_batch *b, struct audit_state *s,
                                  struct audit_append *a)
{
    struct audit_record *r = NULL;
    audit_producers_clock(s->producers, b->ts_ns / 1000000000);
    enum chancery_err err =
        audit_producers_find(s->producers, a->producer, a->boot, a->sequence, &r, &a->diag);
    if (err == CH_OK) {
        if (!audit_record_same(r, a->items, a->n)) {
            return diag_set(&a->diag, CH_EXISTS, "sequence", "audit.sequence.reused",
                            "this boot and sequence were used for other entries");
        }
        audit_record_acks(r, a->acks);
        return CH_OK;
    }
    if (err != CH_NOT_FOUND) {
        return err;
    }
    TRY(audit_producers_open(s->producers, a->producer, a->boot, a->sequence, &r, &a->diag));
    TRY(add_items(b, s, a, r));
    audit_record_acks(r, a->acks);
    return CH_OK;
}
