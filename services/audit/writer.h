/* The single writer of the log: takes everything queued, makes one row of it, commits,
 * acknowledges.
 *
 * One thread owns the state and one database connection that holds the advisory lock. After any
 * failure it throws its state away, takes the lock anew (which waits for the end of the old
 * session, so an unknown commit is then decided), raises the epoch and rebuilds the state from the
 * log: a producer that repeats its Append gets the first acknowledgement if the commit had
 * happened. */
#ifndef CHANCERY_AUDIT_WRITER_H
#define CHANCERY_AUDIT_WRITER_H

#include "batch.h"

/* Queue limits. INTENT and RESULT may fill all of it, other actions the first half. */
#define AUDIT_QUEUE_MAX 2048
#define AUDIT_QUEUE_BYTES_MAX ((size_t)64 << 20)
/* A row stops growing here; one Append is never split over rows. */
#define AUDIT_ROW_BYTES ((size_t)1 << 20)
#define AUDIT_ROW_BYTES_MAX ((size_t)32 << 20) /* 256 entries of 32 KiB with their refusals fit */

struct audit_writer;
struct db_conn;

struct audit_writer_opts {
    const char *conninfo, *instance;
    const char *self; /* own identity URI */
    /* Asked with the log's size before anything is written: CH_INTEGRITY when the database holds
     * less than a checkpoint that was signed. */
    enum chancery_err (*admit)(void *ctx, uint64_t size, struct diag *diag);
    void *ctx;
};

struct audit_position {
    bool active; /* lock held, state loaded */
    uint64_t size;
    int64_t epoch;
};

/* audit_writer_start starts the thread; it waits as stand-by until it gets the lock. Strings are
 * copied. */
enum chancery_err audit_writer_start(const struct audit_writer_opts *opts,
                                     struct audit_writer **out, struct diag *diag) MUST_CHECK;

/* audit_writer_stop ends the thread after what is queued is answered, and frees. NULL is fine. */
void audit_writer_stop(struct audit_writer *w);

/* audit_writer_submit queues one Append; CH_OK: `done` will be called. CH_BUSY: shed;
 * CH_UNAVAILABLE: no database, or stand-by; CH_INTEGRITY: the database contradicts a signed
 * checkpoint. */
enum chancery_err audit_writer_submit(struct audit_writer *w, struct audit_append *a,
                                      struct diag *diag) MUST_CHECK;

void audit_writer_position(struct audit_writer *w, struct audit_position *out);

/* audit_writer_check says why nothing is written; CH_OK while active. */
enum chancery_err audit_writer_check(struct audit_writer *w, struct diag *diag) MUST_CHECK;

#endif
