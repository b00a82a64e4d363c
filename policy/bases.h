/* Bases: partial profiles that profiles and other bases extend (docs/POLICY.md, "Bases"). They
 * exist while a bundle is compiled; what they said lives on in the profiles. */
#ifndef CHANCERY_POLICY_BASES_H
#define CHANCERY_POLICY_BASES_H

#include "conf/conf.h"
#include "policy/policy.h"

#define POLICY_BASES_MAX 1000 /* as many as profiles: more would not be read by anybody */
#define POLICY_EXTENDS_MAX 8  /* a longer chain can no longer be followed by its reader */

struct policy_bases;

/* policy_bases_add parses one file of bases/ and keeps it. Rules "conf.*", "policy.name". */
enum chancery_err policy_bases_add(struct policy_bundle *b, const struct policy_file *f,
                                   struct diag *diag) MUST_CHECK;
/* policy_bases_extend gives the map that a profile's file stands for: `root` laid over the chain of
 * bases that it extends, or `root` itself. *out lives as long as the document of `root` and the
 * bases. Rule "policy.extends": unknown base, a circle, a chain of more than POLICY_EXTENDS_MAX. */
enum chancery_err policy_bases_extend(struct policy_bundle *b, const struct conf_node *root,
                                      const struct conf_node **out, struct diag *diag) MUST_CHECK;
/* policy_bases_check compiles each base as if it were a profile, with the least that a profile
 * needs filled in, so that what no profile uses is checked as well. */
enum chancery_err policy_bases_check(struct policy_bundle *b, struct diag *diag) MUST_CHECK;
void policy_bases_free(struct policy_bases *bases);

#endif
