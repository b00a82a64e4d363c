/* What readers get: the published checkpoint, and proofs from the published files. */
#include "publish_int.h"

enum chancery_err audit_publisher_note(struct audit_publisher *p, struct buf *out,
                                       uint64_t *out_size, struct diag *diag)
{
    (void)pthread_rwlock_rdlock(&p->lock);
    enum chancery_err err = p->published.note.len == 0 ? CH_UNAVAILABLE : CH_OK;
    if (err == CH_OK && out != NULL) {
        err = buf_add(out, buf_slice(&p->published.note));
    }
    if (err == CH_OK) {
        *out_size = p->published.size;
    }
    (void)pthread_rwlock_unlock(&p->lock);
    if (err == CH_UNAVAILABLE) {
        return diag_set(diag, err, "checkpoint", "audit.checkpoint.none",
                        "no checkpoint is published yet");
    }
    return err;
}

struct tile_cache {
    struct audit_publisher *p;
    unsigned level;
    uint64_t index;
    size_t n; /* 0: nothing read yet */
    struct tlog_hash hashes[TLOG_TILE_WIDTH];
    struct diag *diag;
};

static enum chancery_err file_node(void *ctx, unsigned level, uint64_t index, struct tlog_hash *out)
{
    struct tile_cache *c = ctx;
    unsigned tile_level = level / 8;
    uint64_t tile = index >> (8 - level % 8);
    if (c->n == 0 || c->level != tile_level || c->index != tile) {
        c->n = 0;
        TRY(audit_files_tile(c->p->opts.log_dir, c->p->published.size, tile_level, tile, c->hashes,
                             &c->n, c->diag));
        c->level = tile_level;
        c->index = tile;
    }
    return tlog_tile_node(c->hashes, c->n, level, index, out);
}

static enum chancery_err prove(struct audit_publisher *p, uint64_t index, struct buf *out,
                               struct diag *diag)
{
    if (p->published.note.len == 0 || index >= p->published.size) {
        return diag_set(diag, CH_NOT_FOUND, "index", "audit.proof.uncovered",
                        "no published checkpoint covers entry %llu", (unsigned long long)index);
    }
    struct tlog_hash proof[TLOG_PROOF_MAX];
    size_t n = 0;
    struct tile_cache cache = {.p = p, .diag = diag};
    enum chancery_err err =
        tlog_prove_inclusion(index, p->published.size, file_node, &cache, proof, &n);
    if (err != CH_OK) {
        return diag_set(diag, err == CH_NOMEM ? err : CH_INTEGRITY, "tile",
                        "audit.files.incomplete", "the tiles that the proof needs cannot be read");
    }
    return tlog_proof_write(index, proof, n, buf_slice(&p->published.note), out);
}

enum chancery_err audit_publisher_prove(struct audit_publisher *p, uint64_t index, struct buf *out,
                                        struct diag *diag)
{
    (void)pthread_rwlock_rdlock(&p->lock);
    enum chancery_err err = prove(p, index, out, diag);
    (void)pthread_rwlock_unlock(&p->lock);
    return err;
}
