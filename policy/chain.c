/* The chain of bundles: plans, and the check of one promotion after another. */
#include "policy/chain.h"

#include <stdlib.h>

#include "permit/canon.h"
#include "policy/policy_int.h"

#define CANON_PROMOTION "chancery/promotion/v1\n"

/* ---- chancery/promotion/v1 ---- */

static enum chancery_err plan_write(const struct policy_plan *p, struct buf *out)
{
    TRY(buf_add_str(out, CANON_PROMOTION));
    TRY(canon_put_digest(out, p->first));
    TRY(buf_add_u64be(out, p->sequence));
    TRY(canon_put_digest(out, p->predecessor));
    TRY(canon_put_digest(out, p->bundle));
    return canon_put_bytes(out, p->author);
}

enum chancery_err policy_plan_digest(const struct policy_plan *p, uint8_t out[32],
                                     struct diag *diag)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, POLICY_CHAIN_AUTHOR_MAX + 256);
    if (p->sequence == 0 || p->author.len == 0 || p->author.len > POLICY_CHAIN_AUTHOR_MAX ||
        !slice_is_utf8(p->author) || slice_has_nul(p->author)) {
        return diag_set(diag, CH_INVALID, "plan", "bundle.plan",
                        "a promotion has a number from 1 and an author of 1 to %d octets",
                        POLICY_CHAIN_AUTHOR_MAX);
    }
    TRY(plan_write(p, &b));
    crypto_sha256(buf_slice(&b), out);
    return CH_OK;
}

/* ---- the chain ---- */

void policy_chain_init(struct policy_chain *c, struct policy_bundle *take_first)
{
    *c = (struct policy_chain){.last = {.officers = take_first, .not_before_s = INT64_MIN}};
    c->base = c->last;
    memcpy(c->first, policy_bundle_hash(take_first), sizeof c->first);
}

void policy_chain_clear(struct policy_chain *c)
{
    if (c->base.officers != c->last.officers) {
        policy_bundle_free(c->base.officers);
    }
    policy_bundle_free(c->last.officers);
    *c = (struct policy_chain){.base = {.sequence = 0}};
}

const struct policy_place *policy_chain_in_force(const struct policy_chain *c, int64_t now_s)
{
    return c->last.not_before_s <= now_s ? &c->last : &c->base;
}

void policy_chain_next(const struct policy_chain *c, const uint8_t bundle[32], struct slice author,
                       int64_t now_s, struct policy_plan *out)
{
    *out = (struct policy_plan){.sequence = c->last.sequence + 1, .author = author};
    memcpy(out->first, c->first, sizeof out->first);
    memcpy(out->predecessor, policy_bundle_hash(policy_chain_in_force(c, now_s)->officers),
           sizeof out->predecessor);
    memcpy(out->bundle, bundle, sizeof out->bundle);
}

enum chancery_err policy_chain_officers(const struct policy_bundle *b, struct diag *diag)
{
    const struct policy_officers *o = policy_officers_of(b);
    if (o->promotion_quorum == 0) {
        return diag_set(diag, CH_PRECONDITION, "officers.yaml", "bundle.officers",
                        "the bundle has no officers.yaml with a promotion quorum: nobody can "
                        "promote a successor");
    }
    if (policy_officers_with_role(b, o->promotion_role, true) !=
        policy_officers_with_role(b, o->promotion_role, false)) {
        return diag_set(diag, CH_PRECONDITION, "officers.yaml", "bundle.officers",
                        "%s: every officer of the promotion role needs an identity: an author "
                        "must be told from an approver",
                        o->promotion_source);
    }
    return CH_OK;
}

/* Number, times, place. */
static enum chancery_err check_place(const struct policy_chain *c, const struct policy_link *l,
                                     struct diag *diag)
{
    const struct policy_place *before = policy_chain_in_force(c, l->promoted_at_s);
    if (memcmp(l->plan.first, c->first, 32) != 0 || l->plan.sequence != c->last.sequence + 1 ||
        l->promoted_at_s < c->last.promoted_at_s || l->promoted_at_s < 0 ||
        l->not_before_s < l->promoted_at_s) {
        return diag_set(diag, CH_INTEGRITY, "promotion", "bundle.chain",
                        "promotion %llu does not follow promotion %llu",
                        (unsigned long long)l->plan.sequence, (unsigned long long)c->last.sequence);
    }
    if (memcmp(l->plan.predecessor, policy_bundle_hash(before->officers), 32) != 0) {
        return diag_set(diag, CH_CONFLICT, "predecessor", "bundle.predecessor",
                        "another bundle is in force than the one to be replaced: look again, "
                        "approve again");
    }
    if (l->not_before_s - l->promoted_at_s > POLICY_CHAIN_AHEAD_MAX_S) {
        return diag_set(diag, CH_INVALID, "not_before", "bundle.time",
                        "a promotion is at most %d days ahead",
                        (int)(POLICY_CHAIN_AHEAD_MAX_S / 86400));
    }
    if (before != &c->last && l->not_before_s > c->last.not_before_s) {
        return diag_set(diag, CH_PRECONDITION, "not_before", "bundle.pending",
                        "promotion %llu waits for its time: only an earlier one can replace it",
                        (unsigned long long)c->last.sequence);
    }
    if (before == &c->last && memcmp(l->plan.bundle, l->plan.predecessor, 32) == 0) {
        return diag_set(diag, CH_EXISTS, "bundle", "bundle.same", "this bundle is in force");
    }
    return CH_OK;
}

/* Tells why the quorum is missing: the first paper that does not count, if there is one. */
static enum chancery_err no_quorum(const struct policy_promotion *r, struct diag *diag)
{
    const char *officer = "", *rule = "";
    for (size_t i = 0; i < r->n && rule[0] == '\0'; i++) {
        officer = r->papers[i].officer;
        rule = r->papers[i].rule;
    }
    return diag_set(diag, CH_REFUSED, "approvals", r->rule,
                    "%u of %u approvals by \"%.*s\" count%s%s%s%s", r->counted, r->needed,
                    (int)(r->role.len < 64 ? r->role.len : 64), (const char *)r->role.ptr,
                    rule[0] == '\0' ? "" : "; not counted: ", officer, rule[0] == '\0' ? "" : " ",
                    rule);
}

static enum chancery_err check_quorum(const struct policy_bundle *officers,
                                      const struct policy_link *l, struct policy_promotion *report,
                                      struct diag *diag)
{
    uint8_t subject[32];
    const struct policy_author author = {.identity = l->plan.author};
    struct policy_promotion *r = report == NULL ? malloc(sizeof *r) : report;
    if (r == NULL) {
        return CH_NOMEM;
    }
    enum chancery_err err = policy_plan_digest(&l->plan, subject, diag);
    if (err == CH_OK && policy_officers_promotion(officers, l->approvals, l->n_approvals, subject,
                                                  &author, l->promoted_at_s, r) != POLICY_PASS) {
        err = no_quorum(r, diag);
    }
    if (report == NULL) {
        free(r);
    }
    return err;
}

enum chancery_err policy_chain_check(const struct policy_chain *c, const struct policy_link *l,
                                     const struct policy_bundle *successor,
                                     struct policy_promotion *report, struct diag *diag)
{
    TRY(check_place(c, l, diag));
    if (memcmp(policy_bundle_hash(successor), l->plan.bundle, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.altered",
                        "the files are not those of the bundle that was promoted");
    }
    const struct policy_bundle *officers = policy_chain_in_force(c, l->promoted_at_s)->officers;
    TRY(policy_chain_officers(officers, diag));
    struct diag why = {.field = ""};
    if (policy_chain_officers(successor, &why) != CH_OK) {
        return diag_set(diag, CH_INVALID, "officers.yaml", "bundle.last",
                        "it would be the last bundle: %s", why.text);
    }
    return check_quorum(officers, l, report, diag);
}

enum chancery_err policy_chain_extend(struct policy_chain *c, const struct policy_link *l,
                                      struct policy_bundle *take_successor, struct diag *diag)
{
    TRY(policy_chain_check(c, l, take_successor, NULL, diag));
    bool distinct = c->base.officers != c->last.officers;
    if (c->last.not_before_s <= l->promoted_at_s) {
        if (distinct) {
            policy_bundle_free(c->base.officers);
        }
        c->base = c->last;
    } else if (distinct) { /* it never came into force */
        policy_bundle_free(c->last.officers);
    }
    c->last = (struct policy_place){.sequence = l->plan.sequence,
                                    .promoted_at_s = l->promoted_at_s,
                                    .not_before_s = l->not_before_s,
                                    .officers = take_successor};
    return CH_OK;
}
