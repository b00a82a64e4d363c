/* Who asks: tenant, caller, requester. */
#include "policy/policy_int.h"

static bool caller_listed(const struct policy_judge *j, struct slice caller, struct slice path)
{
    for (size_t i = 0; i < j->p->callers.n; i++) {
        struct slice pattern = j->p->callers.at[i];
        bool relative = pattern.ptr[0] == '/';
        if ((!relative || path.len > 0) && policy_text_match(pattern, relative ? path : caller)) {
            return true;
        }
    }
    return false;
}

void policy_rules_caller(struct policy_judge *j)
{
    const struct permit_request *r = j->r;
    struct slice caller = r->evidence.caller, path = policy_own_path(j->b, caller);
    policy_say(j, "tenant.allowed", policy_outcome_of(policy_list_has(&j->p->tenants, r->tenant)),
               "request.tenant", j->p->tenants_source, r->tenant, "a tenant of the profile");
    policy_say(j, "caller.allowed", policy_outcome_of(caller_listed(j, caller, path)),
               "request.evidence.caller", j->p->callers_source, caller, "a caller of the profile");
    /* A process may speak for somebody; everybody else speaks for themselves. */
    bool process = path.len > 10 && memcmp(path.ptr, "/chancery/", 10) == 0;
    bool own = r->requester.len > 0 && (process || slice_eq(r->requester, caller));
    policy_say(j, "caller.requester", policy_outcome_of(own), "request.requester", "engine",
               r->requester, "the caller itself");
}
