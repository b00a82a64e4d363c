/* A worker of a replay. Private to trial/. */
#ifndef CHANCERY_TRIAL_REPLAY_INT_H
#define CHANCERY_TRIAL_REPLAY_INT_H

#include "trial/replay.h"

/* How long a request waits between being built and being judged, and how far clocks differ: the
 * limits of the engine (policy/policy_int.h). */
#define WAIT_S PERMIT_STATEMENT_TTL_S
#define CLOCKS_S 5

struct trial_worker {
    const struct trial_replay_opts *opts;
    struct trial_replay *replay;
    struct arena arena; /* of one record */
    struct arena kept;  /* of what is reported */
    struct trial_change *changes;
    size_t n_changes, cap_changes;
    struct trial_report counts;
    struct policy_verdict verdict;
    struct diag diag;
};

/* trial_replay_find_base gives the base with that hash, NULL when it is not known. */
const struct trial_bundle *trial_replay_find_base(struct trial_replay *r, const uint8_t sha256[32]);
/* trial_replay_record judges one record and keeps what changed. */
enum chancery_err trial_replay_record(struct trial_worker *w, const struct trial_record *rec,
                                      uint64_t sequence) MUST_CHECK;
enum chancery_err trial_worker_keep(struct trial_worker *w,
                                    const struct trial_change *c) MUST_CHECK;

#endif
