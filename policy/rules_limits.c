/* The rules of limits: facts about what has been used against what the bundle allows. */
#include <stdio.h>

#include "policy/policy_int.h"

struct scope_rules {
    const char *rate, *active;
};
static const struct scope_rules scope_rules[POLICY_SCOPES] = {
    [POLICY_SCOPE_REQUESTER] = {"limit.requester.rate", "limit.requester.active"},
    [POLICY_SCOPE_PROFILE] = {"limit.profile.rate", "limit.profile.active"},
    [POLICY_SCOPE_TENANT_REQUESTER] = {"limit.tenant_requester.rate",
                                       "limit.tenant_requester.active"},
    [POLICY_SCOPE_TENANT] = {"limit.tenant.rate", "limit.tenant.active"},
};

static void say_text(struct policy_judge *j, const char *rule, bool ok, const char *field,
                     const char *source, const char *observed, const char *required)
{
    policy_say(j, rule, policy_outcome_of(ok), field, source, slice_str(observed), required);
}

static void rule_rate(struct policy_judge *j, enum policy_scope s, const struct policy_limit *l,
                      const struct policy_scope_usage *u)
{
    char text[48] = "a token is free";
    if (!u->granted) {
        (void)snprintf(text, sizeof text, "none free for %lld s", (long long)u->retry_after_s);
    }
    say_text(j, scope_rules[s].rate, u->granted, "request", l->source, text, l->rate_text);
}

/* Every limit of a scope, and whether certificates may be counted at all. */
static void rules_scope(struct policy_judge *j, enum policy_scope s, const struct policy_limit *l,
                        const struct policy_usage *u)
{
    if (l->interval_ns > 0) {
        rule_rate(j, s, l, &u->scopes[s]);
    }
    if (l->active > 0) {
        policy_say_number(j, scope_rules[s].active, u->scopes[s].active < l->active, "request",
                          l->source, u->scopes[s].active, l->active_text);
    }
}

static void rule_duplicate(struct policy_judge *j, const struct policy_limits *l,
                           const struct policy_usage *u)
{
    char text[48] = "none";
    int64_t end = u->duplicate_not_after_s, left = 0;
    bool ok = end == 0 ||
              (!__builtin_sub_overflow(end, j->f->now_s, &left) && left <= l->renewal_window_s);
    if (end != 0) {
        (void)snprintf(text, sizeof text, "one that ends at %lld", (long long)end);
    }
    say_text(j, "limit.duplicate", ok, "request", l->source, text, l->duplicate_text);
}

static void rule_key(struct policy_judge *j, const struct policy_limits *l,
                     const struct policy_usage *u)
{
    bool ok = !u->key_other && (!u->key_same || l->key_reuse == POLICY_KEY_SAME_REQUESTER);
    const char *seen = u->key_other  ? "used by another requester"
                       : u->key_same ? "used by this requester"
                                     : "not used before";
    say_text(j, "limit.key_reuse", ok, "request.key", l->source, seen, l->key_text);
}

/* What is permitted has to be written down where others count it: without that no limit holds. */
static void rules_record(struct policy_judge *j, const struct policy_usage *u, bool refused)
{
    policy_say_number(j, "limit.attempts", u->attempts < POLICY_ATTEMPTS_MAX, "request", "engine",
                      u->attempts, "fewer than 16 open attempts of one request");
    refused = refused || u->attempts >= POLICY_ATTEMPTS_MAX;
    if (refused) {
        policy_say_na(j, "limit.recorded", "request", "engine");
        return;
    }
    say_text(j, "limit.recorded", u->recorded, "request", "engine",
             u->recorded ? "recorded" : "not recorded", "a record that counts");
}

static void rules_known(struct policy_judge *j, const struct policy_applied *a,
                        const struct policy_usage *u)
{
    for (enum policy_scope s = 0; s < POLICY_SCOPES; s++) {
        if (a->scopes[s] != NULL) {
            rules_scope(j, s, a->scopes[s], u);
        }
    }
    if (a->profile->duplicates_refused) {
        rule_duplicate(j, a->profile, u);
    }
    if (a->profile->key_reuse != POLICY_KEY_ALLOW) {
        rule_key(j, a->profile, u);
    }
    if (a->counts) {
        rules_record(j, u, j->v->verdict == POLICY_FAIL);
    }
}

void policy_rules_limits(struct policy_judge *j)
{
    const struct policy_usage *u = j->f->usage;
    struct policy_applied a;
    policy_limits_applied(j->b, j->p, j->r->tenant, &a);
    if (!a.any) {
        return;
    }
    switch (u == NULL ? POLICY_USAGE_UNKNOWN : u->state) {
    case POLICY_USAGE_KNOWN:
        rules_known(j, &a, u);
        return;
    case POLICY_USAGE_OPEN:
        j->v->verdict = j->v->verdict == POLICY_PASS ? POLICY_NA : POLICY_FAIL;
        return;
    case POLICY_USAGE_ASIDE:
        policy_say_na(j, "limit.usage", "request", "engine");
        return;
    case POLICY_USAGE_UNKNOWN:
    default:
        say_text(j, "limit.usage", false, "request", "engine", "not known", "what has been used");
    }
}

bool policy_limits_retry(const struct policy_verdict *v, const struct policy_usage *usage,
                         int64_t *out_after_s)
{
    int64_t after = 0;
    for (size_t i = 0; i < v->n; i++) {
        if (v->rules[i].outcome != POLICY_FAIL) {
            continue;
        }
        enum policy_scope s = 0;
        while (s < POLICY_SCOPES && strcmp(v->rules[i].rule, scope_rules[s].rate) != 0) {
            s++;
        }
        if (s == POLICY_SCOPES) {
            return false;
        }
        after = usage->scopes[s].retry_after_s > after ? usage->scopes[s].retry_after_s : after;
    }
    *out_after_s = after;
    return after > 0;
}
