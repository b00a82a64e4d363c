/* What the limiter is asked about one request. */
#ifndef CHANCERY_POLICY_SERVICE_LIMITER_ASK_H
#define CHANCERY_POLICY_SERVICE_LIMITER_ASK_H

#include "policy/limits.h"

/* One request that passes all rules but its limits. */
struct policy_ask {
    const struct policy_applied *limits;
    const struct permit_request *request;
    const uint8_t *digest, *tbs_sha256; /* 32 octets */
    const char *issuer_id;
    struct slice serial; /* content octets */
    int64_t not_after_s;
    struct policy_usage usage; /* the answer: facts for policy_judge_limits */
};

#endif
