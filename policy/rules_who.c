/* Who asks, in which tenant, in what way: what the bundle has about this requester. */
#include "policy/policy_int.h"

struct slice policy_own_path(const struct policy_bundle *b, struct slice uri)
{
    struct slice domain = b->trust_domain;
    if (domain.len == 0 || uri.len < 10 + domain.len || memcmp(uri.ptr, "spiffe://", 9) != 0 ||
        memcmp(uri.ptr + 9, domain.ptr, domain.len) != 0 || uri.ptr[9 + domain.len] != '/') {
        return slice_of(NULL, 0);
    }
    return slice_sub(uri, 9 + domain.len, uri.len);
}

/* The mark of a holder that matches a key; NULL when there is none. */
static const struct policy_grant *marked(const struct policy_bundle *b, uint32_t holder,
                                         struct slice key)
{
    uint32_t i = policy_prefix_first(&b->who.marks, holder, key);
    return i == POLICY_PREFIX_NONE ? NULL : b->who.grants[b->who.marks.at[i].value];
}

/* A mark of any of the requester's bindings. */
static const struct policy_grant *found_mark(const struct policy_judge *j, struct slice key)
{
    const struct policy_grant *g = NULL;
    for (size_t i = 0; i < j->who.n_holders && g == NULL; i++) {
        g = marked(j->b, j->who.holders[i], key);
    }
    return g;
}

/* Holders of all patterns in the tenant that `who` matches. */
static void collect(struct policy_judge *j, struct slice who)
{
    const struct policy_prefix *p = &j->b->who.requesters;
    uint32_t tenant = (uint32_t)(j->who.tenant - j->b->who.tenants);
    uint32_t i = who.len == 0 ? POLICY_PREFIX_NONE : policy_prefix_first(p, tenant, who);
    for (; i != POLICY_PREFIX_NONE && j->who.n_holders < POLICY_HOLDERS_MAX; i = p->at[i].parent) {
        j->who.holders[j->who.n_holders++] = p->at[i].value;
    }
}

/* ---- tenant ---- */

static bool in_tenant(const struct policy_judge *j, struct slice who)
{
    uint8_t key[POLICY_PATTERN_MAX + 1] = {'q'};
    if (who.len == 0 || who.len > POLICY_PATTERN_MAX) {
        return false;
    }
    memcpy(key + 1, who.ptr, who.len);
    return marked(j->b, j->who.tenant->holder, slice_of(key, who.len + 1)) != NULL;
}

/* What the tenant does not restrict is not listed. */
static void rules_tenant(struct policy_judge *j, struct slice path)
{
    const struct policy_tenant *t = policy_tenant_find(j->b, j->r->tenant);
    j->who.tenant = t;
    policy_say(j, "tenant.known", policy_outcome_of(t != NULL), "request.tenant",
               t == NULL ? j->b->source : t->source, j->r->tenant, "a tenant of the bundle");
    if (t == NULL) {
        return;
    }
    if (t->requesters_source != NULL) {
        bool own = in_tenant(j, j->r->requester) || in_tenant(j, path);
        policy_say(j, "tenant.requester", policy_outcome_of(own), "request.requester",
                   t->requesters_source, j->r->requester, "a requester of the tenant");
    }
    if (t->profiles_source != NULL) {
        policy_say(j, "tenant.profile",
                   policy_outcome_of(policy_list_has(&t->profiles, j->r->profile)),
                   "request.profile", t->profiles_source, j->r->profile, "a profile of the tenant");
    }
    if (t->issuers_source != NULL) {
        struct slice issuer = slice_str(j->f->issuer->issuer_id);
        policy_say(j, "tenant.issuer", policy_outcome_of(policy_list_has(&t->issuers, issuer)),
                   "issuer", t->issuers_source, issuer, "an issuer of the tenant");
    }
}

/* ---- how they ask ---- */

static bool proven(const struct permit_evidence *e, struct slice method)
{
    for (size_t i = 0; i < e->n_authentication; i++) {
        if (slice_eq(e->authentication[i], method)) {
            return true;
        }
    }
    return false;
}

static void rule_authentication(struct policy_judge *j)
{
    const struct policy_who_profile *w = &j->p->who;
    const struct permit_evidence *e = &j->r->evidence;
    struct slice missing = {NULL, 0};
    bool any = w->any_of.n == 0;
    for (size_t i = 0; i < w->all_of.n && missing.ptr == NULL; i++) {
        missing = proven(e, w->all_of.at[i]) ? missing : w->all_of.at[i];
    }
    for (size_t i = 0; i < w->any_of.n && !any; i++) {
        any = proven(e, w->any_of.at[i]);
    }
    bool ok = missing.ptr == NULL && any;
    struct slice seen = e->n_authentication == 0 ? slice_str("none") : e->authentication[0];
    policy_say(j, "who.authentication", policy_outcome_of(ok), "request.evidence.authentication",
               w->authentication_source,
               missing.ptr != NULL ? slice_str("a method of all_of is missing")
               : any               ? seen
                                   : slice_str("no method of any_of"),
               missing.ptr != NULL ? (const char *)missing.ptr
                                   : "the methods that the profile wants");
}

static void rule_role(struct policy_judge *j)
{
    const struct policy_list *roles = &j->p->who.roles;
    const struct policy_grant *g = NULL;
    struct slice role = {NULL, 0};
    for (size_t i = 0; i < roles->n && g == NULL; i++) {
        uint8_t key[80] = {'r'};
        role = roles->at[i];
        memcpy(key + 1, role.ptr, role.len);
        key[role.len + 2] = (uint8_t)(j->who.profile >> 8);
        key[role.len + 3] = (uint8_t)j->who.profile;
        g = found_mark(j, slice_of(key, role.len + 4));
    }
    policy_say(j, "who.role", policy_outcome_of(g != NULL), "request.requester",
               g == NULL ? j->p->who.roles_source : g->source, g == NULL ? j->r->requester : role,
               "a role of the profile, by a binding");
}

/* Whether the requester's names must be bound, and some binding is for this profile. */
static void rule_profile(struct policy_judge *j)
{
    const struct policy_who_profile *w = &j->p->who;
    const uint8_t key[] = {'p', (uint8_t)(j->who.profile >> 8), (uint8_t)j->who.profile};
    j->who.held = w->binding == POLICY_BINDING_REQUIRED ||
                  (w->binding == POLICY_BINDING_OPTIONAL && j->who.n_holders > 0);
    if (w->binding == POLICY_BINDING_NONE) {
        return;
    }
    if (!j->who.held) {
        policy_say_na(j, "binding.profile", "request.requester", w->binding_source);
        return;
    }
    const struct policy_grant *g = found_mark(j, slice_of(key, sizeof key));
    policy_say(j, "binding.profile", policy_outcome_of(g != NULL), "request.requester",
               g == NULL ? w->binding_source : g->source, j->r->requester,
               "a requester bound to this profile in this tenant");
}

void policy_rules_who(struct policy_judge *j)
{
    const struct policy_who_profile *w = &j->p->who;
    struct slice who = j->r->requester, path = policy_own_path(j->b, who);
    j->who.profile = (uint16_t)(j->p - j->b->profiles);
    rules_tenant(j, path);
    if (j->who.tenant != NULL) {
        collect(j, who);
        collect(j, path);
    }
    if (w->protocols.n > 0) {
        struct slice protocol = j->r->evidence.protocol;
        policy_say(j, "who.protocol", policy_outcome_of(policy_list_has(&w->protocols, protocol)),
                   "request.evidence.protocol", w->protocols_source, protocol,
                   "a protocol of the profile");
    }
    if (w->authentication_source != NULL) {
        rule_authentication(j);
    }
    if (w->roles.n > 0) {
        rule_role(j);
    }
    rule_profile(j);
}
