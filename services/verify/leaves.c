/* Rules for entries, written anew from docs/AUDIT.md. */
#include "leaves.h"

#include <stdlib.h>

#include "json.h"

#define LEAF_MAX ((size_t)64 << 10)

enum chancery_err verify_leaves_init(struct verify_leaves *l, const struct verify_trust *trust,
                                     struct verify_report *report)
{
    memset(l, 0, sizeof *l);
    l->trust = trust;
    l->report = report;
    arena_init(&l->arena, (size_t)16 << 20);
    buf_init(&l->scratch, 8 * LEAF_MAX);
    int n = snprintf(l->signer, sizeof l->signer, "spiffe://%.*s/chancery/signer",
                     (int)trust->trust_domain.len, (const char *)trust->trust_domain.ptr);
    return n > 0 && (size_t)n < sizeof l->signer ? CH_OK : CH_LIMIT;
}

void verify_leaves_clear(struct verify_leaves *l)
{
    arena_clear(&l->arena);
    buf_clear(&l->scratch);
    verify_set_clear(&l->appends);
    verify_set_clear(&l->permits);
    verify_set_clear(&l->intents);
    free(l->list);
}

void verify_leaves_skip(struct verify_leaves *l)
{
    l->broken = true;
}

void verify_leaves_end(struct verify_leaves *l)
{
    for (size_t i = 0; i < l->n; i++) {
        l->report->open_intents += l->list[i].answered ? 0 : 1;
    }
}

/* One entry under judgement. */
struct entry {
    struct slice action, boot, producer;
    int64_t pseq, ts_ns;
    const struct verify_json *f;
};

static bool all_of(struct slice s, size_t max, const char *more)
{
    for (size_t i = 0; i < s.len; i++) {
        uint8_t c = s.ptr[i];
        bool good =
            (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || (c != 0 && strchr(more, c) != NULL);
        if (!good) {
            return false;
        }
    }
    return s.len > 0 && s.len <= max;
}

static bool take_text(const struct verify_json *root, const char *name, struct slice *out)
{
    const struct verify_json *v = verify_json_get(root, name);
    if (v == NULL || v->kind != VERIFY_JSON_TEXT) {
        return false;
    }
    *out = v->text;
    return true;
}

static bool take_number(const struct verify_json *root, const char *name, int64_t *out)
{
    const struct verify_json *v = verify_json_get(root, name);
    if (v == NULL || v->kind != VERIFY_JSON_NUMBER) {
        return false;
    }
    *out = v->num;
    return true;
}

static bool is_hex(struct slice s, size_t digits)
{
    if (s.len != digits) {
        return false;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f'))) {
            return false;
        }
    }
    return true;
}

/* Exactly the seven members of version 1; "f" flat. */
static bool take_entry(const struct verify_json *root, struct entry *e)
{
    int64_t v = 0;
    size_t members = 0;
    if (root->kind != VERIFY_JSON_OBJECT) {
        return false;
    }
    for (const struct verify_json *c = root->first; c != NULL; c = c->next) {
        members++;
    }
    e->f = verify_json_get(root, "f");
    if (members != 7 || !take_text(root, "action", &e->action) ||
        !take_text(root, "boot", &e->boot) || e->f == NULL || e->f->kind != VERIFY_JSON_OBJECT ||
        !take_text(root, "producer", &e->producer) || !take_number(root, "pseq", &e->pseq) ||
        !take_number(root, "ts", &e->ts_ns) || !take_number(root, "v", &v)) {
        return false;
    }
    for (const struct verify_json *c = e->f->first; c != NULL; c = c->next) {
        if (!all_of(c->name, 64, "_") ||
            (c->kind != VERIFY_JSON_TEXT && c->kind != VERIFY_JSON_NUMBER)) {
            return false;
        }
    }
    return v == 1 && e->pseq > 0 && e->ts_ns >= 0 && is_hex(e->boot, 32) &&
           all_of(e->action, 64, "._-");
}

struct place {
    const char *file;
    int64_t offset, index;
};

static void fault(struct verify_leaves *l, const struct place *p, const char *rule,
                  const char *text)
{
    verify_fault_add(l->report, p->file, p->offset, p->index, rule, "%s", text);
}

static bool process_of_domain(const struct verify_leaves *l, struct slice producer)
{
    char prefix[512];
    (void)snprintf(prefix, sizeof prefix, "spiffe://%.*s/chancery/",
                   (int)l->trust->trust_domain.len, (const char *)l->trust->trust_domain.ptr);
    size_t n = strlen(prefix);
    return producer.len > n && memcmp(producer.ptr, prefix, n) == 0 &&
           all_of(slice_sub(producer, n, producer.len), 64, "-");
}

/* Entries of one Append stand side by side; a pair (producer, boot) uses a sequence once. */
static enum chancery_err judge_sequence(struct verify_leaves *l, const struct entry *e,
                                        const struct place *p)
{
    uint8_t key[VERIFY_SET_KEY];
    buf_reset(&l->scratch);
    TRY(buf_add(&l->scratch, e->producer));
    TRY(buf_add_u8(&l->scratch, 0));
    TRY(buf_add(&l->scratch, e->boot));
    TRY(buf_add_u64be(&l->scratch, (uint64_t)e->pseq));
    verify_set_key(buf_slice(&l->scratch), key);
    if (l->have_current && memcmp(key, l->current, sizeof key) == 0) {
        return CH_OK;
    }
    memcpy(l->current, key, sizeof key);
    l->have_current = true;
    if (verify_set_find(&l->appends, key) != NULL) {
        if (!l->broken) {
            fault(l, p, "leaf.pseq", "this producer, boot and sequence stood in the log before");
        }
        return CH_OK;
    }
    return verify_set_add(&l->appends, key, (uint64_t)p->index);
}

/* Key and TBS digests of an INTENT or RESULT as one name; false when one is missing. */
static bool what_of(struct verify_leaves *l, const struct entry *e, uint8_t out[VERIFY_SET_KEY])
{
    struct slice key;
    struct slice tbs;
    if (!take_text(e->f, "key", &key) || !is_hex(key, 64) || !take_text(e->f, "tbs", &tbs) ||
        !is_hex(tbs, 64)) {
        return false;
    }
    buf_reset(&l->scratch);
    if (buf_add(&l->scratch, key) != CH_OK || buf_add(&l->scratch, tbs) != CH_OK) {
        return false;
    }
    verify_set_key(buf_slice(&l->scratch), out);
    return true;
}

static void index_key(uint64_t index, uint8_t out[VERIFY_SET_KEY])
{
    verify_set_key(slice_of(&index, sizeof index), out);
}

static enum chancery_err judge_intent(struct verify_leaves *l, const struct entry *e,
                                      const struct place *p)
{
    struct slice item;
    uint8_t key[VERIFY_SET_KEY];
    struct verify_intent intent = {.answered = false};
    l->report->intents++;
    if (!take_text(e->f, "permit_item", &item) || !is_hex(item, 64) ||
        !what_of(l, e, intent.what)) {
        fault(l, p, "intent.fields", "an INTENT names permit_item, key and tbs");
        return CH_OK;
    }
    verify_set_key(item, key);
    if (verify_set_find(&l->permits, key) != NULL) {
        fault(l, p, "intent.permit", "this permit item stood in an earlier INTENT");
        return CH_OK;
    }
    TRY(verify_set_add(&l->permits, key, (uint64_t)p->index));
    if (l->n == l->cap) {
        size_t cap = l->cap == 0 ? 1024 : 2 * l->cap;
        struct verify_intent *list = realloc(l->list, cap * sizeof *list);
        if (list == NULL) {
            return CH_NOMEM;
        }
        l->list = list;
        l->cap = cap;
    }
    l->list[l->n] = intent;
    index_key((uint64_t)p->index, key);
    return verify_set_add(&l->intents, key, l->n++);
}

static enum chancery_err judge_result(struct verify_leaves *l, const struct entry *e,
                                      const struct place *p)
{
    int64_t index = -1;
    struct slice outcome = {0};
    struct slice signature = {0};
    uint8_t key[VERIFY_SET_KEY];
    uint8_t what[VERIFY_SET_KEY];
    l->report->results++;
    bool signed_ok = take_text(e->f, "outcome", &outcome) && slice_eq(outcome, slice_str("signed"));
    bool known = signed_ok || slice_eq(outcome, slice_str("failed"));
    if (!take_number(e->f, "intent", &index) || index < 0 || !known || !what_of(l, e, what) ||
        (signed_ok && (!take_text(e->f, "signature", &signature) || !is_hex(signature, 64)))) {
        fault(l, p, "result.fields",
              "a RESULT names intent, outcome, key, tbs and, if signed, signature");
        return CH_OK;
    }
    if (l->broken) {
        return CH_OK;
    }
    index_key((uint64_t)index, key);
    const uint64_t *at = verify_set_find(&l->intents, key);
    if (at == NULL) {
        fault(l, p, "result.intent", "there is no INTENT at the index that this RESULT names");
    } else if (l->list[*at].answered) {
        fault(l, p, "result.twice", "the INTENT of this RESULT has another RESULT already");
    } else if (memcmp(l->list[*at].what, what, sizeof what) != 0) {
        fault(l, p, "result.other", "key or TBS of this RESULT are not those of its INTENT");
    } else {
        l->list[*at].answered = true;
    }
    return CH_OK;
}

static enum chancery_err judge(struct verify_leaves *l, const struct entry *e,
                               const struct place *p)
{
    bool intent = slice_eq(e->action, slice_str("intent"));
    bool result = slice_eq(e->action, slice_str("result"));
    if (!process_of_domain(l, e->producer)) {
        fault(l, p, "leaf.producer", "the producer is no process of the trust domain");
    }
    if ((intent || result) && !slice_eq(e->producer, slice_str(l->signer))) {
        fault(l, p, "leaf.signer", "only the signer writes INTENTs and RESULTs");
    }
    if (l->report->entries > 1 && e->ts_ns < l->report->last_ts_ns) {
        fault(l, p, "leaf.time", "older than the entry before it");
    }
    if (l->report->entries == 1) {
        l->report->first_ts_ns = e->ts_ns;
    }
    l->report->last_ts_ns = e->ts_ns;
    TRY(judge_sequence(l, e, p));
    if (intent) {
        return judge_intent(l, e, p);
    }
    return result ? judge_result(l, e, p) : CH_OK;
}

enum chancery_err verify_leaves_add(struct verify_leaves *l, uint64_t index, struct slice line,
                                    const char *file, size_t offset)
{
    struct place p = {file, (int64_t)offset, (int64_t)index};
    struct verify_json *root = NULL;
    struct entry e = {0};
    size_t at = 0;
    l->report->entries++;
    arena_reset(&l->arena);
    enum chancery_err err = verify_json_read(line, &l->arena, &root, &at);
    if (err == CH_NOMEM) {
        return err;
    }
    if (err != CH_OK) {
        p.offset += (int64_t)at;
        fault(l, &p, "leaf.json", "the entry is not JSON");
        verify_leaves_skip(l);
        return CH_OK;
    }
    buf_reset(&l->scratch);
    TRY(verify_json_write(root, &l->scratch));
    if (!slice_eq(line, buf_slice(&l->scratch))) {
        fault(l, &p, "leaf.canonical", "the entry is not in canonical form");
    }
    if (!take_entry(root, &e)) {
        fault(l, &p, "leaf.members", "the entry has not exactly the members of version 1");
        verify_leaves_skip(l);
        return CH_OK;
    }
    return judge(l, &e, &p);
}
