/* The bundles a process works with: the one in force, those just before and after it.
 *
 * A process learns of promotions through a source (chancery-policy: the database; chancery-ca: an
 * RPC), verifies each itself (chain.h) and keeps what may still be asked for. Bundles are compiled
 * once, immutable, and exchanged as a set: takers never block, whatever the writer does, and what
 * was taken stays until it is dropped. Threads: any number take; updates take a lock of their own.
 */
#ifndef CHANCERY_POLICY_LIFE_H
#define CHANCERY_POLICY_LIFE_H

#include "policy/chain.h"

/* A bundle that ca built under is accepted when it was in force at any time from GRACE before to
 * SKEW after the judge's now: a batch in flight keeps its bundle, and clocks may differ. */
#define POLICY_LIFE_GRACE_S 10
#define POLICY_LIFE_SKEW_S 5    /* the readiness limit on clocks */
#define POLICY_LIFE_KEPT_MAX 16 /* bundles in memory; older ones are fetched anew, if ever */

struct policy_life;

/* What takers get. Immutable. */
struct policy_life_item {
    uint64_t sequence; /* 0: the first bundle */
    int64_t not_before_s;
    uint8_t sha256[32];
    void *payload; /* what the owner's `prepare` made */
};

/* policy_life_prepare_fn makes what takers need of a compiled bundle, which it takes also on
 * failure. policy_life_release_fn frees it. Both run in updates, the second also in drops. */
typedef enum chancery_err policy_life_prepare_fn(void *ctx, struct policy_bundle *take_bundle,
                                                 void **out, struct diag *diag);
typedef void policy_life_release_fn(void *payload);

struct policy_life_opts {
    const char *trust_domain;
    const struct policy_file *files; /* of the first bundle; they may go */
    size_t n_files;
    policy_life_prepare_fn *prepare;
    policy_life_release_fn *release;
    void *ctx;
};

/* policy_life_new compiles and prepares the first bundle. Errors of policy_bundle_compile and
 * `prepare`. policy_life_free: everything has been dropped; NULL is fine. */
enum chancery_err policy_life_new(const struct policy_life_opts *opts, struct policy_life **out,
                                  struct diag *diag) MUST_CHECK;
void policy_life_free(struct policy_life *l);

/* Where promotions and files come from. Both fill `out` with memory of `arena`. `links`: promotions
 * after `after`, in ascending order; none: the end. `files`: CH_NOT_FOUND when unknown. */
struct policy_life_source {
    enum chancery_err (*links)(void *ctx, uint64_t after, struct arena *arena,
                               struct policy_link **out, size_t *out_n, struct diag *diag);
    enum chancery_err (*files)(void *ctx, const uint8_t sha256[32], struct arena *arena,
                               struct policy_file **out, size_t *out_n, struct diag *diag);
    void *ctx;
};

/* policy_life_update fetches what is new, verifies it and publishes the set. A promotion that does
 * not verify (rules of chain.h, "bundle.altered") or a bundle that cannot be prepared ends it with
 * that error: what was verified before stands. Errors of the source pass through; CH_BUSY: all sets
 * are in use, try again. After CH_OK everything that the source knows is known. */
enum chancery_err policy_life_update(struct policy_life *l, const struct policy_life_source *source,
                                     int64_t now_s, struct diag *diag) MUST_CHECK;

/* policy_life_refused tells which promotion the last update stopped at because it did not verify:
 * its number and bundle; 0 when it stopped at none. */
uint64_t policy_life_refused(struct policy_life *l, uint8_t out_sha256[32]);

/* policy_life_mark writes what a process keeps outside the source to know what it has acted on: one
 * line about the end of the chain. policy_life_expect reads such a line back (empty: nothing to
 * expect; of another first bundle: likewise): from then on an update that ends before that place,
 * or has another bundle there, fails with CH_INTEGRITY "bundle.history", and policy_life_behind is
 * true. CH_MALFORMED "bundle.mark". */
#define POLICY_LIFE_MARK_MAX 256
enum chancery_err policy_life_mark(struct policy_life *l, struct buf *out) MUST_CHECK;
enum chancery_err policy_life_expect(struct policy_life *l, struct slice line,
                                     struct diag *diag) MUST_CHECK;

/* policy_life_end tells the number and hash of the last verified promotion (0 and the first bundle
 * when there is none). */
uint64_t policy_life_end(struct policy_life *l, uint8_t out_sha256[32]);

/* policy_life_behind says that the bundle which the chain puts in force at now_s is not what takers
 * get, because it could not be prepared, or that the chain is shorter than expected: who would
 * judge by an older one must rather not judge. */
bool policy_life_behind(struct policy_life *l, int64_t now_s);

/* policy_life_check is policy_chain_check against the present end of the chain, policy_life_next
 * policy_chain_next. */
enum chancery_err policy_life_check(struct policy_life *l, const struct policy_link *link,
                                    const struct policy_bundle *successor,
                                    struct policy_promotion *report, struct diag *diag) MUST_CHECK;
/* The time in `out_at_s` is now_s, or that of the last promotion if a clock was ahead then. */
void policy_life_next(struct policy_life *l, const uint8_t bundle[32], struct slice author,
                      int64_t now_s, struct policy_plan *out, int64_t *out_at_s);

/* policy_life_take gives the bundle in force at now_s, or, with `named`, that one if it was in
 * force near now_s (see above); NULL when it was not, or is not known. Give it back with
 * policy_life_drop. */
const struct policy_life_item *policy_life_take(struct policy_life *l, const uint8_t *named,
                                                int64_t now_s);
void policy_life_drop(struct policy_life *l, const struct policy_life_item *item);

#endif
