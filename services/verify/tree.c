/* Entries to tiles to root.
 *
 * Bundles are read in order; their hashes make each tile anew, level by level. Where a computed
 * tile and the file differ, one of them is wrong: a tile file is right when its root stands in its
 * parent tile, and so on up to the incomplete tiles, which are right when they have the signed
 * root. So the file that is at fault can be named, and the walk goes on with what is right. */
#include "tree.h"

#include <stdio.h>
#include <stdlib.h>

struct row {
    unsigned n;
    struct tlog_hash hashes[TLOG_TILE_WIDTH];
};
struct walk {
    const char *dir;
    const struct verify_trust *trust;
    struct verify_report *report;
    struct verify_leaves leaves;
    uint64_t size;
    struct tlog_hash root; /* signed */
    bool tails_right;      /* the incomplete tiles as they are on disk have the signed root */
    struct row rows[VERIFY_LEVELS];
    struct buf bundle;
};

/* Reads a tile file; *out_there false when it is missing or has the wrong length (reported if
 * `loud`). */
static enum chancery_err read_tile(struct walk *w, unsigned level, uint64_t index, bool loud,
                                   struct row *out, bool *out_there)
{
    struct verify_report quiet = {0};
    struct verify_report *report = loud ? w->report : &quiet;
    char path[96];
    unsigned width = verify_width(w->size, level, index);
    CLEANUP(buf_clear) struct buf bytes;
    buf_init(&bytes, (size_t)TLOG_TILE_WIDTH * TLOG_HASH);
    TRY(tlog_tile_path((int)level, index, width, path, sizeof path));
    enum chancery_err err = verify_file_read(w->dir, path, report, &bytes, out_there);
    if (err == CH_OK && *out_there && bytes.len != (size_t)width * TLOG_HASH) {
        verify_fault_add(report, path, (int64_t)bytes.len, -1, "tile.length",
                         "a tile of %u hashes has %zu octets", width, (size_t)width * TLOG_HASH);
        *out_there = false;
    }
    if (*out_there) {
        out->n = width;
        memcpy(out->hashes, bytes.ptr, bytes.len);
    }
    verify_report_clear(&quiet);
    return err;
}

/* Root of the tree whose incomplete tiles are rows[0..]: perfect subtrees from the right. */
static void root_of(const struct row rows[VERIFY_LEVELS], struct tlog_hash *out)
{
    bool have = false;
    struct tlog_hash root;
    for (unsigned level = 0; level < VERIFY_LEVELS; level++) {
        size_t end = rows[level].n;
        for (size_t width = 1; width < TLOG_TILE_WIDTH; width *= 2) {
            if ((rows[level].n & width) == 0) {
                continue;
            }
            struct tlog_hash left;
            end -= width;
            tlog_root(&rows[level].hashes[end], width, &left);
            if (have) {
                tlog_node_hash(&left, &root, &root);
            } else {
                root = left;
                have = true;
            }
        }
    }
    if (!have) {
        tlog_root(NULL, 0, &root);
    }
    *out = root;
}

static enum chancery_err check_tails(struct walk *w)
{
    struct row *rows = calloc(VERIFY_LEVELS, sizeof *rows);
    if (rows == NULL) {
        return CH_NOMEM;
    }
    bool all = true;
    enum chancery_err err = CH_OK;
    for (unsigned level = 0; level < VERIFY_LEVELS && err == CH_OK; level++) {
        uint64_t index = (w->size >> (8 * level)) / TLOG_TILE_WIDTH;
        bool there = true;
        if (verify_width(w->size, level, index) != 0) {
            err = read_tile(w, level, index, false, &rows[level], &there);
        }
        all = all && there;
    }
    struct tlog_hash root;
    root_of(rows, &root);
    w->tails_right = err == CH_OK && all && memcmp(root.b, w->root.b, TLOG_HASH) == 0;
    free(rows);
    return err;
}

/* Whether the tile `tile` (level, index), as read from its file, leads to the signed root. */
static bool leads_to_root(struct walk *w, unsigned level, uint64_t index, const struct row *tile)
{
    struct row here = *tile;
    while (here.n == TLOG_TILE_WIDTH && level + 1 < VERIFY_LEVELS) {
        struct tlog_hash root;
        struct row parent = {0};
        bool there = false;
        tlog_root(here.hashes, here.n, &root);
        unsigned slot = (unsigned)(index % TLOG_TILE_WIDTH);
        level++;
        index /= TLOG_TILE_WIDTH;
        if (read_tile(w, level, index, false, &parent, &there) != CH_OK || !there ||
            slot >= parent.n || memcmp(parent.hashes[slot].b, root.b, TLOG_HASH) != 0) {
            return false;
        }
        here = parent;
    }
    return w->tails_right;
}

static unsigned first_difference(const struct row *a, const struct row *b)
{
    unsigned i = 0;
    while (i < a->n && i < b->n && memcmp(a->hashes[i].b, b->hashes[i].b, TLOG_HASH) == 0) {
        i++;
    }
    return i;
}

/* Reports tile `index` of `level`: its hash `slot` is not what lies below it. */
static void report_tile(struct walk *w, unsigned level, uint64_t index, unsigned slot)
{
    char path[96] = "tile";
    unsigned width = verify_width(w->size, level, index);
    if (tlog_tile_path((int)level, index, width, path, sizeof path) != CH_OK) {
        (void)snprintf(path, sizeof path, "tile/%u", level);
    }
    verify_fault_add(w->report, path, (int64_t)slot * TLOG_HASH, -1, "tile.hash",
                     "hash %u is not that of what lies below it", slot);
}

/* A complete row of hashes made from below, against its file. Afterwards `row` holds what is right.
 */
static enum chancery_err check_row(struct walk *w, unsigned level, uint64_t index, struct row *row)
{
    struct row file = {0};
    bool there = false;
    TRY(read_tile(w, level, index, true, &file, &there));
    unsigned slot = there ? first_difference(&file, row) : 0;
    if (!there || slot == file.n) {
        return CH_OK;
    }
    if (!leads_to_root(w, level, index, &file)) {
        report_tile(w, level, index, slot);
        return CH_OK;
    }
    /* The tile is right: what lies below was changed together, tile and entries. */
    for (; slot < file.n; slot++) {
        if (memcmp(file.hashes[slot].b, row->hashes[slot].b, TLOG_HASH) != 0) {
            report_tile(w, level - 1, index * TLOG_TILE_WIDTH + slot, 0);
        }
    }
    *row = file;
    return CH_OK;
}

/* Adds the root of a full tile below to the row of `level`. */
static enum chancery_err push(struct walk *w, unsigned level, uint64_t index,
                              const struct tlog_hash *hash)
{
    struct tlog_hash up = *hash;
    while (level < VERIFY_LEVELS) {
        struct row *row = &w->rows[level];
        row->hashes[row->n++] = up;
        if (row->n < TLOG_TILE_WIDTH) {
            break;
        }
        index /= TLOG_TILE_WIDTH;
        TRY(check_row(w, level, index, row));
        tlog_root(row->hashes, row->n, &up);
        row->n = 0;
        level++;
    }
    return CH_OK;
}

/* ---- bundles ---- */

struct entries {
    size_t n;
    struct slice lines[TLOG_TILE_WIDTH];
};

static enum chancery_err take_line(void *ctx, size_t i, struct slice entry)
{
    struct entries *e = ctx;
    e->lines[i] = entry;
    e->n = i + 1;
    return CH_OK;
}

static enum chancery_err judge_lines(struct walk *w, uint64_t index, const char *path,
                                     const struct entries *e, const struct row *right)
{
    for (size_t i = 0; i < right->n; i++) {
        struct tlog_hash hash = {{0}};
        if (i < e->n) {
            tlog_leaf_hash(e->lines[i], &hash);
        }
        if (i >= e->n || memcmp(hash.b, right->hashes[i].b, TLOG_HASH) != 0) {
            verify_leaves_skip(&w->leaves);
            continue;
        }
        TRY(verify_leaves_add(&w->leaves, index * TLOG_TILE_WIDTH + i, e->lines[i], path,
                              (size_t)(e->lines[i].ptr - w->bundle.ptr)));
    }
    return CH_OK;
}

/* Bundle `index` is at fault: says where. */
static void report_bundle(struct walk *w, uint64_t index, const char *path, const struct entries *e,
                          bool walked, unsigned width, unsigned slot)
{
    size_t end = 0;
    if (slot < e->n) {
        end = (size_t)(e->lines[slot].ptr - w->bundle.ptr);
    } else if (e->n > 0) {
        end = (size_t)(e->lines[e->n - 1].ptr - w->bundle.ptr) + e->lines[e->n - 1].len;
    }
    int64_t entry = slot < width ? (int64_t)(index * TLOG_TILE_WIDTH + slot) : -1;
    if (slot < e->n && slot < width) {
        verify_fault_add(w->report, path, (int64_t)end, entry, "bundle.hash",
                         "the entry does not have the hash that the tree has for it");
    } else if (!walked) {
        verify_fault_add(w->report, path, (int64_t)end, entry, "bundle.format",
                         "the bundle does not end where an entry ends");
    } else {
        verify_fault_add(w->report, path, (int64_t)end, entry, "bundle.count",
                         "the bundle has %zu entries, it must have %u", e->n, width);
    }
}

/* Which hashes of level 0 are right: of the tile file, or of the bundle. Reports the other. */
static enum chancery_err settle_bundle(struct walk *w, uint64_t index, const char *path,
                                       const struct entries *e, bool walked, struct row *made)
{
    struct row file = {0};
    bool there = false;
    unsigned width = verify_width(w->size, 0, index);
    TRY(read_tile(w, 0, index, true, &file, &there));
    bool whole = walked && e->n == width;
    unsigned slot = there ? first_difference(&file, made) : made->n;
    if (whole && (!there || slot == width)) {
        return CH_OK;
    }
    if (there && (!whole || leads_to_root(w, 0, index, &file))) {
        report_bundle(w, index, path, e, walked, width, slot);
        *made = file;
        return CH_OK;
    }
    if (whole) {
        report_tile(w, 0, index, slot);
        return CH_OK;
    }
    report_bundle(w, index, path, e, walked, width, slot);
    memset(&made->hashes[made->n], 0, (width - made->n) * sizeof made->hashes[0]);
    made->n = width;
    return CH_OK;
}

static enum chancery_err check_bundle(struct walk *w, uint64_t index)
{
    struct entries e = {0};
    struct row made = {0};
    char path[96];
    bool there = false;
    unsigned width = verify_width(w->size, 0, index);
    TRY(tlog_tile_path(-1, index, width, path, sizeof path));
    buf_reset(&w->bundle);
    TRY(verify_file_read(w->dir, path, w->report, &w->bundle, &there));
    bool walked = there && tlog_bundle_each(buf_slice(&w->bundle), take_line, &e) == CH_OK;
    for (size_t i = 0; i < e.n && i < width; i++) {
        tlog_leaf_hash(e.lines[i], &made.hashes[made.n++]);
    }
    if (there) {
        TRY(settle_bundle(w, index, path, &e, walked, &made));
    } else {
        bool tile_there = false;
        TRY(read_tile(w, 0, index, true, &made, &tile_there));
        made.n = width; /* zeroes when that is missing too: the root cannot come out right */
    }
    TRY(judge_lines(w, index, path, &e, &made));
    if (width < TLOG_TILE_WIDTH) {
        w->rows[0] = made;
        return CH_OK;
    }
    struct tlog_hash up;
    tlog_root(made.hashes, made.n, &up);
    return push(w, 1, index, &up);
}

static enum chancery_err check_tree(struct walk *w)
{
    TRY(check_tails(w));
    for (uint64_t i = 0; verify_width(w->size, 0, i) != 0; i++) {
        TRY(check_bundle(w, i));
    }
    for (unsigned level = 1; level < VERIFY_LEVELS; level++) {
        if (w->rows[level].n > 0) {
            TRY(check_row(w, level, (w->size >> (8 * level)) / TLOG_TILE_WIDTH, &w->rows[level]));
        }
    }
    struct tlog_hash root;
    root_of(w->rows, &root);
    if (memcmp(root.b, w->root.b, TLOG_HASH) != 0) {
        verify_fault_add(w->report, "checkpoint", -1, -1, "tree.root",
                         "the entries do not have the root that the checkpoint signs");
    }
    verify_leaves_end(&w->leaves);
    return CH_OK;
}

static enum chancery_err check_checkpoint(struct walk *w, bool *out_good)
{
    CLEANUP(buf_clear) struct buf note;
    buf_init(&note, TLOG_NOTE_MAX);
    struct tlog_checkpoint c;
    struct diag diag = {0};
    bool there = false;
    TRY(verify_file_read(w->dir, "checkpoint", w->report, &note, &there));
    if (!there) {
        return CH_OK;
    }
    enum chancery_err err =
        tlog_checkpoint_open(buf_slice(&note), w->trust->keys, w->trust->n_keys, true, &c, &diag);
    if (err == CH_NOMEM) {
        return err;
    }
    if (err != CH_OK) {
        verify_fault_add(w->report, "checkpoint", -1, -1, diag.rule, "%s", diag.text);
        return CH_OK;
    }
    w->size = c.size;
    w->root = c.root;
    w->report->size = c.size;
    w->report->root = c.root;
    w->report->have_checkpoint = true;
    *out_good = true;
    return CH_OK;
}

enum chancery_err verify_log(const char *dir, const struct verify_trust *trust,
                             struct verify_report *report, struct diag *diag)
{
    struct walk *w = calloc(1, sizeof *w);
    if (w == NULL) {
        return diag_set(diag, CH_NOMEM, dir, "verify.memory", "out of memory");
    }
    w->dir = dir;
    w->trust = trust;
    w->report = report;
    buf_init(&w->bundle, VERIFY_FILE_MAX);
    bool good = false;
    enum chancery_err err = verify_leaves_init(&w->leaves, trust, report);
    if (err == CH_OK) {
        err = check_checkpoint(w, &good);
    }
    if (err == CH_OK && good) {
        err = verify_listing(dir, w->size, report, diag);
    }
    if (err == CH_OK && good) {
        err = check_tree(w);
    }
    verify_leaves_clear(&w->leaves);
    buf_clear(&w->bundle);
    free(w);
    return err == CH_OK ? CH_OK
                        : diag_set(diag, err, dir, "verify.failed", "the check could not be done");
}
