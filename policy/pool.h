/* Which issuers sign certificates of a profile (docs/POLICY.md, "Issuers"). */
#ifndef CHANCERY_POLICY_POOL_H
#define CHANCERY_POLICY_POOL_H

#include "conf/conf.h"
#include "policy/policy.h"

struct policy_pool {
    const char *text; /* "issuing-1, issuing-2" for verdicts */
    const char *source, *choose_source;
};

struct policy_judge;
struct policy_profile;

/* policy_pool_compile reads `issuer` or `issuers` into p->t and p->pool. */
enum chancery_err policy_pool_compile(struct policy_bundle *b, const struct conf_node *root,
                                      struct policy_profile *p, struct diag *diag) MUST_CHECK;
/* policy_rules_pool_member: issuer.profile; policy_rules_pool_key: issuer.key_type, which needs the
 * key that policy_rules_key has read. */
void policy_rules_pool_member(struct policy_judge *j);
void policy_rules_pool_key(struct policy_judge *j);

#endif
