/* One request under a bundle: the TBS that chancery-ca would build, and the verdict over it.
 *
 * Pure. A trial_bundle is immutable once made and shared by threads. */
#ifndef CHANCERY_TRIAL_JUDGE_H
#define CHANCERY_TRIAL_JUDGE_H

#include "tbs/tbs.h"

/* What besides bundle and request a verdict depends on. Borrowed. */
struct trial_world {
    const struct policy_issuer *issuers;
    size_t n_issuers;
    const uint8_t (*own_keys)[32];
    size_t n_own_keys;
};
const struct policy_issuer *trial_issuer(const struct trial_world *w, struct slice issuer_id);

/* A bundle, prepared for building under the issuers of a world; both must outlive it. */
struct trial_bundle;
enum chancery_err trial_bundle_new(const struct policy_bundle *b, const struct trial_world *w,
                                   struct trial_bundle **out) MUST_CHECK;
void trial_bundle_free(struct trial_bundle *t);
const struct policy_bundle *trial_bundle_of(const struct trial_bundle *t);

struct trial_request {
    const struct permit_request *request;
    const uint8_t *digest;           /* of the request: picks the issuer of a pool */
    const struct crypto_public *key; /* NULL: nothing is built, the request alone is judged */
    struct slice serial;             /* TBS_SERIAL octets */
    int64_t built_at_s, judged_at_s;
    const struct policy_approval *approvals;
    size_t n_approvals;
    const struct policy_usage *usage;
};

struct trial_result {
    const struct policy_issuer *issuer; /* NULL: the profile or an issuer of it is unknown, or none
                                           of its pool fits the key */
    struct slice tbs;                   /* in the arena; empty: could not be built */
    enum chancery_err build_err;        /* CH_OK, or why it could not be built */
    struct diag build;                  /* of build_err: rules "build.*", "name.*" */
};

/* trial_build writes the TBS that ca would write. What cannot be built is told in `out`; returns
 * CH_NOMEM alone. */
enum chancery_err trial_build(const struct trial_bundle *t, const struct trial_request *r,
                              struct arena *arena, struct trial_result *out) MUST_CHECK;

/* trial_judge judges `tbs` (what trial_build made, or other octets; empty: the request alone).
 * A TBS that could not be built is a failed rule of its own, added by the caller. */
void trial_judge(const struct trial_bundle *t, const struct trial_world *w,
                 const struct trial_request *r, const struct policy_issuer *issuer,
                 struct slice tbs, struct policy_verdict *out);

#endif
