/* The chain of bundles: which promotion may follow which. Pure.
 *
 * The first bundle is pinned by trust.json. Each further one came into force by a promotion:
 * officers of the bundle that was in force signed, over chancery/promotion/v1, that this bundle
 * takes that one's place as number n of the chain. What was signed for one place in the chain is
 * worth nothing at another: an old bundle does not come back by its old approvals. In force at a
 * time: the promotion of highest sequence whose not_before_s has come; else the first bundle. */
#ifndef CHANCERY_POLICY_CHAIN_H
#define CHANCERY_POLICY_CHAIN_H

#include "policy/officers.h"

#define POLICY_CHAIN_AHEAD_MAX_S                                                                   \
    ((int64_t)90 * 86400)           /* a promotion is planned a quarter ahead                      \
                                     */
#define POLICY_CHAIN_AUTHOR_MAX 512 /* octets of an identity URI */

/* chancery/promotion/v1 (docs/ISSUANCE.md): what officers sign for. */
struct policy_plan {
    uint8_t first[32];       /* bundle that trust.json pins */
    uint64_t sequence;       /* from 1 */
    uint8_t predecessor[32]; /* in force when this is promoted */
    uint8_t bundle[32];
    struct slice author; /* identity that submitted the bundle; "ceremony" for the first */
};
#define POLICY_CHAIN_FIRST_AUTHOR "ceremony"

/* policy_plan_digest hashes the canonical plan: the subject of its approvals. CH_INVALID
 * "bundle.plan", CH_NOMEM. */
enum chancery_err policy_plan_digest(const struct policy_plan *p, uint8_t out[32],
                                     struct diag *diag) MUST_CHECK;

/* One promotion as it was stored, with the papers that were counted. */
struct policy_link {
    struct policy_plan plan;
    int64_t promoted_at_s; /* when it was decided: approvals are judged at this time */
    int64_t not_before_s;  /* from when it is in force */
    const struct policy_approval *approvals;
    size_t n_approvals;
};

/* A place in the chain that may be somebody's predecessor. */
struct policy_place {
    uint64_t sequence; /* 0: the first bundle */
    int64_t promoted_at_s, not_before_s;
    struct policy_bundle *officers; /* compiled at least as far as its officers */
};

/* The end of a verified chain: the last promotion, and what was in force when it was decided. They
 * are the same place until there is a promotion. */
struct policy_chain {
    uint8_t first[32];
    struct policy_place base, last;
};

/* policy_chain_init starts at the first bundle, which it takes. policy_chain_clear frees. */
void policy_chain_init(struct policy_chain *c, struct policy_bundle *take_first);
void policy_chain_clear(struct policy_chain *c);

/* policy_chain_in_force: the place in force at now_s, as far as the end of the chain knows. */
const struct policy_place *policy_chain_in_force(const struct policy_chain *c, int64_t now_s);

/* policy_chain_next fills the plan by which `bundle` of `author` would be promoted at now_s. */
void policy_chain_next(const struct policy_chain *c, const uint8_t bundle[32], struct slice author,
                       int64_t now_s, struct policy_plan *out);

/* policy_chain_check decides whether `l` may follow. `successor` is the bundle that it promotes,
 * compiled at least as far as its officers. Rules:
 *   bundle.chain        CH_INTEGRITY  not the next number of this chain, or times that fall
 *   bundle.predecessor  CH_CONFLICT   another bundle was in force
 *   bundle.pending      CH_PRECONDITION  a promotion waits for its time, and this one is later
 *   bundle.same         CH_EXISTS     it is in force
 *   bundle.time         CH_INVALID    too far ahead
 *   bundle.officers     CH_PRECONDITION  the predecessor names nobody who could promote
 *   bundle.last         CH_INVALID    the successor names nobody: it would be the last
 *   promotion.*, approval.*  CH_REFUSED  the quorum of the predecessor's officers (officers.h)
 * `report` (may be NULL) tells of each approval, when it came so far. */
enum chancery_err policy_chain_check(const struct policy_chain *c, const struct policy_link *l,
                                     const struct policy_bundle *successor,
                                     struct policy_promotion *report, struct diag *diag) MUST_CHECK;

/* policy_chain_extend checks and makes `l` the end of the chain. Takes `successor` on success
 * alone.
 */
enum chancery_err policy_chain_extend(struct policy_chain *c, const struct policy_link *l,
                                      struct policy_bundle *take_successor,
                                      struct diag *diag) MUST_CHECK;

/* policy_chain_officers says whether a bundle can have a successor: it names a promotion quorum,
 * and the identity of every officer of that role (else an author could not be told from an
 * approver). CH_PRECONDITION "bundle.officers". */
enum chancery_err policy_chain_officers(const struct policy_bundle *b,
                                        struct diag *diag) MUST_CHECK;

#endif
