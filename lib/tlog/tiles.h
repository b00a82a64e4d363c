/* Builds the files of a tlog-tiles log from its entries, one after the other.
 *
 * The builder keeps only the incomplete tile of each level and the incomplete bundle: the files are
 * a pure function of the entries, so that a log written twice is byte for byte the same. It writes
 * no file itself; `emit` gets path (relative to the log's folder) and content. Not thread-safe. */
#ifndef CHANCERY_TLOG_TILES_H
#define CHANCERY_TLOG_TILES_H

#include "tlog/tlog.h"

#define TLOG_LEVELS 8 /* 256^8 = 2^64 entries */

struct tlog_tiles {
    uint64_t size;
    unsigned n[TLOG_LEVELS]; /* hashes in the incomplete tile of each level */
    struct tlog_hash tail[TLOG_LEVELS][TLOG_TILE_WIDTH];
    struct buf bundle; /* entries of the incomplete bundle */
};

/* Receives one file. The content is borrowed until it returns. */
typedef enum chancery_err tlog_file_fn(void *ctx, const char *path, struct slice content);

/* tlog_tiles_init makes `t` the empty log; tlog_tiles_clear frees what it holds. */
void tlog_tiles_init(struct tlog_tiles *t);
void tlog_tiles_clear(struct tlog_tiles *t);

/* tlog_tiles_add appends one entry and emits the bundle and the tiles that it completes. After an
 * error `t` may only be cleared. CH_LIMIT for entries over TLOG_ENTRY_MAX, CH_NOMEM, or what `emit`
 * returned. */
enum chancery_err tlog_tiles_add(struct tlog_tiles *t, struct slice entry, tlog_file_fn *emit,
                                 void *ctx) MUST_CHECK;

/* tlog_tiles_partials emits the incomplete bundle and tiles as partial files of the present size.
 */
enum chancery_err tlog_tiles_partials(const struct tlog_tiles *t, tlog_file_fn *emit,
                                      void *ctx) MUST_CHECK;

/* tlog_tiles_root computes the root of the present size. */
void tlog_tiles_root(const struct tlog_tiles *t, struct tlog_hash *out);

/* tlog_tile_node reads hash (level, index) of the tree out of the hashes of one tile: level % 8
 * says how far above the tile's own row it stands. `n` hashes are present; CH_NOT_FOUND past them.
 */
enum chancery_err tlog_tile_node(const struct tlog_hash *hashes, size_t n, unsigned level,
                                 uint64_t index, struct tlog_hash *out) MUST_CHECK;

#endif
