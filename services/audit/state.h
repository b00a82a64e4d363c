/* What the writer must know to judge and place the next entry; rebuilt from the log at start. */
#ifndef CHANCERY_AUDIT_STATE_H
#define CHANCERY_AUDIT_STATE_H

#include "permits.h"
#include "producers.h"

/* A permit lives 60 s (lib/permit); one that claims more than this is refused, which also bounds
 * how far back the log is read at start. */
#define AUDIT_PERMIT_TERM_S 120
#define AUDIT_PERMIT_KEEP_S                                                                        \
    120                    /* remembered past its expiry: clocks of two machines may differ        \
                            */
#define AUDIT_REPLAY_S 300 /* log read back at start: term + keep + margin */

struct audit_state {
    uint64_t next;      /* index of the next entry */
    int64_t last_ts_ns; /* no leaf is older than the one before it */
    int64_t epoch;
    struct audit_producers *producers;
    struct audit_permits *permits;
};

/* audit_state_init makes an empty state; audit_state_clear frees (all-zero is safe). */
enum chancery_err audit_state_init(struct audit_state *s) MUST_CHECK;
void audit_state_clear(struct audit_state *s);

/* audit_state_replay takes one leaf of the log at its index. CH_INTEGRITY when it cannot be this
 * log's. */
enum chancery_err audit_state_replay(struct audit_state *s, uint64_t index, struct slice leaf,
                                     struct diag *diag) MUST_CHECK;

struct db_conn;
/* audit_state_load rebuilds `s` (initialised) from the newest rows of audit.batch. */
enum chancery_err audit_state_load(struct audit_state *s, struct db_conn *conn,
                                   struct diag *diag) MUST_CHECK;

#endif
