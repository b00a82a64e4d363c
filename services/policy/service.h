/* chancery-policy inside. Everything here is built by main and immutable while RPCs run. */
#ifndef CHANCERY_POLICY_SERVICE_H
#define CHANCERY_POLICY_SERVICE_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "daemon/daemon.h"
#include "hsm/hsm.h"
#include "policy/policy.h"

#define POLICY_ISSUERS_MAX 64

struct policy_service {
    struct daemon *daemon;
    struct policy_bundle *bundle;
    struct hsm_key *permit_key;
    struct policy_issuer issuers[POLICY_ISSUERS_MAX];
    size_t n_issuers;
    uint8_t own_keys[POLICY_ISSUERS_MAX * 2][32]; /* every key of trust.json's issuers, the root's too */
    size_t n_own_keys;
    struct arena arena; /* what issuers point to */
};

/* policy_issuers_load reads issuers.yaml (the ceremony's list); each issuer must stand in trust.json. */
enum chancery_err policy_issuers_load(struct policy_service *p, const char *path,
                                      struct diag *diag) MUST_CHECK;
const struct policy_issuer *policy_issuer_find(const struct policy_service *p, const char *issuer_id);

/* One judged item. */
struct policy_judged {
    struct policy_verdict verdict;
    enum chancery_err err; /* CH_OK: permitted; else why not, with `diag` */
    struct diag diag;
    struct slice item;     /* canonical permit item, in the arena */
    uint8_t tbs_sha256[32];
    const Chancery__Policy__V1__CertificateItem *certificate; /* NULL: a CRL */
};

/* policy_judge_batch judges each item of `in`; `statement` is NULL when the batch holds CRLs only. Each
 * answer stands alone: an item that cannot be read is refused, the others are not touched. Pure but for
 * memory. */
enum chancery_err policy_judge_batch(const struct policy_service *p,
                                     const Chancery__Policy__V1__PermitRequest *in,
                                     const struct permit_statement *statement, int64_t now_s,
                                     struct arena *arena, struct policy_judged **out,
                                     struct diag *diag) MUST_CHECK;

/* policy_first_failure fills `diag` from the first failed rule and returns CH_REFUSED. */
enum chancery_err policy_first_failure(const struct policy_verdict *v, struct diag *diag);

/* policy_rules_to_proto copies rules (only failed ones when `failed_only`) into `arena`. */
enum chancery_err policy_rules_to_proto(const struct policy_verdict *v, bool failed_only,
                                        struct arena *arena, Chancery__Common__V1__RuleResult ***out,
                                        size_t *out_n) MUST_CHECK;

rpc_handler policy_rpc_permit, policy_rpc_evaluate, policy_rpc_bundle;

#endif
