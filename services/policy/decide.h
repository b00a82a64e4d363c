/* What Permit decides about one item, and what it leaves behind of it: a canonical permit item,
 * results for the caller, a refusal for the log. Logic without I/O: bundle, issuers and time are
 * passed in. */
#ifndef CHANCERY_POLICY_SERVICE_DECIDE_H
#define CHANCERY_POLICY_SERVICE_DECIDE_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "issuers.h"

struct policy_decider {
    const struct policy_bundle *bundle;
    const struct policy_issuers *issuers;
};

struct policy_decision {
    struct permit_item item;
    struct slice item_bytes; /* canonical item */
    bool has_request;        /* item.request_digest is one */
    bool profile_known;
    bool judged;           /* a certificate that the engine was asked about */
    const char *issuer_id; /* as asked; "" when the issuer is unknown */
    const char *profile;
    /* Refused: why. err is CH_OK exactly when the item is permitted. CH_PRECONDITION
     * "approval.pending": only approvals are missing. */
    enum chancery_err err;
    struct diag diag;
    const char *failed;                       /* ids of failed rules, separated by commas */
    Chancery__Common__V1__RuleResult **rules; /* the failed ones */
    size_t n_rules;
};

/* policy_decide judges one item of a PermitRequest. `statement` is verified (NULL: none came).
 * Everything lives in `arena`. Fails with CH_NOMEM alone: whatever is wrong with the item is a
 * refusal. */
enum chancery_err policy_decide(const struct policy_decider *d,
                                const Chancery__Policy__V1__PermitItem *in,
                                const struct permit_statement *statement, int64_t now_s,
                                struct arena *arena, struct policy_decision *out) MUST_CHECK;

/* policy_decide_request judges a request, with its TBS when there is one, without permitting
 * anything. CH_INVALID, CH_LIMIT, CH_NOT_FOUND (profile or issuer), CH_NOMEM. An empty issuer id
 * means the profile's issuer. */
enum chancery_err policy_decide_request(const struct policy_decider *d,
                                        const Chancery__Policy__V1__EvaluateRequest *in,
                                        int64_t now_s, struct arena *arena,
                                        struct policy_verdict *out, struct diag *diag) MUST_CHECK;

/* policy_decide_rules makes messages of the results with `outcome` (POLICY_NONE: of all). */
enum chancery_err policy_decide_rules(const struct policy_verdict *v, enum policy_outcome outcome,
                                      struct arena *arena, Chancery__Common__V1__RuleResult ***out,
                                      size_t *out_n) MUST_CHECK;

/* policy_decide_permit writes the permit over all items (chancery/permit/v1). */
enum chancery_err policy_decide_permit(const struct policy_bundle *bundle,
                                       const struct policy_decision *items, size_t n, int64_t now_s,
                                       struct buf *out) MUST_CHECK;

#endif
