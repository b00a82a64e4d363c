/* The transcript of a ceremony: a hash chain of canonical JSON lines in one append-only file.
 *
 * Line: {"action","f","prev","seq","step","time","v":1}, keys sorted, no blanks, newline at the
 * end. prev is the SHA-256 (hex) of the line before without its newline, 64 zeros in the first.
 * Each line is on disk (fsync) before transcript_add returns. A last line without newline was never
 * finished: it is cut off when the file is opened again, and the next line says so. One writer: the
 * file is locked while open. */
#ifndef CHANCERY_CLI_TRANSCRIPT_H
#define CHANCERY_CLI_TRANSCRIPT_H

#include <jansson.h>

#include "base/bytes.h"

#define TRANSCRIPT_MAX ((size_t)8 << 20) /* a ceremony has a few hundred lines of a few KiB */

struct transcript;

/* transcript_open opens or creates `path` and checks every line that is there. CH_INTEGRITY (with
 * the line's number) when the chain is broken, CH_EXISTS when its first line names another plan,
 * CH_BUSY when another run has it open. */
enum chancery_err transcript_open(const char *path, const uint8_t plan_sha256[32],
                                  struct transcript **out, struct diag *diag) MUST_CHECK;
void transcript_close(struct transcript *t);

/* transcript_lines counts lines; transcript_torn the bytes that were cut off at open. */
size_t transcript_lines(const struct transcript *t);
size_t transcript_torn(const struct transcript *t);

/* transcript_add appends a line; takes ownership of `f` (object; NULL: out of memory earlier). The
 * first line must be action "plan" with f.plan_sha256. */
enum chancery_err transcript_add(struct transcript *t, int64_t time_s, const char *step,
                                 const char *action, json_t *f, struct diag *diag) MUST_CHECK;

/* transcript_find returns f of the last line with that step and action, NULL when there is none. */
const json_t *transcript_find(const struct transcript *t, const char *step, const char *action);

/* transcript_head is the SHA-256 of the last line: whoever knows it knows the whole transcript. */
void transcript_head(const struct transcript *t, uint8_t out[32]);

#endif
