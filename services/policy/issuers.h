/* The issuers of this installation, as the engine wants them. */
#ifndef CHANCERY_POLICY_SERVICE_ISSUERS_H
#define CHANCERY_POLICY_SERVICE_ISSUERS_H

#include "daemon/daemon.h"
#include "policy/policy.h"

#define POLICY_ISSUERS_MAX 64 /* as chancery-ca */

struct policy_issuers {
    struct arena arena;
    struct policy_issuer list[POLICY_ISSUERS_MAX];
    size_t n;
    /* SPKI hashes of every key in trust.json: issuers, roots, permit, statement, checkpoint. */
    uint8_t (*own_keys)[32];
    size_t n_own_keys;
};

/* policy_issuers_load reads the ceremony's issuers.yaml. Certificates come from `trust`, which is
 * pinned; the file adds the URL bases. CH_INTEGRITY when they disagree. policy_issuers_clear frees;
 * all zero is fine. */
enum chancery_err policy_issuers_load(const char *path, const struct daemon_trust *trust,
                                      struct policy_issuers *out, struct diag *diag) MUST_CHECK;
void policy_issuers_clear(struct policy_issuers *i);
/* policy_issuers_find returns NULL when unknown. */
const struct policy_issuer *policy_issuers_find(const struct policy_issuers *i,
                                                const char *issuer_id);

#endif
