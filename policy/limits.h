/* Limits: how often, how many at once, the same again, the same key. The bundle says how much; the
 * caller of the judge says what has been used (struct policy_usage); the judge compares.
 *
 * A rate is a bucket of tokens: it holds `burst`, one comes back every `interval_ns`, a permit
 * takes one. In any span of time t at most burst + t / interval_ns are taken. */
#ifndef CHANCERY_POLICY_LIMITS_H
#define CHANCERY_POLICY_LIMITS_H

#include "conf/conf.h"
#include "policy/policy.h"

#define POLICY_RATE_MAX 1000000LL          /* permits per period, tokens of a bucket */
#define POLICY_ACTIVE_MAX 1000000000LL     /* certificates that one limit counts */
#define POLICY_FILL_MAX_S (3660 * 86400LL) /* an empty bucket is full again after ten years */
#define POLICY_ATTEMPTS_MAX 16 /* of one request, open at a time: more than registration makes */

/* Whom a limit counts for. */
enum policy_scope {
    POLICY_SCOPE_REQUESTER = 0,    /* one requester under one profile */
    POLICY_SCOPE_PROFILE,          /* everybody under one profile */
    POLICY_SCOPE_TENANT_REQUESTER, /* one requester under all profiles of a tenant */
    POLICY_SCOPE_TENANT,           /* everybody in a tenant */
    POLICY_SCOPES
};

struct policy_limit {
    int64_t interval_ns;     /* 0: no rate */
    int64_t period_s, burst; /* burst: 0 without a rate */
    int64_t active;          /* most certificates at a time; 0: any number */
    const char *rate_text, *active_text, *source;
};

enum policy_key_reuse { POLICY_KEY_REFUSE = 0, POLICY_KEY_SAME_REQUESTER, POLICY_KEY_ALLOW };

/* The `limits` of a profile or of a tenant. */
struct policy_limits {
    struct policy_limit requester, whole;
    bool duplicates_refused; /* this and the rest: profiles only */
    int64_t renewal_window_s;
    enum policy_key_reuse key_reuse;
    const char *duplicate_text, *key_text, *source; /* source: NULL when there is no `limits` */
};

enum policy_limits_of { POLICY_LIMITS_OF_PROFILE = 1, POLICY_LIMITS_OF_TENANT };

/* policy_limits_compile reads key `limits` of a profile's or tenant's map. Without it *out limits
 * nothing. Errors as all of a bundle. */
enum chancery_err policy_limits_compile(struct policy_bundle *b, const struct conf_node *map,
                                        enum policy_limits_of of, struct policy_limits *out,
                                        struct diag *diag) MUST_CHECK;

/* What holds for one request, from its profile and its tenant. */
struct policy_applied {
    const struct policy_limit *scopes[POLICY_SCOPES]; /* NULL: none */
    const struct policy_limits *profile;              /* duplicates and keys */
    bool any;                                         /* there is something to judge */
    bool counts; /* certificates are counted or compared: what is permitted has to be recorded */
};

/* policy_limits_applied finds what limits a request under `p` (of `b`) in `tenant`. */
void policy_limits_applied(const struct policy_bundle *b, const struct policy_profile *p,
                           struct slice tenant, struct policy_applied *out);

/* policy_limits_used says whether anything is limited under `b`. */
bool policy_limits_used(const struct policy_bundle *b);

/* policy_limits_names is the digest by which duplicates are found: tenant, profile, requester,
 * subject asked for, names. CH_NOMEM. */
enum chancery_err policy_limits_names(const struct permit_request *r, uint8_t out[32]) MUST_CHECK;

/* ---- facts ---- */

enum policy_usage_state {
    POLICY_USAGE_UNKNOWN = 0, /* limits that there are fail */
    POLICY_USAGE_KNOWN,
    POLICY_USAGE_OPEN, /* nobody has looked yet: the verdict is POLICY_NA when all else passes, and
                          policy_judge_limits ends it */
    POLICY_USAGE_ASIDE /* limits are left aside (replay, table tests): "not applicable" */
};

struct policy_scope_usage {
    bool granted;          /* a token of the rate is this request's */
    int64_t retry_after_s; /* not granted: when there may be one */
    int64_t active;        /* certificates there are, this request's own not counted */
};

struct policy_usage {
    enum policy_usage_state state;
    struct policy_scope_usage scopes[POLICY_SCOPES];
    int64_t duplicate_not_after_s; /* the last end among active certificates of the same names; 0:
                                      there is none */
    bool key_same, key_other;      /* certificates with this key: of this requester, of others */
    int64_t attempts;              /* of this request, open, not counting this one */
    bool recorded;                 /* the permit is written down, so that it counts from now on */
};

/* policy_judge_limits ends a verdict that policy_judge_certificate left open (POLICY_NA): adds the
 * results of the limits, with f->usage known now. Any other verdict stays as it is. */
void policy_judge_limits(const struct policy_bundle *b, const struct policy_facts *f,
                         struct policy_verdict *v);

/* policy_limits_retry says whether `v` failed by rates alone, so that the same request may pass
 * later, and in how many seconds. */
bool policy_limits_retry(const struct policy_verdict *v, const struct policy_usage *usage,
                         int64_t *out_after_s);

#endif
