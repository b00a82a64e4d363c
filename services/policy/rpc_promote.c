/* ApproveBundle, PromoteBundle, RollbackBundle, GetChain: a bundle comes into force. */
#include "log/log.h"
#include "os/os.h"
#include "promote.h"
#include "service.h"

typedef Chancery__Policy__V1__ApproveBundleRequest approve_request;
typedef Chancery__Policy__V1__ApproveBundleResponse approve_response;

static enum chancery_err load(const struct policy_service *s, struct rpc_call *call,
                              ProtobufCBinaryData name, bool with_files, struct policy_stored *out)
{
    if (name.len != 32) {
        return diag_set(rpc_diag(call), CH_INVALID, "bundle_sha256", "bundle.name",
                        "a bundle is named by 32 octets");
    }
    return policy_store_get(s->db, policy_bundles_first(s->bundles), name.data, os_now_s(),
                            with_files, rpc_arena(call), out, rpc_diag(call));
}

/* ---- approvals ---- */

struct approval_step {
    const struct policy_service *s;
    const struct policy_stored_approval *a;
    const struct policy_standing *st;
    const struct approval *read;
    const char *caller;
};

static enum chancery_err store_approval(struct db_conn *conn, void *ctx, struct diag *diag)
{
    const struct approval_step *t = ctx;
    bool new = false;
    TRY(policy_store_approve(conn, t->a, &new, diag));
    if (!new) {
        return CH_OK;
    }
    bool yes = t->read->decision == APPROVAL_APPROVE;
    const struct daemon_field f[] = {
        DAEMON_DIGEST("bundle", slice_of(t->a->bundle, 32)),
        DAEMON_DIGEST("predecessor", slice_of(t->st->plan.predecessor, 32)),
        DAEMON_NUM("sequence", t->st->plan.sequence),
        DAEMON_DIGEST("subject", slice_of(t->a->subject, 32)),
        DAEMON_DIGEST("approver", slice_of(t->read->approver, 32)),
        DAEMON_STR("decision", yes ? "approve" : "reject"),
        DAEMON_STR("caller", t->caller)};
    TRY(daemon_audit(t->s->daemon, "bundle.approved", f, sizeof f / sizeof *f, NULL, diag));
    OS_FAILPOINT("policy.approve_logged");
    return CH_OK;
}

/* Judges the new approval beside the others; what would not count is refused at the door. */
static enum chancery_err judge_approval(struct policy_standing *st, struct policy_approval new,
                                        struct arena *arena, struct diag *diag)
{
    const struct policy_author author = {.identity = st->plan.author};
    size_t n = st->n_approvals;
    struct policy_approval *all = arena_alloc(arena, (n + 1) * sizeof *all);
    if (all == NULL) {
        return CH_NOMEM;
    }
    if (n >= POLICY_APPROVALS_MAX) {
        return diag_set(diag, CH_LIMIT, "approval", "promotion.count",
                        "at most %d approvals are kept for one promotion", POLICY_APPROVALS_MAX);
    }
    if (n > 0) {
        memcpy(all, st->approvals, n * sizeof *all);
    }
    all[n] = new;
    (void)policy_officers_promotion(st->in_force->payload, all, n + 1, st->subject, &author,
                                    st->at_s, &st->report);
    const char *rule = st->report.papers[n].rule;
    /* The same approval again is no news. */
    if (rule[0] == '\0' || strcmp(rule, "approval.superseded") == 0) {
        return CH_OK;
    }
    return diag_set(diag, CH_REFUSED, "approval", rule,
                    strcmp(rule, "approval.subject") == 0
                        ? "the approval is not for this bundle's place in the chain: another "
                          "bundle may have come into force since; look and sign again"
                    : strcmp(rule, "approval.self") == 0 ? "the author's own approval never counts"
                                                         : "the approval does not count");
}

static enum chancery_err approve(const struct policy_service *s, struct rpc_call *call,
                                 const approve_request *in, struct policy_standing *st)
{
    struct policy_stored stored;
    struct approval read;
    const struct db_tx_opts opts = {.retries = 0};
    if (in->approval == NULL) {
        return diag_set(rpc_diag(call), CH_INVALID, "approval", "approval.missing",
                        "an approval is missing");
    }
    const struct policy_approval new = {rpc_slice(in->approval->approval),
                                        rpc_slice(in->approval->signature)};
    TRY(load(s, call, in->bundle_sha256, false, &stored));
    TRY(policy_promote_enter(s->bundles, s->db, &stored, os_now_s(), rpc_arena(call), st,
                             rpc_diag(call)));
    TRY(policy_chain_officers(st->in_force->payload, rpc_diag(call)));
    TRY(approval_read(new.bytes, &read, rpc_diag(call)));
    TRY(judge_approval(st, new, rpc_arena(call), rpc_diag(call)));
    struct policy_stored_approval a = {
        .approval = new, .received_at_s = st->at_s, .from = rpc_caller(call)};
    memcpy(a.subject, st->subject, sizeof a.subject);
    memcpy(a.bundle, stored.sha256, sizeof a.bundle);
    struct approval_step t = {s, &a, st, &read, rpc_caller(call)};
    TRY(policy_promote_outcome(db_tx(s->db, &opts, store_approval, &t, rpc_diag(call)),
                               rpc_diag(call)));
    OS_FAILPOINT("policy.approve_stored");
    return CH_OK;
}

enum chancery_err policy_rpc_approve_bundle(struct rpc_call *call, const ProtobufCMessage *in,
                                            ProtobufCMessage *out, void *ctx)
{
    const struct policy_service *s = ctx;
    const approve_request *q = (const approve_request *)in;
    approve_response *answer = (approve_response *)out;
    struct policy_standing st = {.at_s = 0};
    enum chancery_err err = approve(s, call, q, &st);
    policy_bundle_tell(s, call, "approve", rpc_slice(q->bundle_sha256), err);
    answer->counted = st.report.counted;
    answer->needed = st.report.needed;
    answer->rejected = st.report.rule != NULL && strcmp(st.report.rule, "promotion.rejected") == 0;
    policy_promote_leave(s->bundles, &st);
    return err;
}

/* ---- promotion ---- */

struct promotion {
    const struct policy_service *s;
    struct rpc_call *call;
    struct slice name, predecessor;
    int64_t not_before_s;
    bool rollback;
    struct policy_stored_link stored;
};

static enum chancery_err store_promotion(struct db_conn *conn, void *ctx, struct diag *diag)
{
    const struct promotion *p = ctx;
    const struct policy_link *l = &p->stored.link;
    enum chancery_err err = policy_store_promote(conn, &p->stored, diag);
    if (err == CH_EXISTS || err == CH_PRECONDITION) { /* not CONFLICT: it is not to be repeated */
        return diag_set(diag, CH_EXISTS, "predecessor", "bundle.predecessor",
                        "another promotion came first: look again, approve again");
    }
    TRY(err);
    const struct daemon_field f[] = {
        DAEMON_DIGEST("bundle", slice_of(l->plan.bundle, 32)),
        DAEMON_DIGEST("predecessor", slice_of(l->plan.predecessor, 32)),
        DAEMON_NUM("sequence", l->plan.sequence),
        DAEMON_NUM("not_before", l->not_before_s),
        DAEMON_NUM("approvals", l->n_approvals),
        DAEMON_STR("caller", p->stored.by)};
    TRY(daemon_audit(p->s->daemon, p->rollback ? "bundle.rolled_back" : "bundle.promoted", f,
                     sizeof f / sizeof *f, NULL, diag));
    OS_FAILPOINT("policy.promote_logged");
    return CH_OK;
}

static enum chancery_err check_kind(const struct promotion *p, const struct policy_stored *b,
                                    struct diag *diag)
{
    if (p->rollback && !b->former) {
        return diag_set(diag, CH_PRECONDITION, "bundle_sha256", "bundle.never",
                        "this bundle was never in force: promote it");
    }
    if (!p->rollback && b->former) {
        return diag_set(diag, CH_PRECONDITION, "bundle_sha256", "bundle.former",
                        "this bundle was in force before: roll back to it");
    }
    if (!p->rollback && b->cases < 0) { /* the run was lost between two transactions */
        return diag_set(diag, CH_PRECONDITION, "bundle_sha256", "bundle.tests",
                        "the bundle's tests have not been run here; ask for TestBundle first");
    }
    if (!p->rollback && b->failed > 0) {
        return diag_set(diag, CH_PRECONDITION, "bundle_sha256", "bundle.tests",
                        "%lld of the bundle's own %lld tests fail", (long long)b->failed,
                        (long long)b->cases);
    }
    return CH_OK;
}

static enum chancery_err check_time(struct promotion *p, int64_t at_s, struct diag *diag)
{
    int64_t soonest = at_s + PROMOTE_LEAD_S;
    if (p->not_before_s != 0 && p->not_before_s < at_s) {
        return diag_set(diag, CH_INVALID, "not_before_s", "bundle.time",
                        "a promotion is not made for the past");
    }
    p->stored.link.not_before_s = p->not_before_s < soonest ? soonest : p->not_before_s;
    return CH_OK;
}

/* The same promotion again: its answer was lost, or it was asked for twice. It waits for its time
 * as the last one of the chain. */
static bool repeated(struct promotion *p, const struct policy_standing *st)
{
    struct policy_stored_link *last = NULL;
    uint8_t sha256[32];
    size_t n = 0;
    uint64_t end = policy_life_end(policy_bundles_life(p->s->bundles), sha256);
    if (end <= st->in_force->sequence || memcmp(sha256, st->stored.sha256, 32) != 0 ||
        policy_store_links(p->s->db, policy_bundles_first(p->s->bundles), end - 1,
                           rpc_arena(p->call), &last, &n, NULL) != CH_OK ||
        n != 1 || last[0].rollback != p->rollback ||
        (p->not_before_s != 0 && p->not_before_s != last[0].link.not_before_s)) {
        return false;
    }
    p->stored = last[0];
    return true;
}

static enum chancery_err decide(struct promotion *p, struct policy_standing *st)
{
    struct diag *diag = rpc_diag(p->call);
    struct policy_link *l = &p->stored.link;
    struct policy_bundle *b = NULL;
    const struct db_tx_opts opts = {.retries = 0};
    if (p->predecessor.len != 0 && !slice_eq(p->predecessor, slice_of(st->plan.predecessor, 32))) {
        return diag_set(diag, CH_CONFLICT, "predecessor_sha256", "bundle.predecessor",
                        "another bundle is in force than expected");
    }
    if (repeated(p, st)) {
        return CH_OK;
    }
    TRY(check_kind(p, &st->stored, diag));
    l->plan = st->plan;
    l->promoted_at_s = st->at_s;
    l->approvals = st->approvals;
    l->n_approvals = st->n_approvals;
    TRY(check_time(p, st->at_s, diag));
    TRY(policy_bundle_check(p->s, st->stored.files, st->stored.n_files, &b, diag));
    enum chancery_err err = policy_life_check(policy_bundles_life(p->s->bundles), l, b, NULL, diag);
    policy_bundle_free(b);
    TRY(err);
    err = db_tx(p->s->db, &opts, store_promotion, p, diag);
    OS_FAILPOINT("policy.promote_stored");
    enum chancery_err seen = policy_bundles_refresh(p->s->bundles, NULL);
    if (err == CH_UNKNOWN && seen == CH_OK && repeated(p, st)) {
        return CH_OK;
    }
    return err == CH_EXISTS ? CH_CONFLICT : policy_promote_outcome(err, diag);
}

static enum chancery_err promote(struct promotion *p)
{
    struct policy_stored stored;
    struct policy_standing st = {.at_s = 0};
    TRY(policy_bundles_refresh(p->s->bundles, rpc_diag(p->call)));
    TRY(load(p->s, p->call, (ProtobufCBinaryData){p->name.len, (uint8_t *)(uintptr_t)p->name.ptr},
             true, &stored));
    enum chancery_err err = policy_promote_enter(p->s->bundles, p->s->db, &stored, os_now_s(),
                                                 rpc_arena(p->call), &st, rpc_diag(p->call));
    if (err == CH_OK) {
        err = decide(p, &st);
    }
    policy_promote_leave(p->s->bundles, &st);
    return err;
}

static enum chancery_err run(struct promotion *p, uint64_t *out_sequence, int64_t *out_not_before_s)
{
    p->stored.rollback = p->rollback;
    p->stored.by = rpc_caller(p->call);
    enum chancery_err err = promote(p);
    policy_bundle_tell(p->s, p->call, p->rollback ? "rollback" : "promote", p->name, err);
    TRY(err);
    log_event(LOG_LEVEL_INFO, p->rollback ? "policy.rolled_back" : "policy.promoted",
              LOG_NUM("sequence", p->stored.link.plan.sequence),
              LOG_NUM("not_before", p->stored.link.not_before_s));
    *out_sequence = p->stored.link.plan.sequence;
    *out_not_before_s = p->stored.link.not_before_s;
    return CH_OK;
}

enum chancery_err policy_rpc_promote_bundle(struct rpc_call *call, const ProtobufCMessage *in,
                                            ProtobufCMessage *out, void *ctx)
{
    const Chancery__Policy__V1__PromoteBundleRequest *q =
        (const Chancery__Policy__V1__PromoteBundleRequest *)in;
    Chancery__Policy__V1__PromoteBundleResponse *a =
        (Chancery__Policy__V1__PromoteBundleResponse *)out;
    struct promotion p = {.s = ctx,
                          .call = call,
                          .name = rpc_slice(q->bundle_sha256),
                          .predecessor = rpc_slice(q->predecessor_sha256),
                          .not_before_s = q->not_before_s};
    return run(&p, &a->sequence, &a->not_before_s);
}

enum chancery_err policy_rpc_rollback_bundle(struct rpc_call *call, const ProtobufCMessage *in,
                                             ProtobufCMessage *out, void *ctx)
{
    const Chancery__Policy__V1__RollbackBundleRequest *q =
        (const Chancery__Policy__V1__RollbackBundleRequest *)in;
    Chancery__Policy__V1__RollbackBundleResponse *a =
        (Chancery__Policy__V1__RollbackBundleResponse *)out;
    struct promotion p = {.s = ctx,
                          .call = call,
                          .name = rpc_slice(q->bundle_sha256),
                          .predecessor = rpc_slice(q->predecessor_sha256),
                          .not_before_s = q->not_before_s,
                          .rollback = true};
    return run(&p, &a->sequence, &a->not_before_s);
}

/* ---- the chain, for verifiers ---- */

static enum chancery_err promotion_message(struct arena *arena, const struct policy_stored_link *l,
                                           Chancery__Policy__V1__Promotion **out)
{
    Chancery__Policy__V1__Promotion *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return CH_NOMEM;
    }
    chancery__policy__v1__promotion__init(m);
    m->plan = policy_promote_plan(arena, &l->link.plan);
    m->promoted_at_s = l->link.promoted_at_s;
    m->not_before_s = l->link.not_before_s;
    m->promoted_by = (char *)(uintptr_t)l->by; /* in the call's arena */
    m->rollback = l->rollback;
    *out = m;
    return m->plan == NULL ? CH_NOMEM
                           : policy_promote_approvals(arena, l->link.approvals, l->link.n_approvals,
                                                      &m->approvals, &m->n_approvals);
}

enum chancery_err policy_rpc_get_chain(struct rpc_call *call, const ProtobufCMessage *in_message,
                                       ProtobufCMessage *out_message, void *ctx)
{
    const struct policy_service *s = ctx;
    const Chancery__Policy__V1__GetChainRequest *in =
        (const Chancery__Policy__V1__GetChainRequest *)in_message;
    Chancery__Policy__V1__GetChainResponse *out =
        (Chancery__Policy__V1__GetChainResponse *)out_message;
    struct arena *arena = rpc_arena(call);
    struct policy_stored_link *list = NULL;
    size_t n = 0;
    if (in->after_sequence > INT64_MAX) {
        return diag_set(rpc_diag(call), CH_INVALID, "after_sequence", "bundle.sequence",
                        "a number of the chain is below 2^63");
    }
    TRY(policy_store_links(s->db, policy_bundles_first(s->bundles), in->after_sequence, arena,
                           &list, &n, rpc_diag(call)));
    out->first_sha256 = rpc_bytes(arena, slice_of(policy_bundles_first(s->bundles), 32));
    out->promotions = arena_alloc(arena, (n + 1) * sizeof *out->promotions);
    if (out->first_sha256.data == NULL || out->promotions == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(promotion_message(arena, &list[i], &out->promotions[i]));
        out->n_promotions++;
    }
    return CH_OK;
}
