/* History: every judged certificate request is kept for some days, for replay (docs/POLICY.md).
 *
 * Not accounting. Permit hands records over and goes on; a task writes them in runs. Memory is
 * bounded: while the database is away or too slow, records are dropped, counted, and the log says
 * so. Threading: any number of RPC workers add, one task writes. */
#ifndef CHANCERY_POLICY_SERVICE_HISTORY_H
#define CHANCERY_POLICY_SERVICE_HISTORY_H

#include "daemon/daemon.h"
#include "db/db.h"
#include "trial/record.h"

#define POLICY_HISTORY_QUEUE ((size_t)32 << 20) /* octets that wait for the database */
#define POLICY_HISTORY_RUN 256                  /* records of a row */
#define POLICY_HISTORY_ROW ((size_t)1 << 20)    /* octets after which a row is full */
#define POLICY_HISTORY_DAYS 30
#define POLICY_HISTORY_DAYS_MAX 3660
#define POLICY_HISTORY_READERS_MAX 32

struct policy_history;

/* policy_history_new prepares an empty queue that keeps `days` (0: keeps nothing). `db` must
 * outlive it. NULL when out of memory. policy_history_free drops what was not written. */
struct policy_history *policy_history_new(struct db_pool *db, unsigned days);
void policy_history_free(struct policy_history *h);

/* policy_history_add takes `n` records, of which `permitted` were permitted: `records` as
 * trial_record_write makes them. Never blocks on the database. Returns true when a row is full and
 * wants to be written now. */
bool policy_history_add(struct policy_history *h, struct slice records, uint32_t n,
                        uint32_t permitted, int64_t now_s);

/* policy_history_write writes what waits. On failure it stays for the next time, as far as there is
 * room. CH_UNAVAILABLE and other errors of the database. */
enum chancery_err policy_history_write(struct policy_history *h, struct diag *diag) MUST_CHECK;

/* policy_history_purge deletes rows that ended before the days it keeps. */
enum chancery_err policy_history_purge(struct policy_history *h, int64_t now_s,
                                       struct diag *diag) MUST_CHECK;

/* policy_history_dropped counts records that found no room since the start. */
uint64_t policy_history_dropped(struct policy_history *h);

/* policy_history_read gives rows that touch from_s..to_s, oldest first, `row` borrowing the
 * records; an error of `row` ends it and is returned. A connection is held for some rows at a time
 * only. */
typedef enum chancery_err policy_history_row_fn(void *ctx, struct slice records);
enum chancery_err policy_history_read(struct policy_history *h, int64_t from_s, int64_t to_s,
                                      policy_history_row_fn *row, void *ctx,
                                      struct diag *diag) MUST_CHECK;

#endif
