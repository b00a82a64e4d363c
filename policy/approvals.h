/* Profile key `approvals`: when a request needs officers' approvals, whose and in which order. */
#ifndef CHANCERY_POLICY_APPROVALS_H
#define CHANCERY_POLICY_APPROVALS_H

#include "conf/conf.h"
#include "policy/policy.h"

#define POLICY_APPROVAL_RULES_MAX 8 /* entries of one profile; all that apply must be satisfied */
#define POLICY_APPROVAL_STEPS_MAX 8 /* of one entry */

struct policy_approval_step {
    struct slice role;    /* of the officers, and name of the step that they sign */
    unsigned quorum;      /* distinct officers */
    const char *field;    /* "approvals.security-officer" */
    const char *required; /* "2 of security-officer" */
    const char *source;
};

/* One entry. Conditions that are written must all hold. */
struct policy_approval_rule {
    bool wildcard, ca, has_names_over;
    size_t names_over;
    int64_t validity_over_s;                  /* negative: not written */
    const struct policy_approval_step *steps; /* in order */
    size_t n_steps;
    int64_t expires_s; /* longest that an approval counts after it was issued */
    const char *source;
};

struct policy_approvals {
    const struct policy_approval_rule *at;
    size_t n;
};

struct policy_profile;
struct policy_judge;
/* policy_approvals_compile reads `approvals` of a profile's root. The officers of the bundle are
 * compiled already: each step must be reachable by distinct officers whose identity is known, for
 * only they can be told from the requester. Rules "approvals.*". */
enum chancery_err policy_approvals_compile(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag) MUST_CHECK;

/* policy_approvals_wait says whether nothing but approvals is missing: every rule of `v` that
 * failed is of this family, and no officer rejected. */
bool policy_approvals_wait(const struct policy_verdict *v);

/* policy_rules_approvals judges the approvals in the facts: rules "approval.*". Runs after the
 * rules over subject and names. */
void policy_rules_approvals(struct policy_judge *j);

#endif
