/* C2SP tlog-tiles: paths, entry bundles, and the builder of tiles. */
#include "tlog/tiles.h"

#include <assert.h>
#include <stdio.h>

enum chancery_err tlog_tile_path(int level, uint64_t index, unsigned width, char *out, size_t cap)
{
    if (level < -1 || level > 63 || width == 0 || width > TLOG_TILE_WIDTH) {
        return CH_INVALID;
    }
    /* "x001/x234/067": groups of three digits, every group but the last marked by an x. */
    char groups[40] = "";
    size_t at = sizeof groups - 1;
    bool last = true;
    do {
        char group[8];
        int n = snprintf(group, sizeof group, last ? "%03u" : "x%03u/", (unsigned)(index % 1000));
        assert(n > 0 && (size_t)n <= at);
        at -= (size_t)n;
        memcpy(groups + at, group, (size_t)n);
        index /= 1000;
        last = false;
    } while (index != 0);
    char partial[16] = "";
    if (width < TLOG_TILE_WIDTH) {
        (void)snprintf(partial, sizeof partial, ".p/%u", width);
    }
    char folder[16] = "entries";
    if (level >= 0) {
        (void)snprintf(folder, sizeof folder, "%d", level);
    }
    int n = snprintf(NULL, 0, "tile/%s/%s%s", folder, groups + at, partial);
    if (n < 0 || (size_t)n >= cap) {
        return CH_LIMIT;
    }
    (void)snprintf(out, cap, "tile/%s/%s%s", folder, groups + at, partial);
    return CH_OK;
}

enum chancery_err tlog_bundle_add(struct buf *bundle, struct slice entry)
{
    if (entry.len > TLOG_ENTRY_MAX) {
        return CH_LIMIT;
    }
    TRY(buf_reserve(bundle, entry.len + 2));
    TRY(buf_add_u16be(bundle, (uint16_t)entry.len));
    return buf_add(bundle, entry);
}

enum chancery_err tlog_bundle_each(struct slice bundle, tlog_entry_fn *fn, void *ctx)
{
    size_t at = 0;
    for (size_t i = 0; at < bundle.len; i++) {
        if (i >= TLOG_TILE_WIDTH) {
            return CH_LIMIT;
        }
        if (bundle.len - at < 2) {
            return CH_MALFORMED;
        }
        size_t len = (size_t)bundle.ptr[at] << 8 | bundle.ptr[at + 1];
        at += 2;
        if (bundle.len - at < len) {
            return CH_MALFORMED;
        }
        TRY(fn(ctx, i, slice_sub(bundle, at, len)));
        at += len;
    }
    return CH_OK;
}

void tlog_tiles_init(struct tlog_tiles *t)
{
    memset(t, 0, sizeof *t);
    buf_init(&t->bundle, (size_t)TLOG_TILE_WIDTH * (TLOG_ENTRY_MAX + 2));
}

void tlog_tiles_clear(struct tlog_tiles *t)
{
    buf_clear(&t->bundle);
    memset(t, 0, sizeof *t);
}

static enum chancery_err emit_hashes(const struct tlog_tiles *t, unsigned level, uint64_t index,
                                     tlog_file_fn *emit, void *ctx)
{
    char path[96];
    TRY(tlog_tile_path((int)level, index, t->n[level], path, sizeof path));
    return emit(ctx, path, slice_of(t->tail[level], (size_t)t->n[level] * TLOG_HASH));
}

enum chancery_err tlog_tiles_add(struct tlog_tiles *t, struct slice entry, tlog_file_fn *emit,
                                 void *ctx)
{
    TRY(tlog_bundle_add(&t->bundle, entry));
    tlog_leaf_hash(entry, &t->tail[0][t->n[0]++]);
    uint64_t index = t->size++; /* index of the tile at each level, after one division per level */
    if (t->n[0] == TLOG_TILE_WIDTH) {
        char path[96];
        TRY(tlog_tile_path(-1, index / TLOG_TILE_WIDTH, TLOG_TILE_WIDTH, path, sizeof path));
        TRY(emit(ctx, path, buf_slice(&t->bundle)));
        buf_reset(&t->bundle);
    }
    for (unsigned level = 0; level < TLOG_LEVELS && t->n[level] == TLOG_TILE_WIDTH; level++) {
        index /= TLOG_TILE_WIDTH;
        TRY(emit_hashes(t, level, index, emit, ctx));
        if (level + 1 < TLOG_LEVELS) {
            tlog_root(t->tail[level], TLOG_TILE_WIDTH, &t->tail[level + 1][t->n[level + 1]++]);
        }
        t->n[level] = 0;
    }
    return CH_OK;
}

enum chancery_err tlog_tiles_partials(const struct tlog_tiles *t, tlog_file_fn *emit, void *ctx)
{
    uint64_t index = t->size;
    for (unsigned level = 0; level < TLOG_LEVELS; level++) {
        index /= TLOG_TILE_WIDTH;
        if (t->n[level] == 0) {
            continue;
        }
        if (level == 0) {
            char path[96];
            TRY(tlog_tile_path(-1, index, t->n[0], path, sizeof path));
            TRY(emit(ctx, path, buf_slice(&t->bundle)));
        }
        TRY(emit_hashes(t, level, index, emit, ctx));
    }
    return CH_OK;
}

void tlog_tiles_root(const struct tlog_tiles *t, struct tlog_hash *out)
{
    struct tlog_hash root;
    bool have = false;
    /* The perfect subtrees of the whole tree, smallest (rightmost) first: those inside the
     * incomplete tile of level 0, then of level 1, and so on. */
    for (unsigned level = 0; level < TLOG_LEVELS; level++) {
        size_t end = t->n[level];
        for (unsigned bit = 0; bit < 8; bit++) {
            size_t width = (size_t)1 << bit;
            if ((t->n[level] & width) == 0) {
                continue;
            }
            end -= width;
            struct tlog_hash left;
            tlog_root(&t->tail[level][end], width, &left);
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

enum chancery_err tlog_tile_node(const struct tlog_hash *hashes, size_t n, unsigned level,
                                 uint64_t index, struct tlog_hash *out)
{
    unsigned up = level % 8;
    size_t width = (size_t)1 << up;
    size_t first = (size_t)(index % (TLOG_TILE_WIDTH >> up)) * width;
    if (first + width > n) {
        return CH_NOT_FOUND;
    }
    tlog_root(&hashes[first], width, out);
    return CH_OK;
}
