/* Private to the publisher: publish.c (rows to files, order of publication), sign.c (comparing and
 * signing), proofs.c (what readers get). */
#ifndef CHANCERY_AUDIT_PUBLISH_INT_H
#define CHANCERY_AUDIT_PUBLISH_INT_H

#include <pthread.h>

#include "files.h"
#include "publish.h"

struct audit_published {
    uint64_t size;
    struct tlog_hash root;
    struct buf note; /* empty: nothing published yet */
};

struct audit_publisher {
    struct audit_publisher_opts opts;
    struct tlog_key keys[AUDIT_KEYS];
    int lock_fd;

    /* The publishing thread's own. */
    struct tlog_tiles tiles; /* as far as rows were turned into files */
    bool loaded;             /* tiles continue what is on disk */
    bool sweep;              /* files of unpublished sizes may lie about */

    pthread_rwlock_t lock; /* writer: the moment `published` and the files on disk change */
    struct audit_published published;
};

/* audit_sign_compare compares (size, root) of p->tiles with every checkpoint known: the published
 * one, the second place, the database. Each must be of this log, not larger, and this tree must
 * extend it. *out_reuse gets the note of one of the very same size, if there is one. CH_INTEGRITY
 * otherwise. */
enum chancery_err audit_sign_compare(struct audit_publisher *p, struct db_conn *conn,
                                     const struct tlog_hash *root, struct buf *out_reuse,
                                     struct diag *diag) MUST_CHECK;

/* audit_sign_note appends the checkpoint of p->tiles' size signed by both keys. */
enum chancery_err audit_sign_note(struct audit_publisher *p, const struct tlog_hash *root,
                                  struct buf *out, struct diag *diag) MUST_CHECK;

/* audit_sign_second reads and verifies the checkpoint in the second place. CH_NOT_FOUND. */
enum chancery_err audit_sign_second(struct audit_publisher *p, struct buf *note,
                                    struct tlog_checkpoint *out, struct diag *diag) MUST_CHECK;

#endif
