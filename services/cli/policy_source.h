/* Bundles and installations that the policy commands work on: from a folder, from trust.json. */
#ifndef CHANCERY_CLI_POLICY_SOURCE_H
#define CHANCERY_CLI_POLICY_SOURCE_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "client.h"
#include "policy/policy.h"
#include "trial/judge.h"

/* A bundle with its files. */
struct policy_source {
    struct policy_bundle *bundle;
    const struct policy_file *files;
    size_t n_files;
    struct policy_folder folder; /* what holds the files, unless the run's arena does */
};

/* policy_source_load reads `where`: a folder; 64 hex digits, a bundle of the service; or "current",
 * the one in force. It compiles; errors carry file:line:column. trust_domain may be NULL.
 * policy_source_clear frees; all zero is fine. */
enum chancery_err policy_source_load(struct cli *cli, const char *where, const char *trust_domain,
                                     struct policy_source *out, struct diag *diag) MUST_CHECK;
/* policy_source_answer takes a bundle with files as the service gave it; its hash was compared. */
enum chancery_err policy_source_answer(struct cli *cli,
                                       const Chancery__Policy__V1__GetBundleResponse *answer,
                                       const char *trust_domain, struct policy_source *out,
                                       struct diag *diag) MUST_CHECK;
void policy_source_clear(struct policy_source *s);

/* policy_source_trust reads the issuers of a ceremony's trust.json: certificates and numbers of
 * shards, not the URLs of issuers.yaml. Everything lives in the run's arena. Its signature is not
 * checked: it only helps to warn. */
enum chancery_err policy_source_trust(struct cli *cli, const char *path,
                                      const char **out_trust_domain, struct trial_world *out,
                                      struct diag *diag) MUST_CHECK;

#endif
