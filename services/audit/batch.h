/* Builds one row of the log out of queued Appends. Logic only: time and state are passed in. */
#ifndef CHANCERY_AUDIT_BATCH_H
#define CHANCERY_AUDIT_BATCH_H

#include "state.h"

struct audit_append;
/* Called once per submitted Append, from the writer thread: CH_OK with a->acks filled, or an error
 * with a->diag. `a` belongs to the callee again. */
typedef void audit_done_fn(struct audit_append *a, enum chancery_err err);

/* One Append on its way. The submitter fills the first part and keeps all of it alive until `done`.
 */
struct audit_append {
    struct slice producer;
    uint8_t boot[AUDIT_BOOT];
    uint64_t sequence;
    const struct audit_item *items;
    size_t n;
    bool priority;          /* INTENT or RESULT: may use the reserved part of the queue */
    struct audit_ack *acks; /* n, filled before done(CH_OK) */
    audit_done_fn *done;
    void *ctx;

    struct diag diag;
    struct audit_append *next; /* the writer's from here on */
    enum chancery_err err;
    size_t bytes;
};

struct audit_batch {
    struct buf row; /* in the form of audit.batch.entries */
    struct buf leaf;
    uint64_t first;
    uint32_t n;
    int64_t ts_ns; /* of every leaf of this row */
    /* The log itself as producer of AUDIT_REFUSED entries: a boot of its own, apart from the
     * process's. */
    struct slice self;
    uint8_t self_boot[AUDIT_BOOT];
    uint64_t *self_sequence; /* last one used */
};

/* audit_batch_begin starts an empty row at the state's next index. `now_ns` is the wall clock; a
 * leaf is never older than the one before it. */
void audit_batch_begin(struct audit_batch *b, const struct audit_state *s, int64_t now_ns);

/* audit_batch_add judges one Append and puts its leaves into the row, or finds that it is a
 * repetition. a->acks is filled, to be told once the row is durable. An error concerns this Append
 * alone (CH_PRECONDITION, CH_EXISTS, CH_BUSY: nothing was added), or spoils state and row:
 * CH_NOMEM, CH_LIMIT, CH_INTEGRITY, after which both must be thrown away. */
enum chancery_err audit_batch_add(struct audit_batch *b, struct audit_state *s,
                                  struct audit_append *a) MUST_CHECK;

/* audit_batch_spoils says whether an error of audit_batch_add concerns more than its Append. */
bool audit_batch_spoils(enum chancery_err err);

#endif
