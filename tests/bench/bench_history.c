/* history: 100,000 requests that were never made, for replay. With --out: a history file, from the
 * head of an exported one (--files), judged by the bundle in --bundle, with planted requests that a
 * candidate without wildcards but with elsewhere.test decides otherwise. With --conninfo: the
 * records of a history file put into policy.history by chancery-policy's own queue. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "chancery/policy/v1/policy.pb-c.h"
#include "history.h"
#include "history_maker.h"
#include "os/os.h"
#include "policy_history.h"

#define WILDCARDS 37 /* permitted then */
#define ELSEWHERE 23 /* refused then */
#define FORGED 5     /* refused then and now: octets that ca does not write */
#define BODY_RECORDS 256
#define SPAN_S 86400

struct making {
    const struct bench_opts *o;
    FILE *out;
    struct arena arena;
    struct trial_world world;
    struct policy_bundle *bundle;
    struct trial_bundle *prepared;
    struct buf piece;
    bool has_head;
};

static void must(enum chancery_err err, const struct diag *diag)
{
    if (err != CH_OK) {
        fprintf(stderr, "history: %s %s %s\n", err_name(err), diag->field, diag->text);
        exit(1);
    }
}

static void put_piece(struct making *m, enum trial_piece kind, struct slice content)
{
    struct diag diag = {.text = ""};
    buf_reset(&m->piece);
    must(trial_piece_write(kind, content, &m->piece), &diag);
    if (fwrite(m->piece.ptr, 1, m->piece.len, m->out) != m->piece.len) {
        fprintf(stderr, "history: cannot write\n");
        exit(1);
    }
}

static enum chancery_err take_head(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                                   struct diag *diag)
{
    struct making *m = ctx;
    uint8_t packed[65536];
    size_t len = chancery__policy__v1__history_head__get_packed_size(h);
    if (len > sizeof packed) {
        return CH_LIMIT;
    }
    len = chancery__policy__v1__history_head__pack(h, packed);
    (void)fwrite(TRIAL_FILE_MAGIC, 1, sizeof TRIAL_FILE_MAGIC - 1, m->out);
    put_piece(m, TRIAL_PIECE_HEAD, slice_of(packed, len));
    TRY(policy_history_world(h, &m->arena, &m->world, diag));
    TRY(policy_bundle_load(m->o->bundle, &m->bundle, diag));
    TRY(policy_bundle_set_trust_domain(m->bundle, h->trust_domain));
    m->has_head = true;
    return trial_bundle_new(m->bundle, &m->world, &m->prepared);
}

static enum chancery_err skip(void *ctx, struct slice s, struct diag *diag)
{
    (void)ctx;
    (void)s;
    (void)diag;
    return CH_OK;
}

/* The i-th request: planted ones stand evenly between the others. */
static struct history_request request_of(size_t i, size_t n, int64_t now_s, char *name, size_t cap)
{
    static const size_t planted = WILDCARDS + ELSEWHERE + FORGED;
    size_t step = n / planted, k = i / step;
    struct history_request r = {.profile = "web",
                                .requester = "/user/operator",
                                .dns = name,
                                .at_s = now_s - SPAN_S + (int64_t)(i * SPAN_S / n)};
    bool plant = i % step == step / 2 && k < planted;
    (void)snprintf(name, cap, "host-%zu.example.test", i);
    if (plant && k < WILDCARDS) {
        (void)snprintf(name, cap, "*.example.test");
    } else if (plant && k < WILDCARDS + ELSEWHERE) {
        (void)snprintf(name, cap, "host-%zu.elsewhere.test", i);
    } else if (plant) {
        r.forged = true;
    }
    return r;
}

static int make(const struct bench_opts *o)
{
    struct making m = {.o = o, .out = fopen(o->out, "wb")};
    struct history_maker maker;
    struct buf body;
    struct diag diag = {.text = ""};
    const struct policy_history_sink sink = {&m, take_head, skip, skip};
    size_t permitted = 0;
    if (m.out == NULL) {
        perror(o->out);
        return 1;
    }
    arena_init(&m.arena, 0);
    buf_init(&m.piece, TRIAL_BODY_MAX + 16);
    buf_init(&body, TRIAL_BODY_MAX);
    must(policy_history_file(NULL, o->files, &sink, &diag), &diag);
    int64_t started = bench_now_us(), now_s = os_now_s() - 60;
    history_maker_init(&maker, m.prepared, &m.world, o->trust_domain);
    for (size_t i = 0; i < o->records; i++) {
        char name[64];
        const struct history_request r = request_of(i, o->records, now_s, name, sizeof name);
        permitted += history_maker_add(&maker, &r, &body) ? 1 : 0;
        if ((i + 1) % BODY_RECORDS == 0 || i + 1 == o->records) {
            put_piece(&m, TRIAL_PIECE_RECORDS, buf_slice(&body));
            buf_reset(&body);
        }
    }
    printf(
        "{\"bench\":\"history\",\"ops\":%u,\"seconds\":%.2f,\"permitted\":%zu,\"now_refused\":%d,"
        "\"now_permitted\":%d,\"forged\":%d}\n",
        o->records, (double)(bench_now_us() - started) / 1e6, permitted, WILDCARDS, ELSEWHERE,
        FORGED);
    history_maker_clear(&maker);
    trial_bundle_free(m.prepared);
    policy_bundle_free(m.bundle);
    buf_clear(&m.piece);
    buf_clear(&body);
    arena_clear(&m.arena);
    return fclose(m.out) == 0 ? 0 : 1;
}

/* ---- into the database ---- */

struct loading {
    struct policy_history *queue;
    uint64_t records;
};

static enum chancery_err head_skipped(void *ctx, const Chancery__Policy__V1__HistoryHead *h,
                                      struct diag *diag)
{
    (void)ctx;
    (void)h;
    (void)diag;
    return CH_OK;
}

static enum chancery_err load_body(void *ctx, struct slice body, struct diag *diag)
{
    struct loading *l = ctx;
    struct slice rest = body;
    struct trial_record r;
    enum chancery_err err;
    for (;;) {
        struct slice before = rest;
        err = trial_record_next(&rest, &r, diag);
        if (err != CH_OK) {
            break;
        }
        l->records++;
        if (policy_history_add(l->queue, slice_sub(before, 0, before.len - rest.len), 1,
                               r.permitted ? 1 : 0, r.judged_at_s)) {
            TRY(policy_history_write(l->queue, diag));
        }
    }
    return err == CH_END ? CH_OK : err;
}

static int load(const struct bench_opts *o)
{
    struct db_pool *pool = NULL;
    struct diag diag = {.text = ""};
    const struct db_pool_opts opts = {.conninfo = o->conninfo, .size = 1};
    must(db_pool_new(&opts, &pool, &diag), &diag);
    struct loading l = {.queue = policy_history_new(pool, POLICY_HISTORY_DAYS)};
    const struct policy_history_sink sink = {&l, head_skipped, skip, load_body};
    int64_t started = bench_now_us();
    must(l.queue == NULL ? CH_NOMEM : policy_history_file(NULL, o->files, &sink, &diag), &diag);
    must(policy_history_write(l.queue, &diag), &diag);
    printf("{\"bench\":\"history-load\",\"ops\":%" PRIu64 ",\"seconds\":%.2f}\n", l.records,
           (double)(bench_now_us() - started) / 1e6);
    policy_history_free(l.queue);
    db_pool_free(pool);
    return 0;
}

int bench_history(const struct bench_opts *o)
{
    if (o->files == NULL || (o->conninfo == NULL && (o->out == NULL || o->bundle == NULL))) {
        fprintf(stderr, "history: --files FILE with --conninfo, or with --bundle and --out\n");
        return 2;
    }
    return o->conninfo != NULL ? load(o) : make(o);
}
