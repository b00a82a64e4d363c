/* Replay: the history judged again under a candidate bundle, by several threads.
 *
 * The TBS of a request was built under the bundle of its day. So each request is built again as
 * chancery-ca would under the candidate, and that is judged, at the time it was judged then. Where
 * the outcome differs, the request is also built and judged again under its own bundle (a base),
 * when that is at hand: a request that was refused for bytes that ca would never write (a forged
 * TBS) is refused still, whatever the candidate says. docs/POLICY.md, Replay. */
#ifndef CHANCERY_TRIAL_REPLAY_H
#define CHANCERY_TRIAL_REPLAY_H

#include "trial/judge.h"
#include "trial/record.h"

#define TRIAL_CHANGES_MAX ((size_t)1000000) /* kept one by one; more are only counted */
#define TRIAL_THREADS_MAX 64

enum trial_kind {
    TRIAL_SAME = 0,
    TRIAL_NOW_REFUSED,   /* was permitted */
    TRIAL_NOW_PERMITTED, /* was refused */
    TRIAL_OTHER_CONTENT, /* permitted by both; the certificate would be another */
    TRIAL_OTHER_RULES,   /* refused by both, for other reasons */
    TRIAL_KINDS
};

struct trial_change {
    enum trial_kind kind;
    uint64_t sequence; /* place in the history */
    int64_t judged_at_s;
    uint8_t request_id[16], tbs_sha256[32];
    /* In the report's memory. */
    const char *profile, *requester,
        *name;          /* name: the first of the request, "DNS:a.example", or its subject */
    const char *rule;   /* now refused: the first rule that fails; now permitted: the rules that
                           failed then; other content: what differs, in words */
    const char *detail; /* now refused: what it saw and wants, and the bundle's line */
};

struct trial_report {
    uint64_t records, permitted, refused; /* as the history says */
    uint64_t counts[TRIAL_KINDS];
    uint64_t forged;              /* refused for bytes that ca would not write; unchanged */
    uint64_t baseless;            /* changes whose own bundle was not at hand */
    struct trial_change *changes; /* in the order of the history, but those of TRIAL_OTHER_RULES */
    size_t n_changes;
};

#define TRIAL_BASES_MAX 1024 /* bundles that judged in the days replayed */
struct trial_replay_opts {
    const struct trial_world *world;
    const struct trial_bundle *candidate;
    unsigned threads; /* 0: one */
};

/* trial_replay_new starts the threads; what `opts` points to must outlive the replay. */
struct trial_replay;
enum chancery_err trial_replay_new(const struct trial_replay_opts *opts,
                                   struct trial_replay **out) MUST_CHECK;
/* trial_replay_base makes a base known, before the records that it judged are pushed; it must
 * outlive the replay. CH_LIMIT. */
enum chancery_err trial_replay_base(struct trial_replay *r,
                                    const struct trial_bundle *base) MUST_CHECK;
/* trial_replay_push hands over a body of records (copied); waits while all threads are behind. The
 * error of an earlier body ends it: CH_MALFORMED "history.*", CH_NOMEM. */
enum chancery_err trial_replay_push(struct trial_replay *r, struct slice body,
                                    struct diag *diag) MUST_CHECK;
/* trial_replay_finish waits for all; *out is valid until trial_replay_free. */
enum chancery_err trial_replay_finish(struct trial_replay *r, const struct trial_report **out,
                                      struct diag *diag) MUST_CHECK;
void trial_replay_free(struct trial_replay *r);

/* ---- one record, for who explains a single certificate ---- */

/* A record with its item read; borrows from the record and `arena`. */
struct trial_case {
    struct permit_request request;
    uint8_t digest[PERMIT_DIGEST];
    const char *issuer_id;
    struct slice tbs;
    struct policy_tbs *read;   /* of `tbs`; NULL: not readable */
    struct crypto_public *key; /* of the TBS; NULL: none */
    const struct policy_approval *approvals;
    size_t n_approvals;
    const struct policy_usage *usage;
};
/* trial_case_read: CH_MALFORMED, CH_LIMIT, CH_INVALID "history.item". trial_case_clear frees. */
enum chancery_err trial_case_read(const struct trial_record *r, struct arena *arena,
                                  struct trial_case *out, struct diag *diag) MUST_CHECK;
void trial_case_clear(struct trial_case *c);

/* trial_content_diff writes what two TBS have different, in words, serial and moment of issuance
 * left aside; "" when nothing. `slack_s`: lives that differ by no more count as equal. */
struct policy_tbs;
enum chancery_err trial_content_diff(const struct policy_tbs *was, const struct policy_tbs *is,
                                     int64_t slack_s, struct buf *out) MUST_CHECK;

#endif
