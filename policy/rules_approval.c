/* Approvals: does the request need any, whose are there, do they count?
 *
 * A paper that does not count never refuses by itself: whoever could send one would else decide.
 * Its fault is told as failed while approvals are missing, and as not applicable when they are
 * complete without it. Only a rejection by an officer who was asked refuses for good. */
#include "policy/approvals.h"
#include "policy/policy_int.h"

/* What may be wrong with papers, in the order of telling. */
static const struct {
    const char *rule, *required;
} faults[] = {
    {"approval.format", "chancery/approval/v1"},
    {"approval.subject", "an approval of this request's digest"},
    {"approval.officer", "the key of an officer of the bundle"},
    {"approval.signature", "a signature by the officer's key"},
    {"approval.future", "issued now or before"},
    {"approval.expired", "not expired"},
    {"approval.superseded", "the officer's latest word"},
    {"approval.step", "a step that this request needs"},
    {"approval.role", "an officer with the role of the step"},
    {"approval.tenant", "an officer of the tenant"},
    {"approval.identity", "an officer whose identity is known"},
    {"approval.self", "somebody else than the requester"},
    {"approval.twice", "one step per officer"},
    {"approval.order", "issued after the step before was complete"},
};
#define FAULTS (sizeof faults / sizeof faults[0])
#define FAULT_NAMES 80 /* octets of the officers' ids that one result shows */

struct desk {
    struct policy_judge *j;
    struct policy_paper papers[POLICY_APPROVALS_MAX];
    bool counted[POLICY_APPROVALS_MAX]; /* in one of the entries at least */
    size_t n;
    bool complete; /* every entry that applies has all it needs */
};

/* ---- conditions ---- */

static bool has_star(struct slice s)
{
    return s.len > 0 && memchr(s.ptr, '*', s.len) != NULL;
}

static bool asks_wildcard(const struct policy_judge *j)
{
    for (size_t i = 0; i < j->r->n_sans; i++) {
        if (j->r->sans[i].type == 3 && has_star(j->r->sans[i].value)) {
            return true;
        }
    }
    for (size_t i = 0; i < j->n_subject; i++) {
        if (slice_eq(j->subject[i].oid, POLICY_OID_CN) && has_star(j->subject[i].value)) {
            return true;
        }
    }
    return false;
}

/* Life from now on: of the TBS, or as request and profile would have it. */
static int64_t life_s(const struct policy_judge *j)
{
    const struct policy_template *t = &j->p->t;
    if (j->has_tbs) {
        return j->tbs.not_after_s - j->f->now_s;
    }
    if (j->r->max_validity_s == 0) {
        return t->validity_s;
    }
    return j->r->max_validity_s < t->validity_max_s ? j->r->max_validity_s : t->validity_max_s;
}

static bool applies(const struct policy_judge *j, const struct policy_approval_rule *r)
{
    return (!r->wildcard || asks_wildcard(j)) && (!r->ca || j->p->t.is_ca) &&
           (!r->has_names_over || j->r->n_sans > r->names_over) &&
           (r->validity_over_s < 0 || life_s(j) > r->validity_over_s);
}

/* ---- papers of one entry ---- */

static bool is_requester(const struct policy_judge *j, const struct policy_officer *o)
{
    return policy_officer_is(j->b, o, j->r->requester) ||
           policy_officer_is(j->b, o, j->r->evidence.caller) ||
           slice_eq(slice_of(crypto_public_spki_sha256(o->key), 32), j->r->spki_sha256);
}

/* An officer of another tenant has no say in this one. */
static bool of_tenant(const struct policy_judge *j, const struct policy_officer *o)
{
    return j->who.tenant != NULL && policy_tenant_officer(j->who.tenant, slice_str(o->id));
}

static const struct policy_approval_step *step_of(const struct policy_approval_rule *r,
                                                  struct slice name)
{
    for (size_t i = 0; i < r->n_steps; i++) {
        if (slice_eq(r->steps[i].role, name)) {
            return &r->steps[i];
        }
    }
    return NULL;
}

/* Why a good approval cannot count for `step`, begun at after_s, with `used` officers counted
 * before; NULL when it can. */
static const char *unfit(const struct desk *d, const struct policy_approval_rule *r,
                         const struct policy_paper *p, int64_t after_s,
                         const struct policy_officer *const *used, size_t n_used)
{
    if (!policy_officer_has_role(p->officer, p->a.step)) {
        return "approval.role";
    }
    if (!of_tenant(d->j, p->officer)) {
        return "approval.tenant";
    }
    if (p->officer->identity.len == 0) {
        return "approval.identity";
    }
    if (is_requester(d->j, p->officer)) {
        return "approval.self";
    }
    if (p->a.issued_at_s + r->expires_s <= d->j->f->now_s) {
        return "approval.expired";
    }
    for (size_t i = 0; i < n_used; i++) {
        if (used[i] == p->officer) {
            return "approval.twice";
        }
    }
    return p->a.issued_at_s < after_s ? "approval.order" : NULL;
}

static bool is_approval_of(const struct policy_paper *p, const struct policy_approval_step *step)
{
    return p->rule == NULL && p->a.decision == APPROVAL_APPROVE && slice_eq(p->a.step, step->role);
}

/* The earliest paper for a step that fits and was not taken yet; n when there is none. */
static size_t earliest(const struct desk *d, const struct policy_approval_rule *r,
                       const struct policy_approval_step *step, int64_t after_s,
                       const struct policy_officer *const *used, size_t n_used)
{
    size_t best = d->n;
    for (size_t i = 0; i < d->n; i++) {
        const struct policy_paper *p = &d->papers[i];
        if (is_approval_of(p, step) && unfit(d, r, p, after_s, used, n_used) == NULL &&
            (best == d->n || p->a.issued_at_s < d->papers[best].a.issued_at_s)) {
            best = i;
        }
    }
    return best;
}

/* Notes why the papers of a step that were not taken do not count. One that would only be one too
 * many has no fault. */
static void note_unfit(struct desk *d, const struct policy_approval_rule *r,
                       const struct policy_approval_step *step, int64_t after_s,
                       const struct policy_officer *const *used, size_t n_used,
                       const char *why[POLICY_APPROVALS_MAX])
{
    for (size_t i = 0; i < d->n; i++) {
        if (is_approval_of(&d->papers[i], step) && !d->counted[i]) {
            why[i] = unfit(d, r, &d->papers[i], after_s, used, n_used);
            d->counted[i] = why[i] == NULL;
        }
    }
}

/* Counts the steps of one entry that applies. A step begins when the one before was complete. */
static void judge_entry(struct desk *d, const struct policy_approval_rule *r,
                        const char *why[POLICY_APPROVALS_MAX])
{
    const struct policy_officer *used[POLICY_APPROVAL_STEPS_MAX * POLICY_QUORUM_MAX];
    int64_t after_s = INT64_MIN;
    size_t n_used = 0;
    for (size_t s = 0; s < r->n_steps; s++) {
        const struct policy_approval_step *step = &r->steps[s];
        const size_t before = n_used;
        int64_t done_s = after_s;
        while (n_used - before < step->quorum) {
            size_t i = earliest(d, r, step, after_s, used, n_used);
            if (i == d->n) {
                done_s = INT64_MAX;
                break;
            }
            done_s = d->papers[i].a.issued_at_s;
            d->counted[i] = true;
            used[n_used++] = d->papers[i].officer;
        }
        note_unfit(d, r, step, after_s, used, before, why);
        bool enough = n_used - before >= step->quorum;
        d->complete = d->complete && enough;
        policy_say_number(d->j, "approval.quorum", enough, step->field, step->source,
                          (int64_t)(n_used - before), step->required);
        after_s = done_s;
    }
}

/* ---- results ---- */

static void say_rejections(struct desk *d, const bool *applying)
{
    const struct policy_approvals *all = &d->j->p->approvals;
    const struct policy_officer *by = NULL;
    for (size_t i = 0; i < d->n && by == NULL; i++) {
        const struct policy_paper *p = &d->papers[i];
        for (size_t k = 0; k < all->n && by == NULL; k++) {
            bool heard = applying[k] && p->rule == NULL && p->a.decision == APPROVAL_REJECT &&
                         step_of(&all->at[k], p->a.step) != NULL &&
                         policy_officer_has_role(p->officer, p->a.step) &&
                         of_tenant(d->j, p->officer);
            by = heard ? p->officer : NULL;
        }
    }
    policy_say(d->j, "approval.rejected", policy_outcome_of(by == NULL), "approvals",
               all->at[0].source, slice_str(by == NULL ? "" : by->id), "no officer rejects");
}

/* One result per kind of fault: how many papers there are is the sender's to choose. */
static void say_fault(struct desk *d, const char *rule, const char *required,
                      const char *const *why)
{
    char names[FAULT_NAMES + 1] = "";
    size_t len = 0, hits = 0;
    for (size_t i = 0; i < d->n; i++) {
        if (d->counted[i] || why[i] == NULL || strcmp(why[i], rule) != 0) {
            continue;
        }
        const struct policy_officer *o = d->papers[i].officer;
        const char *id = o == NULL ? "unknown" : o->id;
        size_t n = strlen(id), comma = hits == 0 ? 0 : 1;
        hits++;
        if (len + comma + n <= FAULT_NAMES) {
            memcpy(names + len, ",", comma);
            memcpy(names + len + comma, id, n);
            len += comma + n;
        }
    }
    enum policy_outcome outcome = hits == 0 ? POLICY_PASS : d->complete ? POLICY_NA : POLICY_FAIL;
    policy_say(d->j, rule, outcome, "approvals", d->j->p->approvals.at[0].source,
               slice_of(names, len), required);
}

static void read_papers(struct desk *d)
{
    const struct policy_facts *f = d->j->f;
    uint8_t digest[PERMIT_DIGEST];
    if (f->n_approvals > 0 && permit_request_digest(d->j->r, digest, NULL) == CH_OK) {
        d->n = policy_papers_read(d->j->b, f->approvals, f->n_approvals, APPROVAL_REQUEST, digest,
                                  f->now_s, d->papers);
    }
}

void policy_rules_approvals(struct policy_judge *j)
{
    const struct policy_approvals *all = &j->p->approvals;
    bool applying[POLICY_APPROVAL_RULES_MAX] = {false}, any = false;
    for (size_t i = 0; i < all->n; i++) {
        applying[i] = applies(j, &all->at[i]);
        any = any || applying[i];
    }
    if (!any) {
        policy_say_na(j, "approval.needed", "approvals",
                      all->n == 0 ? j->p->source : all->at[0].source);
        return;
    }
    struct desk d = {.j = j, .complete = true};
    const char *why[POLICY_APPROVALS_MAX] = {NULL};
    read_papers(&d);
    policy_say_number(j, "approval.count", j->f->n_approvals <= POLICY_APPROVALS_MAX, "approvals",
                      "engine", (int64_t)j->f->n_approvals,
                      "at most 64: a rejection may be unread");
    for (size_t i = 0; i < d.n; i++) {
        bool fine = d.papers[i].rule == NULL;
        why[i] = fine ? "approval.step" : d.papers[i].rule;
        d.counted[i] = fine && d.papers[i].a.decision == APPROVAL_REJECT; /* told apart below */
    }
    for (size_t i = 0; i < all->n; i++) {
        if (applying[i]) {
            judge_entry(&d, &all->at[i], why);
        }
    }
    say_rejections(&d, applying);
    for (size_t i = 0; i < FAULTS; i++) {
        say_fault(&d, faults[i].rule, faults[i].required, why);
    }
    policy_say(j, "approval.needed", policy_outcome_of(d.complete), "approvals", all->at[0].source,
               slice_str(d.complete ? "complete" : "missing"), "every step approved");
}

bool policy_approvals_wait(const struct policy_verdict *v)
{
    bool missing = false;
    for (size_t i = 0; i < v->n; i++) {
        const struct policy_rule *r = &v->rules[i];
        if (r->outcome != POLICY_FAIL) {
            continue;
        }
        if (strncmp(r->rule, "approval.", 9) != 0 || strcmp(r->rule, "approval.rejected") == 0) {
            return false;
        }
        missing = true;
    }
    return missing;
}
