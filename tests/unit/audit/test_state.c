/* The writer's judgement: repetition, single use, time; and that the log alone rebuilds it. */
#include "cm.h"

#include <stdio.h>
#include <stdlib.h>

#include "batch.h"

#define S_NS INT64_C(1000000000)
#define NOW (INT64_C(1763690000) * S_NS)
#define SIGNER "spiffe://chancery.test/chancery/signer"

struct world {
    struct audit_state state;
    struct audit_batch batch;
    uint64_t self_sequence;
    struct buf log; /* all rows, one after the other */
};

static void world_init(struct world *w)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(audit_state_init(&w->state), CH_OK);
    buf_init(&w->batch.row, 64 << 20);
    buf_init(&w->batch.leaf, AUDIT_LEAF_MAX);
    buf_init(&w->log, 256 << 20);
    w->batch.self = slice_str("spiffe://chancery.test/chancery/audit");
    memset(w->batch.self_boot, 0xEE, AUDIT_BOOT);
    w->batch.self_sequence = &w->self_sequence;
}

static void world_clear(struct world *w)
{
    audit_state_clear(&w->state);
    buf_clear(&w->batch.row);
    buf_clear(&w->batch.leaf);
    buf_clear(&w->log);
}

/* A state rebuilt from the log of `w`. */
static void rebuild(const struct world *w, struct audit_state *out)
{
    assert_int_equal(audit_state_init(out), CH_OK);
    uint64_t index = 0;
    for (size_t at = 0; at < w->log.len;) {
        const uint8_t *p = w->log.ptr + at;
        size_t len = (size_t)p[0] << 24 | (size_t)p[1] << 16 | (size_t)p[2] << 8 | p[3];
        struct diag diag = {0};
        if (audit_state_replay(out, index, slice_of(p + 4, len), &diag) != CH_OK) {
            fail_msg("%s at %llu: %.*s", diag.text, (unsigned long long)index, (int)len,
                     (const char *)p + 4);
        }
        index++;
        at += 4 + len;
    }
    assert_int_equal(out->next, w->state.next);
    assert_int_equal(out->last_ts_ns, w->state.last_ts_ns);
}

/* An INTENT per item number; items are SHA-256-like names made of it. */
static struct audit_item intent(unsigned number, int64_t expires_s)
{
    struct audit_item i = {
        .action = slice_str("intent"), .intent = true, .permit_expires_s = expires_s};
    uint8_t seed[4] = {(uint8_t)number, (uint8_t)(number >> 8), 0, 0};
    crypto_sha256(slice_of(seed, 4), i.permit_item);
    char hex[65];
    static char text[64][160];
    static unsigned next;
    char *f = text[next++ % 64];
    hex_encode(slice_of(i.permit_item, 32), hex);
    int n = snprintf(f, 160, "{\"permit_expires_s\":%lld,\"permit_item\":\"%s\"}",
                     (long long)expires_s, hex);
    i.f = slice_of(f, (size_t)n);
    return i;
}

static struct audit_item note(const char *f)
{
    return (struct audit_item){.action = slice_str("note"), .f = slice_str(f)};
}

static enum chancery_err add(struct world *w, uint8_t boot, uint64_t sequence,
                             const struct audit_item *items, size_t n, int64_t now_ns,
                             struct audit_ack *acks, struct diag *diag)
{
    struct audit_append a = {
        .producer = slice_str(SIGNER), .sequence = sequence, .items = items, .n = n, .acks = acks};
    memset(a.boot, boot, AUDIT_BOOT);
    audit_batch_begin(&w->batch, &w->state, now_ns);
    enum chancery_err err = audit_batch_add(&w->batch, &w->state, &a);
    assert_int_equal(buf_add(&w->log, buf_slice(&w->batch.row)), CH_OK);
    if (diag != NULL) {
        *diag = a.diag;
    }
    return err;
}

static void assert_same_acks(const struct audit_ack *a, const struct audit_ack *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(a[i].err, b[i].err);
        assert_ptr_equal(a[i].rule, b[i].rule);
        assert_int_equal(a[i].index, b[i].index);
        assert_memory_equal(a[i].leaf_hash.b, b[i].leaf_hash.b, TLOG_HASH);
    }
}

static void append_repeated_gets_first_acknowledgement(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct audit_item items[] = {note("{}"), note("{\"a\":1}")};
    struct audit_ack first[2];
    struct audit_ack again[2];
    assert_int_equal(add(&w, 1, 5, items, 2, NOW, first, NULL), CH_OK);
    assert_int_equal(w.batch.n, 2);
    assert_int_equal(first[1].index, 1);
    assert_int_equal(add(&w, 1, 5, items, 2, NOW + S_NS, again, NULL), CH_OK);
    assert_int_equal(w.batch.n, 0); /* nothing new */
    assert_same_acks(first, again, 2);
    assert_int_equal(add(&w, 2, 5, items, 2, NOW, again, NULL),
                     CH_OK); /* another boot is another sender */
    assert_int_equal(again[0].index, 2);

    struct diag diag;
    items[1] = note("{\"a\":2}");
    assert_int_equal(add(&w, 1, 5, items, 2, NOW, again, &diag), CH_EXISTS);
    assert_string_equal(diag.rule, "audit.sequence.reused");
    assert_int_equal(add(&w, 1, 5, items, 1, NOW, again, &diag), CH_EXISTS);
    world_clear(&w);
}

static void sequences_out_of_order_are_taken_within_the_window(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct audit_item item = note("{}");
    struct audit_ack ack;
    struct diag diag;
    assert_int_equal(add(&w, 1, 3, &item, 1, NOW, &ack, NULL), CH_OK);
    assert_int_equal(add(&w, 1, 1, &item, 1, NOW, &ack, NULL), CH_OK);
    assert_int_equal(add(&w, 1, 2, &item, 1, NOW, &ack, NULL), CH_OK);
    assert_int_equal(ack.index, 2);
    for (uint64_t s = 4; s <= AUDIT_WINDOW + 2; s++) {
        assert_int_equal(add(&w, 1, s, &item, 1, NOW, &ack, NULL), CH_OK);
    }
    assert_int_equal(add(&w, 1, 3, &item, 1, NOW, &ack, NULL), CH_OK); /* still remembered */
    assert_int_equal(ack.index, 0);
    assert_int_equal(add(&w, 1, 2, &item, 1, NOW, &ack, &diag), CH_PRECONDITION);
    assert_string_equal(diag.rule, "audit.sequence.old");
    assert_int_equal(add(&w, 1, 1, &item, 1, NOW, &ack, &diag), CH_PRECONDITION);
    struct audit_state again;
    rebuild(&w, &again);
    audit_state_clear(&again);
    world_clear(&w);
}

static void intent_used_expired_or_too_long_is_refused_and_recorded(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    const int64_t now_s = NOW / S_NS;
    struct audit_item items[] = {intent(1, now_s + 60), intent(1, now_s + 60), intent(2, now_s),
                                 intent(3, now_s + AUDIT_PERMIT_TERM_S + 1), intent(4, now_s + 1)};
    struct audit_ack acks[5];
    assert_int_equal(add(&w, 1, 1, items, 5, NOW, acks, NULL), CH_OK);
    assert_int_equal(w.batch.n, 5); /* two intents, three refusals */
    assert_int_equal(acks[0].err, CH_OK);
    assert_int_equal(acks[0].index, 0);
    assert_int_equal(acks[1].err, CH_PRECONDITION);
    assert_string_equal(acks[1].rule, AUDIT_RULE_USED);
    assert_string_equal(acks[2].rule, AUDIT_RULE_EXPIRED);
    assert_string_equal(acks[3].rule, AUDIT_RULE_TERM);
    assert_int_equal(acks[4].index, 1);
    struct audit_leaf leaf;
    assert_int_equal(audit_leaf_read(buf_slice(&w.batch.leaf), &leaf, NULL), CH_OK);
    assert_true(slice_eq(leaf.action, slice_str(AUDIT_REFUSED)));
    assert_true(audit_fields_match(leaf.f, slice_str("rule"), slice_str(AUDIT_RULE_TERM)));
    assert_true(audit_fields_match(leaf.f, slice_str("item"), slice_str("3")));

    /* The same request again: the same answer, though the permit is "used" by now. */
    struct audit_ack again[5];
    assert_int_equal(add(&w, 1, 1, items, 5, NOW + 90 * S_NS, again, NULL), CH_OK);
    assert_same_acks(acks, again, 5);

    /* Another Append of the accepted item, from another boot too: refused while it is remembered.
     */
    assert_int_equal(add(&w, 9, 1, items, 1, NOW + S_NS, acks, NULL), CH_OK);
    assert_string_equal(acks[0].rule, AUDIT_RULE_USED);
    world_clear(&w);
}

static void time_of_leaves_never_goes_back(void **state)
{
    (void)state;
    struct world w;
    world_init(&w);
    struct audit_item item = note("{}");
    struct audit_ack ack;
    assert_int_equal(add(&w, 1, 1, &item, 1, NOW, &ack, NULL), CH_OK);
    assert_int_equal(add(&w, 1, 2, &item, 1, NOW - 500 * S_NS, &ack, NULL), CH_OK);
    assert_int_equal(w.batch.ts_ns, NOW);
    /* A clock that was set back does not give an expired permit a second life. */
    struct audit_item late = intent(1, NOW / S_NS);
    assert_int_equal(add(&w, 1, 3, &late, 1, NOW - 500 * S_NS, &ack, NULL), CH_OK);
    assert_string_equal(ack.rule, AUDIT_RULE_EXPIRED);
    world_clear(&w);
}

struct sent {
    uint8_t boot;
    uint64_t sequence;
    struct audit_item items[4];
    char text[4][160];
    size_t n;
    struct audit_ack acks[4];
};

/* Whatever was appended, a state rebuilt from the log acknowledges repetitions as the first one did
 * and refuses the same permits. */
static void state_rebuilt_from_log_judges_the_same(void **state)
{
    (void)state;
    enum { ROUNDS = 600 };
    unsigned seed = 20261121;
    struct sent *all = calloc(ROUNDS, sizeof *all);
    assert_non_null(all);
    struct world w;
    world_init(&w);
    for (unsigned r = 0; r < ROUNDS; r++) {
        struct sent *s = &all[r];
        int64_t now = NOW + r * S_NS / 10;
        s->boot = (uint8_t)(rand_r(&seed) % 3);
        s->sequence = r + 1;
        s->n = (size_t)(1 + rand_r(&seed) % 4);
        for (size_t i = 0; i < s->n; i++) {
            s->items[i] = rand_r(&seed) % 2 == 0 ? note("{\"x\":\"y\"}")
                                                 : intent((unsigned)rand_r(&seed) % 400,
                                                          now / S_NS + rand_r(&seed) % 150 - 10);
            memcpy(s->text[i], s->items[i].f.ptr, s->items[i].f.len);
            s->items[i].f.ptr = (const uint8_t *)s->text[i];
        }
        assert_int_equal(add(&w, s->boot, s->sequence, s->items, s->n, now, s->acks, NULL), CH_OK);
    }
    struct audit_state again;
    rebuild(&w, &again);
    audit_state_clear(&w.state);
    w.state = again;
    size_t before = w.log.len;
    unsigned refused = 0;
    for (unsigned r = 0; r < ROUNDS; r++) {
        struct sent *s = &all[r];
        struct audit_ack acks[4];
        assert_int_equal(add(&w, s->boot, s->sequence, s->items, s->n, NOW + 70 * S_NS, acks, NULL),
                         CH_OK);
        assert_same_acks(acks, s->acks, s->n);
        for (size_t i = 0; i < s->n; i++) {
            refused += acks[i].err != CH_OK ? 1 : 0;
        }
        assert_int_equal(w.log.len, before); /* nothing was written twice */
    }
    assert_true(refused > 50);
    for (unsigned r = 0; r < ROUNDS; r++) {
        for (size_t i = 0; i < all[r].n; i++) {
            if (all[r].items[i].intent && all[r].acks[i].err == CH_OK) {
                assert_true(audit_permits_has(w.state.permits, all[r].items[i].permit_item));
            }
        }
    }
    world_clear(&w);
    free(all);
}

static void permits_are_forgotten_only_after_their_time(void **state)
{
    (void)state;
    struct audit_permits *p = audit_permits_new();
    assert_non_null(p);
    uint8_t item[AUDIT_PERMIT_ITEM];
    for (uint32_t i = 0; i < 20000; i++) {
        crypto_sha256(slice_of(&i, sizeof i), item);
        assert_false(audit_permits_has(p, item));
        assert_int_equal(audit_permits_add(p, item, 1000 + i / 10, 1000 + i / 20), CH_OK);
        assert_true(audit_permits_has(p, item));
    }
    for (uint32_t i = 0; i < 20000; i++) {
        crypto_sha256(slice_of(&i, sizeof i), item);
        if (1000 + i / 10 > 1000 + 20000 / 20) {
            assert_true(audit_permits_has(p, item));
        }
    }
    audit_permits_free(p);
}

static void replay_of_a_foreign_or_reordered_log_is_refused(void **state)
{
    (void)state;
    static const char head[] =
        "{\"action\":\"note\",\"boot\":\"00000000000000000000000000000000\",\"f\":{},"
        "\"producer\":\"p\",\"pseq\":";
    struct audit_state s;
    char text[256];
    assert_int_equal(audit_state_init(&s), CH_OK);
    (void)snprintf(text, sizeof text, "%s1,\"ts\":5,\"v\":1}", head);
    assert_int_equal(audit_state_replay(&s, 0, slice_str(text), NULL), CH_OK);
    (void)snprintf(text, sizeof text, "%s2,\"ts\":4,\"v\":1}",
                   head); /* older than the one before */
    assert_int_equal(audit_state_replay(&s, 1, slice_str(text), NULL), CH_INTEGRITY);
    (void)snprintf(text, sizeof text, "%s2,\"ts\":5,\"v\":1}", head);
    assert_int_equal(audit_state_replay(&s, 1, slice_str(text), NULL), CH_OK);
    (void)snprintf(text, sizeof text, "%s1,\"ts\":5,\"v\":1}", head); /* a sequence that is over */
    assert_int_equal(audit_state_replay(&s, 2, slice_str(text), NULL), CH_INTEGRITY);
    assert_int_equal(audit_state_replay(&s, 2, slice_str("{}"), NULL), CH_MALFORMED);
    audit_state_clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(append_repeated_gets_first_acknowledgement),
        cmocka_unit_test(sequences_out_of_order_are_taken_within_the_window),
        cmocka_unit_test(intent_used_expired_or_too_long_is_refused_and_recorded),
        cmocka_unit_test(time_of_leaves_never_goes_back),
        cmocka_unit_test(state_rebuilt_from_log_judges_the_same),
        cmocka_unit_test(permits_are_forgotten_only_after_their_time),
        cmocka_unit_test(replay_of_a_foreign_or_reordered_log_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
