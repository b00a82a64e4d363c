/* Rows to files, and the order of publication. */
#include "publish_int.h"

#include <stdlib.h>
#include <unistd.h>

#include "log/log.h"
#include "os/os.h"
#include "store.h"

/* ---- what is on disk at start ---- */

/* Takes the incomplete tiles and bundle of a log of `size` from its partial files. */
static enum chancery_err load_tails(struct audit_publisher *p, uint64_t size)
{
    struct tlog_tiles *t = &p->tiles;
    tlog_tiles_clear(t);
    tlog_tiles_init(t);
    t->size = size;
    for (unsigned level = 0; level < TLOG_LEVELS; level++) {
        size_t n = 0;
        uint64_t hashes = size >> (8 * level);
        if (hashes % TLOG_TILE_WIDTH == 0) {
            continue;
        }
        TRY(audit_files_tile(p->opts.log_dir, size, level, hashes / TLOG_TILE_WIDTH, t->tail[level],
                             &n, NULL));
        t->n[level] = (unsigned)n;
    }
    if (t->n[0] == 0) {
        return CH_OK;
    }
    char path[96];
    TRY(tlog_tile_path(-1, size / TLOG_TILE_WIDTH, t->n[0], path, sizeof path));
    return audit_files_read(p->opts.log_dir, path, &t->bundle, NULL);
}

struct tail_check {
    const struct tlog_tiles *tiles;
    size_t n;
};

static enum chancery_err check_entry(void *ctx, size_t i, struct slice entry)
{
    struct tail_check *c = ctx;
    struct tlog_hash hash;
    tlog_leaf_hash(entry, &hash);
    c->n = i + 1;
    return i < c->tiles->n[0] && memcmp(hash.b, c->tiles->tail[0][i].b, TLOG_HASH) == 0
               ? CH_OK
               : CH_INTEGRITY;
}

/* CH_OK: the files of the checkpoint on disk are whole, as far as its root tells, and p->tiles goes
 * on from there. Full tiles are looked at by name and length: chancery-verify reads them all. */
static enum chancery_err load_published(struct audit_publisher *p, struct diag *diag)
{
    CLEANUP(buf_clear) struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    TRY(audit_files_read(p->opts.log_dir, "checkpoint", &note, diag));
    struct tlog_checkpoint c;
    TRY(tlog_checkpoint_open(buf_slice(&note), p->keys, AUDIT_KEYS, true, &c, diag));
    struct tlog_hash root;
    struct tail_check check = {&p->tiles, 0};
    if (load_tails(p, c.size) != CH_OK || !audit_files_complete(p->opts.log_dir, c.size) ||
        tlog_bundle_each(buf_slice(&p->tiles.bundle), check_entry, &check) != CH_OK ||
        check.n != p->tiles.n[0]) {
        return diag_set(diag, CH_INTEGRITY, p->opts.log_dir, "audit.files.incomplete",
                        "files of the published log are missing or broken");
    }
    tlog_tiles_root(&p->tiles, &root);
    if (memcmp(root.b, c.root.b, TLOG_HASH) != 0) {
        return diag_set(diag, CH_INTEGRITY, p->opts.log_dir, "audit.files.root",
                        "the tiles do not have the root of the checkpoint");
    }
    (void)pthread_rwlock_wrlock(&p->lock);
    buf_reset(&p->published.note);
    enum chancery_err err = buf_add(&p->published.note, buf_slice(&note));
    p->published.size = c.size;
    p->published.root = c.root;
    (void)pthread_rwlock_unlock(&p->lock);
    return err;
}

/* Files that do not stand for their checkpoint are made anew from the rows, from the first entry
 * on. */
static void load(struct audit_publisher *p)
{
    struct diag diag = {0};
    enum chancery_err err = load_published(p, &diag);
    p->loaded = true;
    p->sweep = true;
    if (err == CH_OK) {
        return;
    }
    if (err != CH_NOT_FOUND) {
        log_diag(LOG_LEVEL_ERROR, "audit.files.rebuild", err, &diag);
    }
    tlog_tiles_clear(&p->tiles);
    tlog_tiles_init(&p->tiles);
}

static enum chancery_err take_keys(struct audit_publisher *p, struct diag *diag)
{
    static const enum crypto_key_type types[AUDIT_KEYS] = {CRYPTO_KEY_P256, CRYPTO_KEY_ED25519};
    for (size_t i = 0; i < AUDIT_KEYS; i++) {
        if (hsm_key_type(p->opts.keys[i]) != types[i]) {
            return diag_set(diag, CH_INVALID, hsm_key_uri(p->opts.keys[i]), "audit.keys",
                            "checkpoint key %zu must be %s", i + 1, crypto_key_type_name(types[i]));
        }
        p->keys[i] = (struct tlog_key){slice_str(p->opts.origin), hsm_key_public(p->opts.keys[i])};
        uint8_t id[4];
        TRY(tlog_key_id(&p->keys[i], id)); /* also refuses an origin that cannot name a key */
    }
    return CH_OK;
}

enum chancery_err audit_publisher_new(const struct audit_publisher_opts *opts,
                                      struct audit_publisher **out, struct diag *diag)
{
    struct audit_publisher *p = calloc(1, sizeof *p);
    if (p == NULL) {
        return diag_set(diag, CH_NOMEM, "", "audit.memory", "out of memory");
    }
    p->opts = *opts;
    p->lock_fd = -1;
    (void)pthread_rwlock_init(&p->lock, NULL);
    tlog_tiles_init(&p->tiles);
    buf_init(&p->published.note, TLOG_NOTE_MAX);
    enum chancery_err err = take_keys(p, diag);
    if (err == CH_OK) {
        err = audit_files_open(opts->log_dir, &p->lock_fd, diag);
    }
    if (err != CH_OK) {
        audit_publisher_free(p);
        return err;
    }
    load(p);
    *out = p;
    return CH_OK;
}

void audit_publisher_free(struct audit_publisher *p)
{
    if (p == NULL) {
        return;
    }
    tlog_tiles_clear(&p->tiles);
    buf_clear(&p->published.note);
    (void)pthread_rwlock_destroy(&p->lock);
    if (p->lock_fd >= 0) {
        (void)close(p->lock_fd);
    }
    free(p);
}

enum chancery_err audit_publisher_admit(void *ctx, uint64_t size, struct diag *diag)
{
    struct audit_publisher *p = ctx;
    CLEANUP(buf_clear) struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    struct tlog_checkpoint c;
    enum chancery_err err = audit_sign_second(p, &note, &c, diag);
    uint64_t signed_size = err == CH_OK ? c.size : 0;
    if (err != CH_OK && err != CH_NOT_FOUND) {
        return err;
    }
    (void)pthread_rwlock_rdlock(&p->lock);
    if (p->published.note.len > 0 && p->published.size > signed_size) {
        signed_size = p->published.size;
    }
    (void)pthread_rwlock_unlock(&p->lock);
    if (signed_size > size) {
        return diag_set(
            diag, CH_INTEGRITY, "audit.batch", "audit.log.shrunk",
            "a checkpoint of %llu entries was signed, the database holds %llu: it is an old copy",
            (unsigned long long)signed_size, (unsigned long long)size);
    }
    return CH_OK;
}

/* ---- publishing ---- */

struct emitting {
    struct audit_publisher *p;
    struct diag *diag;
};

static enum chancery_err emit_file(void *ctx, const char *path, struct slice content)
{
    struct emitting *e = ctx;
    return audit_files_write(e->p->opts.log_dir, path, content, e->diag);
}

static enum chancery_err take_entry(void *ctx, uint64_t index, struct slice leaf)
{
    struct emitting *e = ctx;
    if (index != e->p->tiles.size) {
        return CH_INTEGRITY;
    }
    return tlog_tiles_add(&e->p->tiles, leaf, emit_file, e);
}

/* Brings p->tiles and the files to `size` entries. After an error p->tiles is of no use. */
static enum chancery_err write_tiles(struct audit_publisher *p, struct db_conn *conn, uint64_t size,
                                     struct diag *diag)
{
    struct emitting e = {p, diag};
    while (p->tiles.size < size) {
        uint64_t before = p->tiles.size;
        TRY(audit_store_read(conn, before, size, take_entry, &e, diag));
        if (p->tiles.size == before) {
            return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.gap",
                            "the log has no entry %llu", (unsigned long long)before);
        }
    }
    return tlog_tiles_partials(&p->tiles, emit_file, &e);
}

/* Shows the new checkpoint, then removes what it supersedes; readers see one or the other. */
static enum chancery_err show(struct audit_publisher *p, const struct tlog_hash *root,
                              struct slice note, struct diag *diag)
{
    (void)pthread_rwlock_wrlock(&p->lock);
    enum chancery_err err = audit_files_write(p->opts.log_dir, "checkpoint", note, diag);
    if (err == CH_OK) {
        uint64_t old = p->published.size;
        buf_reset(&p->published.note);
        err = buf_add(&p->published.note, note);
        p->published.size = p->tiles.size;
        p->published.root = *root;
        if (p->sweep) {
            audit_files_sweep(p->opts.log_dir, p->tiles.size);
        } else {
            audit_files_supersede(p->opts.log_dir, old, p->tiles.size);
        }
    }
    (void)pthread_rwlock_unlock(&p->lock);
    return err;
}

static enum chancery_err sign_and_show(struct audit_publisher *p, struct db_conn *conn,
                                       int64_t epoch, struct diag *diag)
{
    struct tlog_hash root;
    tlog_tiles_root(&p->tiles, &root);
    CLEANUP(buf_clear) struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    TRY(audit_sign_compare(p, conn, &root, &note, diag));
    bool reused = note.len > 0;
    if (!reused) {
        TRY(audit_sign_note(p, &root, &note, diag));
    }
    OS_FAILPOINT("audit.signed");
    enum chancery_err err = audit_store_checkpoint_add(conn, p->tiles.size, &root, buf_slice(&note),
                                                       epoch, os_now_ns(), diag);
    if (err != CH_OK && !(reused && err == CH_EXISTS)) {
        return err;
    }
    TRY(os_file_write_atomic(p->opts.second_checkpoint, buf_slice(&note), 0644, diag));
    OS_FAILPOINT("audit.second_written");
    return show(p, &root, buf_slice(&note), diag);
}

static enum chancery_err publish(struct audit_publisher *p, struct db_conn *conn,
                                 const struct audit_position *at, struct diag *diag)
{
    if (!p->loaded) {
        load(p);
    }
    if (p->tiles.size > at->size) {
        return diag_set(diag, CH_INTEGRITY, "audit.batch", "audit.log.shrunk",
                        "files hold %llu entries, the database %llu",
                        (unsigned long long)p->tiles.size, (unsigned long long)at->size);
    }
    enum chancery_err err = write_tiles(p, conn, at->size, diag);
    if (err != CH_OK) {
        p->loaded = false;
        return err;
    }
    OS_FAILPOINT("audit.tiles_written");
    err = sign_and_show(p, conn, at->epoch, diag);
    p->sweep = err != CH_OK;
    return err;
}

static bool nothing_new(struct audit_publisher *p, uint64_t size)
{
    /* Only this thread changes `published`. After a start everything is looked at once. */
    return p->loaded && !p->sweep && p->published.note.len > 0 && p->published.size == size;
}

enum chancery_err audit_publisher_run(struct audit_publisher *p, const struct audit_position *at,
                                      struct diag *diag)
{
    if (!at->active || nothing_new(p, at->size)) {
        return CH_OK;
    }
    struct db_conn *conn = NULL;
    TRY(db_acquire(p->opts.pool, &conn, diag));
    audit_files_lock(p->lock_fd, true);
    enum chancery_err err = publish(p, conn, at, diag);
    audit_files_lock(p->lock_fd, false);
    db_release(conn);
    return err;
}
