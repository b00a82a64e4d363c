/* SQL of the audit log: rows of audit.batch, epochs, checkpoints. */
#ifndef CHANCERY_AUDIT_STORE_H
#define CHANCERY_AUDIT_STORE_H

#include "db/db.h"
#include "tlog/tlog.h"

/* audit_store_lock tries the advisory lock of the single writer on this connection. */
enum chancery_err audit_store_lock(struct db_conn *conn, bool *out_locked,
                                   struct diag *diag) MUST_CHECK;

/* audit_store_epoch raises the fencing epoch: batches of every earlier writer are refused from now
 * on. */
enum chancery_err audit_store_epoch(struct db_conn *conn, const char *instance, int64_t now_ns,
                                    int64_t *out_epoch, struct diag *diag) MUST_CHECK;

/* audit_store_insert adds one row: `n` entries from `first_index`, each as u32 length and leaf. The
 * epoch and the absence of gaps are checked by the table in the same transaction (CH_PRECONDITION).
 * CH_UNKNOWN: the connection died before the outcome was known. */
enum chancery_err audit_store_insert(struct db_conn *conn, uint64_t first_index, uint32_t n,
                                     int64_t epoch, int64_t created_ns, struct slice entries,
                                     struct diag *diag) MUST_CHECK;

/* audit_store_tail gives the log's size and the first index of a row such that every entry less
 * than `back_ns` older than the newest is at it or behind. Empty log: 0, 0. */
enum chancery_err audit_store_tail(struct db_conn *conn, int64_t back_ns, uint64_t *out_from,
                                   uint64_t *out_size, struct diag *diag) MUST_CHECK;
enum chancery_err audit_store_size(struct db_conn *conn, uint64_t *out_size,
                                   struct diag *diag) MUST_CHECK;

/* Receives one entry. CH_END stops the reading without being an error. */
typedef enum chancery_err audit_entry_fn(void *ctx, uint64_t index, struct slice leaf);

/* audit_store_read calls `fn` for entries [from, end) in order, as many as a few rows hold: the
 * caller goes on from the last index it got. CH_INTEGRITY when rows overlap, have gaps or do not
 * parse. */
enum chancery_err audit_store_read(struct db_conn *conn, uint64_t from, uint64_t end,
                                   audit_entry_fn *fn, void *ctx, struct diag *diag) MUST_CHECK;

/* audit_store_row_start gives the first index of the row that holds entry `index`. CH_NOT_FOUND. */
enum chancery_err audit_store_row_start(struct db_conn *conn, uint64_t index, uint64_t *out_first,
                                        struct diag *diag) MUST_CHECK;

/* audit_store_checkpoint_add keeps a signed checkpoint, if `epoch` is still the writer's
 * (CH_PRECONDITION). The same size with another root is CH_EXISTS. */
enum chancery_err audit_store_checkpoint_add(struct db_conn *conn, uint64_t size,
                                             const struct tlog_hash *root, struct slice note,
                                             int64_t epoch, int64_t now_ns,
                                             struct diag *diag) MUST_CHECK;

/* audit_store_checkpoint_last appends the newest signed note to `out`. CH_NOT_FOUND when there is
 * none. */
enum chancery_err audit_store_checkpoint_last(struct db_conn *conn, struct buf *out,
                                              struct diag *diag) MUST_CHECK;

#endif
