/* Bundles in force: first one from a folder, others from the database. */
#include "bundles.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "log/log.h"
#include "os/os.h"
#include "store_bundle.h"

#define LOOK_MS 500    /* between two looks for promotions: well below the lead of one */
#define STALE_MS 10000 /* longer without the database: what is in force may be another one */
#define RULE_OCTETS 64
#define MARK "bundle"

struct refused {
    char rule[RULE_OCTETS];
    uint64_t sequence;
    uint8_t sha256[32];
};

struct policy_bundles {
    struct daemon *d;
    struct db_pool *db;
    struct policy_folder folder; /* the first bundle's files: put into the database once */
    struct policy_life *life;
    uint8_t first[32];
    pthread_mutex_t lock;     /* one refresh at a time; and what follows */
    uint64_t marked;          /* number in the mark */
    bool seeded;              /* the first bundle is in the database */
    struct refused refused;   /* what stood against the chain's next promotion, logged */
    _Atomic int64_t known_ms; /* when all that verifies was last known; 0: never */
    atomic_bool behind;
    enum chancery_err last; /* of the task: log only changes */
    uint64_t logged;        /* number whose coming into force is in the log, plus 1 */
};

/* ---- the source: the database ---- */

static enum chancery_err links(void *ctx, uint64_t after, struct arena *arena,
                               struct policy_link **out, size_t *out_n, struct diag *diag)
{
    struct policy_bundles *b = ctx;
    struct policy_stored_link *stored = NULL;
    TRY(policy_store_links(b->db, b->first, after, arena, &stored, out_n, diag));
    *out = arena_alloc(arena, (*out_n + 1) * sizeof **out);
    if (*out == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < *out_n; i++) {
        (*out)[i] = stored[i].link;
    }
    return CH_OK;
}

static enum chancery_err files(void *ctx, const uint8_t sha256[32], struct arena *arena,
                               struct policy_file **out, size_t *out_n, struct diag *diag)
{
    struct policy_bundles *b = ctx;
    struct policy_stored stored;
    if (memcmp(sha256, b->first, 32) == 0) { /* rolled back to: the folder has it */
        *out = b->folder.files;
        *out_n = b->folder.n;
        return CH_OK;
    }
    TRY(policy_store_get(b->db, b->first, sha256, 0, true, arena, &stored, diag));
    *out = stored.files;
    *out_n = stored.n_files;
    return CH_OK;
}

/* ---- the log ---- */

void policy_bundles_refused(const struct policy_bundles *b, const char *step, const uint8_t *sha256,
                            const char *caller, enum chancery_err err, const struct diag *why)
{
    struct daemon_field f[5];
    struct diag diag = {.field = ""};
    size_t n = 0;
    f[n++] = DAEMON_STR("step", step);
    f[n++] = DAEMON_STR("rule", why->rule);
    f[n++] = DAEMON_STR("code", err_name(err));
    if (sha256 != NULL) {
        f[n++] = DAEMON_DIGEST("bundle", slice_of(sha256, 32));
    }
    if (caller[0] != '\0') {
        f[n++] = DAEMON_STR("caller", caller);
    }
    log_diag(LOG_LEVEL_WARN, "policy.bundle_refused", err, why);
    enum chancery_err logged = daemon_audit(b->d, "bundle.refused", f, n, NULL, &diag);
    if (logged != CH_OK) {
        log_diag(LOG_LEVEL_WARN, "policy.bundle_refused", logged, &diag);
    }
}

/* Says once that a promotion came into force here. */
static void log_in_force(struct policy_bundles *b)
{
    struct diag diag = {.field = ""};
    const struct policy_life_item *i = NULL;
    if (policy_bundles_take(b, slice_of(NULL, 0), os_now_s(), &i, NULL) != CH_OK) {
        return;
    }
    if (b->logged == i->sequence + 1) {
        policy_life_drop(b->life, i);
        return;
    }
    const struct daemon_field f[] = {DAEMON_DIGEST("bundle", slice_of(i->sha256, 32)),
                                     DAEMON_NUM("sequence", i->sequence)};
    enum chancery_err err = daemon_audit(b->d, "bundle.in_force", f, 2, NULL, &diag);
    if (err == CH_OK) {
        char hex[65];
        hex_encode(slice_of(i->sha256, 32), hex);
        log_event(LOG_LEVEL_INFO, "policy.bundle", LOG_STR("sha256", hex),
                  LOG_NUM("sequence", i->sequence),
                  LOG_NUM("profiles", policy_profile_count(i->payload)));
        b->logged = i->sequence + 1;
    } else {
        log_diag(LOG_LEVEL_WARN, "policy.bundle", err, &diag);
    }
    policy_life_drop(b->life, i);
}

/* ---- looking for promotions ---- */

/* The first bundle stands in the database too, so that old bundles are read in one way. */
static enum chancery_err put_first(struct db_conn *conn, void *ctx, struct diag *diag)
{
    struct policy_bundles *b = ctx;
    bool new = false;
    struct policy_stored s = {.author = POLICY_CHAIN_FIRST_AUTHOR,
                              .submitted_at_s = os_now_s(),
                              .files = b->folder.files,
                              .n_files = b->folder.n};
    memcpy(s.sha256, b->first, sizeof s.sha256);
    return policy_store_put(conn, &s, &new, diag);
}

static enum chancery_err write_mark(struct policy_bundles *b, struct diag *diag)
{
    uint8_t sha256[32];
    struct buf line CLEANUP(buf_clear);
    buf_init(&line, POLICY_LIFE_MARK_MAX);
    uint64_t end = policy_life_end(b->life, sha256);
    if (end <= b->marked) {
        return CH_OK;
    }
    TRY(policy_life_mark(b->life, &line));
    TRY(daemon_mark_write(b->d, MARK, buf_slice(&line), diag));
    b->marked = end;
    return CH_OK;
}

/* Whether the source was away, rather than telling something that does not hold. */
static bool away(enum chancery_err err)
{
    return err == CH_UNAVAILABLE || err == CH_BUSY || err == CH_DEADLINE || err == CH_UNKNOWN ||
           err == CH_DB || err == CH_CONFLICT || err == CH_NOMEM || err == CH_CANCELLED ||
           err == CH_DENIED || err == CH_IO;
}

static enum chancery_err look(struct policy_bundles *b, struct diag *diag)
{
    const struct policy_life_source source = {links, files, b};
    const struct db_tx_opts opts = {.retries = 0};
    int64_t began_ms = os_mono_ms();
    if (!b->seeded) {
        TRY(db_tx(b->db, &opts, put_first, b, diag));
        b->seeded = true;
    }
    enum chancery_err err = policy_life_update(b->life, &source, os_now_s(), diag);
    atomic_store(&b->behind, policy_life_behind(b->life, os_now_s()));
    if (err == CH_OK || !away(err)) {
        /* What does not verify is as if it were not there: all else is known. */
        TRY(write_mark(b, diag));
        atomic_store(&b->known_ms, began_ms);
    }
    return err;
}

enum chancery_err policy_bundles_refresh(struct policy_bundles *b, struct diag *diag)
{
    pthread_mutex_lock(&b->lock);
    enum chancery_err err = look(b, diag);
    pthread_mutex_unlock(&b->lock);
    return err;
}

/* Each promotion that does not verify is logged once for each reason. */
static void log_refused(struct policy_bundles *b, enum chancery_err err, const struct diag *why)
{
    struct refused now = {.sequence = 0};
    memcpy(now.rule, why->rule, sizeof now.rule);
    now.sequence = policy_life_refused(b->life, now.sha256);
    if (memcmp(&now, &b->refused, sizeof now) != 0) {
        b->refused = now;
        policy_bundles_refused(b, "chain", now.sequence == 0 ? NULL : now.sha256, "", err, why);
    }
}

static void task(void *ctx)
{
    struct policy_bundles *b = ctx;
    struct diag diag = {.field = ""};
    enum chancery_err err = policy_bundles_refresh(b, &diag);
    if (err == CH_OK) {
        b->refused = (struct refused){.sequence = 0};
    } else if (away(err)) {
        if (err != b->last) {
            log_diag(LOG_LEVEL_WARN, "policy.bundles", err, &diag);
        }
    } else {
        log_refused(b, err, &diag);
    }
    b->last = err;
    log_in_force(b);
}

static enum chancery_err check(void *ctx, struct diag *diag)
{
    struct policy_bundles *b = ctx;
    const struct policy_life_item *i = NULL;
    TRY(policy_bundles_take(b, slice_of(NULL, 0), os_now_s(), &i, diag));
    policy_bundles_drop(b, i);
    return CH_OK;
}

/* ---- taking ---- */

static enum chancery_err sound(const struct policy_bundles *b, struct diag *diag)
{
    int64_t known_ms = atomic_load(&b->known_ms);
    if (known_ms == 0 || os_mono_ms() - known_ms > STALE_MS) {
        return diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.unknown",
                        "the database has not told which bundle is in force; nothing was done; "
                        "retry");
    }
    if (atomic_load(&b->behind)) {
        return diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.behind",
                        "this process cannot follow to the bundle in force; nothing was done");
    }
    return CH_OK;
}

static enum chancery_err superseded(struct policy_bundles *b, int64_t now_s, struct diag *diag)
{
    char hex[65] = "";
    const struct policy_life_item *i = policy_life_take(b->life, NULL, now_s);
    if (i != NULL) {
        hex_encode(slice_of(i->sha256, 32), hex);
        policy_life_drop(b->life, i);
    }
    return diag_set(diag, CH_PRECONDITION, "bundle_sha256", "bundle.superseded",
                    "another bundle is in force: %s", hex);
}

enum chancery_err policy_bundles_take(struct policy_bundles *b, struct slice named, int64_t now_s,
                                      const struct policy_life_item **out, struct diag *diag)
{
    if (named.len != 0 && named.len != 32) {
        return diag_set(diag, CH_INVALID, "bundle_sha256", "bundle.name",
                        "a bundle is named by 32 octets");
    }
    TRY(sound(b, diag));
    *out = policy_life_take(b->life, named.len == 0 ? NULL : named.ptr, now_s);
    if (*out == NULL && named.len != 0) {
        /* The caller may have heard of a promotion that this process has not. */
        if (away(policy_bundles_refresh(b, NULL))) {
            return diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.unknown",
                            "the database is away, and that bundle is not known; retry");
        }
        TRY(sound(b, diag));
        *out = policy_life_take(b->life, named.ptr, now_s);
    }
    if (*out != NULL) {
        return CH_OK;
    }
    return named.len != 0 ? superseded(b, now_s, diag)
                          : diag_set(diag, CH_UNAVAILABLE, "bundle", "bundle.unknown",
                                     "no bundle is in force at this time");
}

void policy_bundles_drop(struct policy_bundles *b, const struct policy_life_item *item)
{
    policy_life_drop(b->life, item);
}

struct policy_life *policy_bundles_life(struct policy_bundles *b)
{
    return b->life;
}

const uint8_t *policy_bundles_first(const struct policy_bundles *b)
{
    return b->first;
}

/* ---- life and end ---- */

static enum chancery_err prepare(void *ctx, struct policy_bundle *take_bundle, void **out,
                                 struct diag *diag)
{
    (void)ctx;
    (void)diag;
    *out = take_bundle;
    return CH_OK;
}

static void release(void *payload)
{
    policy_bundle_free(payload);
}

static enum chancery_err open_first(struct policy_bundles *b, const char *dir, struct diag *diag)
{
    char hex[65];
    const struct daemon_trust *trust = daemon_trust(b->d);
    TRY(policy_folder_load(dir, &b->folder, diag));
    TRY(policy_files_hash(b->folder.files, b->folder.n, b->first));
    if (memcmp(b->first, trust->bundle_sha256, 32) != 0) {
        hex_encode(slice_of(b->first, 32), hex);
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.pin",
                        "the bundle in %s has hash %s, which trust.json does not name", dir, hex);
    }
    const struct policy_life_opts opts = {.trust_domain = daemon_trust_domain(b->d),
                                          .files = b->folder.files,
                                          .n_files = b->folder.n,
                                          .prepare = prepare,
                                          .release = release};
    return policy_life_new(&opts, &b->life, diag);
}

static enum chancery_err open_rest(struct policy_bundles *b, const char *dir, struct diag *diag)
{
    struct buf mark CLEANUP(buf_clear);
    buf_init(&mark, POLICY_LIFE_MARK_MAX);
    TRY(open_first(b, dir, diag));
    TRY(daemon_mark_read(b->d, MARK, &mark, diag));
    TRY(policy_life_expect(b->life, buf_slice(&mark), diag));
    TRY(daemon_check_add(b->d, "bundle", check, b));
    return daemon_every(b->d, "bundles", LOOK_MS, task, b);
}

enum chancery_err policy_bundles_open(struct daemon *d, struct db_pool *db, const char *dir,
                                      struct policy_bundles **out, struct diag *diag)
{
    struct policy_bundles *b = calloc(1, sizeof *b);
    if (b == NULL) {
        return CH_NOMEM;
    }
    b->d = d;
    b->db = db;
    pthread_mutex_init(&b->lock, NULL);
    *out = b; /* the daemon may hold it already when something fails: freed after it */
    return open_rest(b, dir, diag);
}

void policy_bundles_free(struct policy_bundles *b)
{
    if (b != NULL) {
        policy_life_free(b->life);
        policy_folder_clear(&b->folder);
        pthread_mutex_destroy(&b->lock);
        free(b);
    }
}
