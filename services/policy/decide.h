/* What Permit decides about one item, and what it leaves behind of it: a canonical permit item,
 * results for the caller, a refusal for the log. Logic without I/O: bundle, issuers and time are
 * passed in. */
#ifndef CHANCERY_POLICY_SERVICE_DECIDE_H
#define CHANCERY_POLICY_SERVICE_DECIDE_H

#include "chancery/policy/v1/policy.pb-c.h"
#include "issuers.h"
#include "limiter_ask.h"

struct policy_decider {
    const struct policy_bundle *bundle;
    const struct policy_issuers *issuers;
};

/* A verdict that waits for what has been used of its limits. */
struct policy_open {
    struct permit_request request;
    struct policy_facts facts; /* of `request` */
    struct policy_applied limits;
    struct policy_usage usage;     /* once it is known */
    struct policy_verdict verdict; /* POLICY_NA: it waits; its texts point into it */
    uint8_t digest[PERMIT_DIGEST], tbs_sha256[PERMIT_DIGEST];
    struct slice serial; /* of the TBS, when there is one */
    int64_t not_after_s;
};

struct policy_decision {
    struct permit_item item;
    struct slice item_bytes; /* canonical item */
    bool has_request;        /* item.request_digest is one */
    bool profile_known;
    bool judged;    /* a certificate that the engine was asked about */
    bool undecided; /* nobody knows what has been used of its limits: not refused, not permitted */
    const struct policy_open *limited; /* what was known of its limits; NULL: there are none */
    struct policy_open *open;          /* waits for policy_decide_limits; NULL: decided */
    const char *issuer_id;             /* as asked; "" when the issuer is unknown */
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

/* policy_ask_of makes the question for the limiter. */
struct policy_ask policy_ask_of(const struct policy_open *o);

/* policy_decide_limits ends the decision of an open item. usage NULL: not known, which leaves it
 * undecided (CH_UNAVAILABLE). CH_NOMEM alone. */
enum chancery_err policy_decide_limits(const struct policy_decider *d,
                                       const struct policy_usage *usage, struct arena *arena,
                                       struct policy_decision *out) MUST_CHECK;

/* policy_decide_request judges a request, with its TBS when there is one, without permitting
 * anything. CH_INVALID, CH_LIMIT, CH_NOT_FOUND (profile or issuer), CH_NOMEM. An empty issuer id
 * means the profile's issuer. A verdict of POLICY_NA waits for policy_judge_limits. */
enum chancery_err policy_decide_request(const struct policy_decider *d,
                                        const Chancery__Policy__V1__EvaluateRequest *in,
                                        int64_t now_s, struct arena *arena, struct policy_open *out,
                                        struct diag *diag) MUST_CHECK;

/* policy_decide_rules makes messages of the results with `outcome` (POLICY_NONE: of all). */
enum chancery_err policy_decide_rules(const struct policy_verdict *v, enum policy_outcome outcome,
                                      struct arena *arena, Chancery__Common__V1__RuleResult ***out,
                                      size_t *out_n) MUST_CHECK;

/* policy_decide_permit writes the permit over all items (chancery/permit/v1). */
enum chancery_err policy_decide_permit(const struct policy_bundle *bundle,
                                       const struct policy_decision *items, size_t n, int64_t now_s,
                                       struct buf *out) MUST_CHECK;

#endif
