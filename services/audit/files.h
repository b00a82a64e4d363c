/* The derived files of the log: durable writing, cleaning, reading. Paths are relative to the log's
 * folder and of the forms "checkpoint" and those of tlog_tile_path. */
#ifndef CHANCERY_AUDIT_FILES_H
#define CHANCERY_AUDIT_FILES_H

#include "tlog/tiles.h"

/* Largest file of a log: 256 entries of the longest kind. */
#define AUDIT_FILE_MAX ((size_t)TLOG_TILE_WIDTH * (TLOG_ENTRY_MAX + 2))

/* audit_files_open makes the folder and takes `dir` (not copied). *out_lock: descriptor of
 * "<dir>.lock", which the publisher holds exclusively while it changes files, so that `flock -s`
 * takes a consistent copy. */
enum chancery_err audit_files_open(const char *dir, int *out_lock, struct diag *diag) MUST_CHECK;
void audit_files_lock(int lock, bool held);

/* audit_files_write makes `path` hold `content` durably: temporary file, fsync, rename, fsync of
 * the folder, and of the parents of folders it had to make. Nothing is written when it holds that
 * already. */
enum chancery_err audit_files_write(const char *dir, const char *path, struct slice content,
                                    struct diag *diag) MUST_CHECK;

/* audit_files_read appends a whole file to `out`. CH_NOT_FOUND, CH_IO, CH_LIMIT. */
enum chancery_err audit_files_read(const char *dir, const char *path, struct buf *out,
                                   struct diag *diag) MUST_CHECK;

/* audit_files_tile reads one tile of a log of `size` entries: level and index of the tile. *out_n
 * hashes (256 or the width of the partial tile). CH_NOT_FOUND, CH_INTEGRITY (wrong length). */
enum chancery_err audit_files_tile(const char *dir, uint64_t size, unsigned level, uint64_t index,
                                   struct tlog_hash out[TLOG_TILE_WIDTH], size_t *out_n,
                                   struct diag *diag) MUST_CHECK;

/* audit_files_complete says whether every full tile and bundle of a log of `size` is there, by name
 * and (tiles) length. */
bool audit_files_complete(const char *dir, uint64_t size);

/* audit_files_supersede removes the partial files of size `old` that size `now` does not have, with
 * the folders that became empty. Best effort: what is left over, audit_files_sweep removes at
 * start. */
void audit_files_supersede(const char *dir, uint64_t old, uint64_t now);

/* audit_files_sweep removes whatever under tile/ does not belong to a log of `size`: temporary
 * files, and partial files of sizes that were never published. */
void audit_files_sweep(const char *dir, uint64_t size);

#endif
