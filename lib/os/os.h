/* Operating system edges: clocks, files that survive a crash, process hardening, kill points. */
#ifndef CHANCERY_OS_OS_H
#define CHANCERY_OS_OS_H

#include "base/bytes.h"

/* os_now_ns / os_now_s: wall clock (CLOCK_REALTIME). Only main loops call these; logic gets time.
 */
int64_t os_now_ns(void);
int64_t os_now_s(void);

/* os_mono_ms: CLOCK_MONOTONIC in milliseconds, for deadlines and intervals. */
int64_t os_mono_ms(void);

/* os_random fills `out` from the kernel's generator; ends the process if it cannot. */
void os_random(void *out, size_t len);

/* os_harden: no core dumps, not ptrace-able, no new privileges. Call before secrets are read. */
void os_harden(void);

/* os_file_read appends the whole file to `out` (its max is the limit). CH_NOT_FOUND, CH_LIMIT,
 * CH_IO. */
enum chancery_err os_file_read(const char *path, struct buf *out, struct diag *diag) MUST_CHECK;

/* os_file_write_atomic replaces `path` with `content`: temporary file, fsync, rename, fsync of the
 * folder. After CH_OK the new content survives power loss; on failure the old content stands. */
enum chancery_err os_file_write_atomic(const char *path, struct slice content, unsigned mode,
                                       struct diag *diag) MUST_CHECK;

/* os_mkdirs makes `path` and missing parents with `mode`. */
enum chancery_err os_mkdirs(const char *path, unsigned mode) MUST_CHECK;

/* ---- kill points ----
 * OS_FAILPOINT("ca.reserved") does nothing in shipped binaries: the macro is empty and the name is
 * not in the file. Built with CHANCERY_FAILPOINTS it ends the process by SIGKILL when the file
 * named by the environment variable CHANCERY_FAILPOINT_FILE holds a line "<name>" or "<name>
 * <nth>"; the file is removed first, so each arming kills once. */
#ifdef CHANCERY_FAILPOINTS
void os_failpoint(const char *name);
#define OS_FAILPOINT(name) os_failpoint(name)
#else
#define OS_FAILPOINT(name) ((void)0)
#endif

#endif
