/* Comparing with what was signed before, and signing (invariant: the log never forks or shrinks).
 */
#include "publish_int.h"

#include "log/log.h"
#include "os/os.h"
#include "store.h"

#define SIGN_QUEUE_MS 2000

/* Hashes of the tree that p->tiles stands for: full tiles from files, the incomplete ones from
 * memory. */
static enum chancery_err builder_node(void *ctx, unsigned level, uint64_t index,
                                      struct tlog_hash *out)
{
    struct audit_publisher *p = ctx;
    unsigned tile_level = level / 8;
    uint64_t tile = index >> (8 - level % 8);
    if (tile_level >= TLOG_LEVELS) {
        return CH_NOT_FOUND;
    }
    if (tile == (p->tiles.size >> (8 * tile_level)) / TLOG_TILE_WIDTH) {
        return tlog_tile_node(p->tiles.tail[tile_level], p->tiles.n[tile_level], level, index, out);
    }
    struct tlog_hash hashes[TLOG_TILE_WIDTH];
    size_t n = 0;
    TRY(audit_files_tile(p->opts.log_dir, p->tiles.size, tile_level, tile, hashes, &n, NULL));
    return tlog_tile_node(hashes, n, level, index, out);
}

static enum chancery_err contradiction(const char *where, const char *what, uint64_t size,
                                       struct diag *diag)
{
    return diag_set(diag, CH_INTEGRITY, where, "audit.checkpoint.contradiction",
                    "the checkpoint of %llu entries in %s %s: nothing is signed",
                    (unsigned long long)size, where, what);
}

static enum chancery_err extends(struct audit_publisher *p, const char *where,
                                 const struct tlog_checkpoint *old, const struct tlog_hash *root,
                                 struct diag *diag)
{
    uint64_t size = p->tiles.size;
    if (old->size > size) {
        return contradiction(where, "is larger than the log", old->size, diag);
    }
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 0;
    bool valid = false;
    if (tlog_prove_consistency(old->size, size, builder_node, p, proof, &n) != CH_OK) {
        return contradiction(where, "cannot be proven consistent", old->size, diag);
    }
    tlog_verify_consistency(old->size, &old->root, size, root, proof, n, &valid);
    return valid ? CH_OK : contradiction(where, "is not a prefix of the log", old->size, diag);
}

enum chancery_err audit_sign_second(struct audit_publisher *p, struct buf *note,
                                    struct tlog_checkpoint *out, struct diag *diag)
{
    TRY(os_file_read(p->opts.second_checkpoint, note, diag));
    enum chancery_err err =
        tlog_checkpoint_open(buf_slice(note), p->keys, AUDIT_KEYS, true, out, diag);
    return err == CH_OK || err == CH_NOMEM
               ? err
               : diag_set(diag, CH_INTEGRITY, p->opts.second_checkpoint, "audit.checkpoint.second",
                          "the checkpoint in the second place does not verify");
}

static enum chancery_err from_database(struct audit_publisher *p, struct db_conn *conn,
                                       struct buf *note, struct tlog_checkpoint *out,
                                       struct diag *diag)
{
    TRY(audit_store_checkpoint_last(conn, note, diag));
    enum chancery_err err =
        tlog_checkpoint_open(buf_slice(note), p->keys, AUDIT_KEYS, true, out, diag);
    return err == CH_OK || err == CH_NOMEM
               ? err
               : diag_set(diag, CH_INTEGRITY, "audit.checkpoint", "audit.checkpoint.stored",
                          "the newest checkpoint in the database does not verify");
}

enum chancery_err audit_sign_compare(struct audit_publisher *p, struct db_conn *conn,
                                     const struct tlog_hash *root, struct buf *out_reuse,
                                     struct diag *diag)
{
    struct tlog_checkpoint old;
    if (p->published.note.len > 0) {
        old = (struct tlog_checkpoint){.size = p->published.size, .root = p->published.root};
        TRY(extends(p, "checkpoint", &old, root, diag));
    }
    CLEANUP(buf_clear) struct buf stored;
    CLEANUP(buf_clear) struct buf second;
    buf_init(&stored, TLOG_NOTE_MAX);
    buf_init(&second, TLOG_NOTE_MAX);
    enum chancery_err err = from_database(p, conn, &stored, &old, diag);
    bool in_database = err == CH_OK;
    if (in_database) {
        TRY(extends(p, "audit.checkpoint", &old, root, diag));
        if (old.size == p->tiles.size) {
            TRY(buf_add(out_reuse, buf_slice(&stored)));
        }
    } else if (err != CH_NOT_FOUND) {
        return err;
    }
    err = audit_sign_second(p, &second, &old, diag);
    if (err == CH_NOT_FOUND) {
        if (in_database) {
            log_event(LOG_LEVEL_ERROR, "audit.second_checkpoint.missing",
                      LOG_STR("path", p->opts.second_checkpoint));
        }
        return CH_OK;
    }
    TRY(err);
    TRY(extends(p, p->opts.second_checkpoint, &old, root, diag));
    if (old.size == p->tiles.size && out_reuse->len == 0) {
        return buf_add(out_reuse, buf_slice(&second));
    }
    return CH_OK;
}

enum chancery_err audit_sign_note(struct audit_publisher *p, const struct tlog_hash *root,
                                  struct buf *out, struct diag *diag)
{
    struct tlog_checkpoint c = {
        .origin = slice_str(p->opts.origin), .size = p->tiles.size, .root = *root};
    CLEANUP(buf_clear) struct buf text;
    buf_init(&text, TLOG_NOTE_MAX);
    TRY(tlog_checkpoint_body(&c, &text));
    TRY(buf_add(out, buf_slice(&text)));
    TRY(buf_add_str(out, "\n"));
    for (size_t i = 0; i < AUDIT_KEYS; i++) {
        CLEANUP(buf_clear) struct buf signature;
        buf_init(&signature, 256);
        enum crypto_alg alg = crypto_alg_default(crypto_public_type(p->keys[i].pub));
        TRY(hsm_sign(p->opts.keys[i], alg, buf_slice(&text), SIGN_QUEUE_MS, &signature, diag));
        TRY(tlog_note_add_signature(&p->keys[i], buf_slice(&signature), out));
    }
    struct tlog_checkpoint again;
    return tlog_checkpoint_open(buf_slice(out), p->keys, AUDIT_KEYS, true, &again, diag);
}
