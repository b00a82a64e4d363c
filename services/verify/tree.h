/* The walk: which files a log of a size has, and whether they lead to the signed root. */
#ifndef CHANCERY_VERIFY_TREE_H
#define CHANCERY_VERIFY_TREE_H

#include "leaves.h"
#include "report.h"
#include "trust.h"

#define VERIFY_LEVELS 8
#define VERIFY_PATH_MAX 4096
#define VERIFY_FILE_MAX ((size_t)TLOG_TILE_WIDTH * (TLOG_ENTRY_MAX + 2))

/* verify_width gives how many hashes (level 0: also entries) tile `index` of `level` has in a log
 * of `size`: 256 when full, 0 when there is no such tile. */
unsigned verify_width(uint64_t size, unsigned level, uint64_t index);

/* verify_log checks the log in `dir` against `trust`; everything found is in `report`. CH_OK also
 * when there are faults; an error (CH_NOMEM, CH_IO) means that the check could not be done. */
enum chancery_err verify_log(const char *dir, const struct verify_trust *trust,
                             struct verify_report *report, struct diag *diag) MUST_CHECK;

/* verify_listing reports every file and folder in `dir` that a log of `size` does not have. */
enum chancery_err verify_listing(const char *dir, uint64_t size, struct verify_report *report,
                                 struct diag *diag) MUST_CHECK;

/* verify_file_read appends the regular file dir/path to `out`; a missing or unreadable one is
 * reported as a fault, *out_there false. Symbolic links are not followed. */
enum chancery_err verify_file_read(const char *dir, const char *path, struct verify_report *report,
                                   struct buf *out, bool *out_there) MUST_CHECK;

#endif
