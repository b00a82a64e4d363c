/* The publisher: turns committed rows into bundles, tiles and signed checkpoints.
 *
 * Order: tiles durable, compare with every checkpoint known, sign, keep in audit.checkpoint, keep
 * in the second place, replace `checkpoint`, remove superseded partial tiles. A crash anywhere
 * leaves a directory whose checkpoint is complete; the files are rebuilt from the rows byte for
 * byte. */
#ifndef CHANCERY_AUDIT_PUBLISH_H
#define CHANCERY_AUDIT_PUBLISH_H

#include "db/db.h"
#include "hsm/hsm.h"
#include "tlog/tlog.h"
#include "writer.h"

#define AUDIT_KEYS 2 /* P-256, Ed25519: the order of the lines */

struct audit_publisher;

struct audit_publisher_opts {
    const char *log_dir;
    const char *second_checkpoint; /* in another file system */
    const char *origin;
    struct hsm_key *keys[AUDIT_KEYS];
    struct db_pool *pool;
};

/* audit_publisher_new makes the log folder and shows what was published before, when it is whole.
 * Strings and keys must outlive it. */
enum chancery_err audit_publisher_new(const struct audit_publisher_opts *opts,
                                      struct audit_publisher **out, struct diag *diag) MUST_CHECK;
void audit_publisher_free(struct audit_publisher *p);

/* audit_publisher_admit is the writer's `admit`: CH_INTEGRITY when a checkpoint was signed for more
 * entries than the database holds (a restored backup must not continue the log). */
enum chancery_err audit_publisher_admit(void *p, uint64_t size, struct diag *diag) MUST_CHECK;

/* audit_publisher_run publishes what the writer has committed; does nothing when nothing is new.
 * One thread. CH_INTEGRITY: rows, files and signed checkpoints contradict each other; nothing is
 * signed. */
enum chancery_err audit_publisher_run(struct audit_publisher *p, const struct audit_position *at,
                                      struct diag *diag) MUST_CHECK;

/* The published checkpoint, for any thread. CH_UNAVAILABLE before the first. */
enum chancery_err audit_publisher_note(struct audit_publisher *p, struct buf *out,
                                       uint64_t *out_size, struct diag *diag) MUST_CHECK;

/* audit_publisher_prove appends the tlog-proof of an entry that the published checkpoint covers.
 * CH_NOT_FOUND when it does not cover it yet. Any thread. */
enum chancery_err audit_publisher_prove(struct audit_publisher *p, uint64_t index, struct buf *out,
                                        struct diag *diag) MUST_CHECK;

#endif
