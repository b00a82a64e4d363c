/* What is decided about a bundle on its way: its place, its approvals, its state. */
#ifndef CHANCERY_POLICY_SERVICE_PROMOTE_H
#define CHANCERY_POLICY_SERVICE_PROMOTE_H

#include "bundles.h"
#include "chancery/policy/v1/policy.pb-c.h"
#include "store_bundle.h"

#define PROMOTE_FILES_MAX POLICY_STORE_FILES_MAX
#define PROMOTE_OCTETS_MAX ((size_t)12 << 20) /* a message has 16 MiB at most */
#define PROMOTE_PATH_MAX 255
#define PROMOTE_DRAFTS_MAX 256 /* of one author in a day: drafts are kept for good */
#define PROMOTE_LEAD_S 2       /* every process hears of a promotion in that time */

/* A bundle's next place in the chain, and what officers have said about it. `officers` is the
 * bundle in force, taken: policy_promote_leave gives it back. */
struct policy_standing {
    struct policy_stored stored;
    struct policy_plan plan;
    int64_t at_s; /* the time to decide at */
    uint8_t subject[32];
    const struct policy_life_item *in_force;
    const struct policy_approval *approvals;
    size_t n_approvals;
    struct policy_promotion report;
};
enum chancery_err policy_promote_enter(struct policy_bundles *b, struct db_pool *db,
                                       const struct policy_stored *stored, int64_t now_s,
                                       struct arena *arena, struct policy_standing *out,
                                       struct diag *diag) MUST_CHECK;
void policy_promote_leave(struct policy_bundles *b, struct policy_standing *s);

/* policy_promote_state: how far the bundle has come. */
Chancery__Policy__V1__BundleState policy_promote_state(struct policy_bundles *b,
                                                       const struct policy_standing *s);

/* Messages in `arena`; NULL when out of memory. */
Chancery__Policy__V1__Bundle *policy_promote_bundle(struct arena *arena,
                                                    const struct policy_stored *b,
                                                    Chancery__Policy__V1__BundleState state);
Chancery__Policy__V1__Plan *policy_promote_plan(struct arena *arena, const struct policy_plan *p);
enum chancery_err policy_promote_approvals(struct arena *arena, const struct policy_approval *list,
                                           size_t n, Chancery__Common__V1__Approval ***out,
                                           size_t *out_n) MUST_CHECK;

/* policy_promote_outcome is what a caller hears of a lost commit: nothing is known, ask. */
enum chancery_err policy_promote_outcome(enum chancery_err err, struct diag *diag);

#endif
