/* Compiles the profile key `approvals`. docs/POLICY.md is the reference. */
#include "policy/approvals.h"

#include "policy/policy_int.h"

#define EXPIRES_DEFAULT_S ((int64_t)7 * 86400)
#define EXPIRES_MIN_S 60 /* less and nobody signs in time */

static enum chancery_err flag(const struct conf_node *when, const char *key, bool *out,
                              struct diag *diag)
{
    const struct conf_node *at = conf_get(when, key);
    TRY(conf_bool(when, key, CONF_OPTIONAL, out, diag));
    if (at != NULL && !*out) {
        return conf_error(at, CH_INVALID, "approvals.when", diag,
                          "\"%s\" is true or left out; a condition cannot be turned round", key);
    }
    return CH_OK;
}

static enum chancery_err compile_when(const struct conf_node *m, struct policy_approval_rule *r,
                                      struct diag *diag)
{
    const struct conf_node *when = NULL;
    int64_t names = 0;
    r->validity_over_s = -1;
    TRY(conf_map(m, "when", CONF_OPTIONAL, &when, diag));
    if (when == NULL) {
        return CH_OK;
    }
    TRY(flag(when, "wildcard", &r->wildcard, diag));
    TRY(flag(when, "ca", &r->ca, diag));
    r->has_names_over = conf_get(when, "names_over") != NULL;
    TRY(conf_int(when, "names_over", CONF_OPTIONAL, 0, POLICY_NAMES_MAX, &names, diag));
    r->names_over = (size_t)names;
    return conf_duration_s(when, "validity_over", CONF_OPTIONAL, 0, INT32_MAX * 4LL,
                           &r->validity_over_s, diag);
}

static enum chancery_err compile_step(struct policy_bundle *b, const struct conf_node *m,
                                      struct policy_approval_step *s, struct diag *diag)
{
    const char *role = NULL;
    int64_t quorum = 0;
    if (conf_kind(m) != CONF_MAP) {
        return conf_error(m, CH_INVALID, "conf.type", diag, "a step is {role, quorum}");
    }
    TRY(conf_string(m, "role", CONF_REQUIRED, &role, diag));
    TRY(conf_int(m, "quorum", CONF_REQUIRED, 1, POLICY_QUORUM_MAX, &quorum, diag));
    s->role = slice_str(role);
    if (!approval_step_ok(s->role)) {
        return conf_error(conf_get(m, "role"), CH_INVALID, "approvals.role", diag,
                          "a role is named by 1 to 64 of a-z 0-9 - .");
    }
    size_t have = policy_officers_with_role(b, s->role, true);
    if (have < (size_t)quorum) {
        return conf_error(m, CH_INVALID, "approvals.quorum", diag,
                          "%lld officers with the role \"%s\" and a known identity are wanted, but "
                          "officers.yaml has %zu",
                          (long long)quorum, role, have);
    }
    s->role.ptr = arena_copy(&b->arena, s->role);
    s->quorum = (unsigned)quorum;
    s->field = arena_printf(&b->arena, "approvals.%s", role);
    s->required = arena_printf(&b->arena, "%u of %s", s->quorum, role);
    s->source = policy_compile_source(b, m);
    return s->role.ptr == NULL || s->field == NULL || s->required == NULL || s->source == NULL
               ? CH_NOMEM
               : CH_OK;
}

/* Nobody counts in two steps. By Hall's theorem distinct officers fill all steps exactly when every
 * set of steps has as many officers as it needs. */
static bool reachable(const struct policy_bundle *b, const struct policy_approval_rule *r)
{
    for (unsigned set = 1; set < 1U << r->n_steps; set++) {
        size_t needed = 0, have = 0;
        for (size_t i = 0; i < r->n_steps; i++) {
            needed += (set >> i & 1) != 0 ? r->steps[i].quorum : 0;
        }
        for (size_t k = 0; k < b->officers.n; k++) {
            const struct policy_officer *o = &b->officers.at[k];
            bool fits = false;
            for (size_t i = 0; i < r->n_steps && o->identity.len > 0; i++) {
                fits =
                    fits || ((set >> i & 1) != 0 && policy_officer_has_role(o, r->steps[i].role));
            }
            have += fits ? 1 : 0;
        }
        if (have < needed) {
            return false;
        }
    }
    return true;
}

static enum chancery_err compile_steps(struct policy_bundle *b, const struct conf_node *m,
                                       struct policy_approval_rule *r, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(m, "steps", CONF_REQUIRED, &list, diag));
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_APPROVAL_STEPS_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"steps\" must have 1 to %d entries", POLICY_APPROVAL_STEPS_MAX);
    }
    struct policy_approval_step *steps = arena_alloc(&b->arena, n * sizeof *steps);
    if (steps == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_step(b, conf_at(list, i), &steps[i], diag));
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(steps[k].role, steps[i].role)) {
                return conf_error(conf_at(list, i), CH_INVALID, "approvals.role", diag,
                                  "this role has a step already (%s); raise its quorum",
                                  steps[k].source);
            }
        }
    }
    r->steps = steps;
    r->n_steps = n;
    if (!reachable(b, r)) {
        return conf_error(list, CH_INVALID, "approvals.quorum", diag,
                          "nobody counts in two steps, and officers.yaml has too few people with "
                          "these roles to fill them all");
    }
    return CH_OK;
}

enum chancery_err policy_approvals_compile(struct policy_bundle *b, const struct conf_node *root,
                                           struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(root, "approvals", CONF_OPTIONAL, &list, diag));
    if (list == NULL) {
        return CH_OK;
    }
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_APPROVAL_RULES_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"approvals\" must have 1 to %d entries", POLICY_APPROVAL_RULES_MAX);
    }
    struct policy_approval_rule *rules = arena_alloc(&b->arena, n * sizeof *rules);
    if (rules == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const struct conf_node *m = conf_at(list, i);
        struct policy_approval_rule *r = &rules[i];
        if (conf_kind(m) != CONF_MAP) {
            return conf_error(m, CH_INVALID, "conf.type", diag,
                              "an entry of \"approvals\" is {when, steps, expires}");
        }
        TRY(compile_when(m, r, diag));
        TRY(compile_steps(b, m, r, diag));
        r->expires_s = EXPIRES_DEFAULT_S;
        TRY(conf_duration_s(m, "expires", CONF_OPTIONAL, EXPIRES_MIN_S, APPROVAL_LIFE_MAX_S,
                            &r->expires_s, diag));
        r->source = policy_compile_source(b, m);
        if (r->source == NULL) {
            return CH_NOMEM;
        }
    }
    p->approvals = (struct policy_approvals){rules, n};
    return CH_OK;
}
