/* Bundles in force: first one from a folder, others from chancery-policy. */
#include "bundles.h"

#include <pthread.h>
#include <stdlib.h>

#include "chancery/policy/v1/policy.pb-c.h"
#include "log/log.h"
#include "os/os.h"

#define CALL_MS 10000 /* a bundle has up to 12 MiB */
#define RULE_OCTETS 64
#define MARK "bundle"

struct refused {
    char rule[RULE_OCTETS];
    uint64_t sequence;
    uint8_t sha256[32];
};

struct ca_bundles {
    struct ca *ca;
    struct policy_folder folder; /* the first bundle's files */
    struct policy_life *life;
    uint8_t first[32];
    pthread_mutex_t lock;   /* one refresh at a time; and what follows */
    uint64_t marked;        /* number in the mark */
    struct refused refused; /* what stood against the chain's next promotion, logged */
    atomic_bool known;      /* policy has told once */
    atomic_bool behind;
    enum chancery_err last; /* of the task: log only changes */
    uint64_t logged;        /* number whose coming into force is in the log, plus 1; the task's */
};

/* ---- the source: chancery-policy ---- */

static enum chancery_err ask(struct ca_bundles *b, const char *method, const ProtobufCMessage *in,
                             struct arena *arena, ProtobufCMessage **out, struct diag *diag)
{
    return rpc_call_unary(b->ca->policy, &chancery__policy__v1__policy_service__descriptor, method,
                          in, CALL_MS, arena, out, diag);
}

static bool read_digest(ProtobufCBinaryData in, uint8_t out[32])
{
    if (in.len != 32) {
        return false;
    }
    memcpy(out, in.data, 32);
    return true;
}

static enum chancery_err read_promotion(const Chancery__Policy__V1__Promotion *m,
                                        struct arena *arena, struct policy_link *out,
                                        struct diag *diag)
{
    const Chancery__Policy__V1__Plan *p = m->plan;
    if (p == NULL || m->n_approvals > POLICY_APPROVALS_MAX ||
        !read_digest(p->first_sha256, out->plan.first) ||
        !read_digest(p->predecessor_sha256, out->plan.predecessor) ||
        !read_digest(p->bundle_sha256, out->plan.bundle)) {
        return diag_set(diag, CH_INTEGRITY, "promotion", "bundle.chain",
                        "policy's answer is not a promotion");
    }
    struct policy_approval *list = arena_alloc(arena, (m->n_approvals + 1) * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < m->n_approvals; i++) {
        list[i].bytes = rpc_slice(m->approvals[i]->approval);
        list[i].signature = rpc_slice(m->approvals[i]->signature);
    }
    out->plan.sequence = p->sequence;
    out->plan.author = slice_str(p->author);
    out->promoted_at_s = m->promoted_at_s;
    out->not_before_s = m->not_before_s;
    out->approvals = list;
    out->n_approvals = m->n_approvals;
    return CH_OK;
}

static enum chancery_err links(void *ctx, uint64_t after, struct arena *arena,
                               struct policy_link **out, size_t *out_n, struct diag *diag)
{
    Chancery__Policy__V1__GetChainRequest q = CHANCERY__POLICY__V1__GET_CHAIN_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    q.after_sequence = after;
    TRY(ask(ctx, "GetChain", &q.base, arena, &m, diag));
    const Chancery__Policy__V1__GetChainResponse *a =
        (const Chancery__Policy__V1__GetChainResponse *)m;
    struct policy_link *list = arena_alloc(arena, (a->n_promotions + 1) * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < a->n_promotions; i++) {
        TRY(read_promotion(a->promotions[i], arena, &list[i], diag));
    }
    *out = list;
    *out_n = a->n_promotions;
    return CH_OK;
}

static enum chancery_err files(void *ctx, const uint8_t sha256[32], struct arena *arena,
                               struct policy_file **out, size_t *out_n, struct diag *diag)
{
    struct ca_bundles *b = ctx;
    Chancery__Policy__V1__GetBundleRequest q = CHANCERY__POLICY__V1__GET_BUNDLE_REQUEST__INIT;
    ProtobufCMessage *m = NULL;
    if (memcmp(sha256, b->first, 32) == 0) { /* rolled back to: the folder has it */
        *out = b->folder.files;
        *out_n = b->folder.n;
        return CH_OK;
    }
    q.bundle_sha256 = (ProtobufCBinaryData){32, (uint8_t *)(uintptr_t)sha256};
    q.with_files = true;
    TRY(ask(b, "GetBundle", &q.base, arena, &m, diag));
    const Chancery__Policy__V1__GetBundleResponse *a =
        (const Chancery__Policy__V1__GetBundleResponse *)m;
    struct policy_file *list = arena_alloc(arena, (a->n_files + 1) * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < a->n_files; i++) {
        list[i] = (struct policy_file){a->files[i]->path, rpc_slice(a->files[i]->content)};
    }
    *out = list;
    *out_n = a->n_files;
    return CH_OK;
}

/* ---- looking for promotions ---- */

static enum chancery_err write_mark(struct ca_bundles *b, struct diag *diag)
{
    uint8_t sha256[32];
    struct buf line CLEANUP(buf_clear);
    buf_init(&line, POLICY_LIFE_MARK_MAX);
    uint64_t end = policy_life_end(b->life, sha256);
    if (end <= b->marked) {
        return CH_OK;
    }
    TRY(policy_life_mark(b->life, &line));
    TRY(daemon_mark_write(b->ca->d, MARK, buf_slice(&line), diag));
    b->marked = end;
    return CH_OK;
}

/* Whether what policy told does not hold, rather than policy being away. */
static bool refuted(enum chancery_err err)
{
    return err == CH_INTEGRITY || err == CH_REFUSED || err == CH_INVALID || err == CH_MALFORMED ||
           err == CH_CONFLICT || err == CH_PRECONDITION || err == CH_EXISTS || err == CH_CRYPTO ||
           err == CH_UNSUPPORTED;
}

enum chancery_err ca_bundles_refresh(struct ca_bundles *b, struct diag *diag)
{
    const struct policy_life_source source = {links, files, b};
    struct diag marking = {.field = ""};
    pthread_mutex_lock(&b->lock);
    enum chancery_err err = policy_life_update(b->life, &source, os_now_s(), diag);
    atomic_store(&b->behind, policy_life_behind(b->life, os_now_s()));
    if (err == CH_OK || refuted(err)) {
        enum chancery_err marked = write_mark(b, &marking);
        if (marked == CH_OK) {
            atomic_store(&b->known, true);
        } else {
            log_diag(LOG_LEVEL_ERROR, "ca.bundle_mark", marked, &marking);
        }
    }
    pthread_mutex_unlock(&b->lock);
    return err;
}

static void log_in_force(struct ca_bundles *b)
{
    struct diag diag = {.field = ""};
    const struct policy_life_item *i = NULL;
    if (ca_bundles_take(b, os_now_s(), &i, NULL) != CH_OK) {
        return;
    }
    if (b->logged != i->sequence + 1) {
        const struct daemon_field f[] = {DAEMON_DIGEST("bundle", slice_of(i->sha256, 32)),
                                         DAEMON_NUM("sequence", i->sequence)};
        enum chancery_err err = daemon_audit(b->ca->d, "bundle.in_force", f, 2, NULL, &diag);
        if (err == CH_OK) {
            b->logged = i->sequence + 1;
            log_event(LOG_LEVEL_INFO, "ca.bundle", LOG_NUM("sequence", i->sequence));
        } else {
            log_diag(LOG_LEVEL_WARN, "ca.bundle", err, &diag);
        }
    }
    policy_life_drop(b->life, i);
}

/* Each promotion that does not verify is logged once for each reason. */
static void log_refused(struct ca_bundles *b, enum chancery_err err, const struct diag *why)
{
    struct diag diag = {.field = ""};
    struct refused now = {.sequence = 0};
    memcpy(now.rule, why->rule, sizeof now.rule);
    now.sequence = policy_life_refused(b->life, now.sha256);
    if (memcmp(&now, &b->refused, sizeof now) == 0) {
        return;
    }
    const struct daemon_field f[] = {DAEMON_STR("step", "chain"), DAEMON_STR("rule", now.rule),
                                     DAEMON_STR("code", err_name(err)),
                                     DAEMON_NUM("sequence", now.sequence),
                                     DAEMON_DIGEST("bundle", slice_of(now.sha256, 32))};
    log_diag(LOG_LEVEL_WARN, "ca.bundle_refused", err, why);
    enum chancery_err logged =
        daemon_audit(b->ca->d, "bundle.refused", f, now.sequence == 0 ? 3 : 5, NULL, &diag);
    if (logged == CH_OK) {
        b->refused = now;
    } else {
        log_diag(LOG_LEVEL_WARN, "ca.bundle_refused", logged, &diag);
    }
}

static void task(void *ctx)
{
    struct ca_bundles *b = ctx;
    struct diag diag = {.field = ""};
    enum chancery_err err = ca_bundles_refresh(b, &diag);
    if (err == CH_OK) {
        b->refused = (struct refused){.sequence = 0};
    } else if (!refuted(err)) {
        if (err != b->last) {
            log_diag(LOG_LEVEL_WARN, "ca.bundles", err, &diag);
        }
    } else {
        log_refused(b, err, &diag);
    }
    b->last = err;
    log_in_force(b);
}

/* ---- taking ---- */

enum chancery_err ca_bundles_take(struct ca_bundles *b, int64_t now_s,
                                  const struct policy_life_item **out, struct diag *diag)
{
    *out = NULL;
    if (atomic_load(&b->behind)) {
        return diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.behind",
                        "this process cannot follow to the bundle in force; nothing was done");
    }
    if (atomic_load(&b->known)) {
        *out = policy_life_take(b->life, NULL, now_s);
    }
    return *out != NULL ? CH_OK
                        : diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.unknown",
                                   "policy has not told which bundle is in force; try later");
}

void ca_bundles_drop(struct ca_bundles *b, const struct policy_life_item *item)
{
    policy_life_drop(b->life, item);
}

static enum chancery_err check(void *ctx, struct diag *diag)
{
    struct ca_bundles *b = ctx;
    const struct policy_life_item *i = NULL;
    TRY(ca_bundles_take(b, os_now_s(), &i, diag));
    ca_bundles_drop(b, i);
    return CH_OK;
}

/* ---- life and end ---- */

static enum chancery_err prepare(void *ctx, struct policy_bundle *take_bundle, void **out,
                                 struct diag *diag)
{
    return ca_bundle_prepare(ctx, take_bundle, (struct ca_bundle **)out, diag);
}

static void release(void *payload)
{
    ca_bundle_free(payload);
}

static enum chancery_err open_all(struct ca_bundles *b, const char *dir, unsigned poll_ms,
                                  struct diag *diag)
{
    struct buf mark CLEANUP(buf_clear);
    buf_init(&mark, POLICY_LIFE_MARK_MAX);
    TRY(policy_folder_load(dir, &b->folder, diag));
    TRY(policy_files_hash(b->folder.files, b->folder.n, b->first));
    if (memcmp(b->first, daemon_trust(b->ca->d)->bundle_sha256, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.pin",
                        "the bundle in %s is not the one that trust.json names", dir);
    }
    const struct policy_life_opts opts = {.trust_domain = daemon_trust_domain(b->ca->d),
                                          .files = b->folder.files,
                                          .n_files = b->folder.n,
                                          .prepare = prepare,
                                          .release = release,
                                          .ctx = b->ca};
    TRY(policy_life_new(&opts, &b->life, diag));
    TRY(daemon_mark_read(b->ca->d, MARK, &mark, diag));
    TRY(policy_life_expect(b->life, buf_slice(&mark), diag));
    TRY(daemon_check_add(b->ca->d, "bundle", check, b));
    return daemon_every(b->ca->d, "bundles", poll_ms, task, b);
}

enum chancery_err ca_bundles_open(struct ca *ca, const char *dir, unsigned poll_ms,
                                  struct diag *diag)
{
    struct ca_bundles *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    b->ca = ca;
    pthread_mutex_init(&b->lock, NULL);
    ca->bundles = b; /* freed after the daemon, which may hold it when something fails */
    return open_all(b, dir, poll_ms, diag);
}

void ca_bundles_free(struct ca_bundles *b)
{
    if (b != NULL) {
        policy_life_free(b->life);
        policy_folder_clear(&b->folder);
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
}
