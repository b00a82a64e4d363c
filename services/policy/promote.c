/* Standing of a bundle: place, approvals, state; and its messages. */
#include "promote.h"

#include "rpc/rpc.h"

enum chancery_err policy_promote_enter(struct policy_bundles *b, struct db_pool *db,
                                       const struct policy_stored *stored, int64_t now_s,
                                       struct arena *arena, struct policy_standing *out,
                                       struct diag *diag)
{
    struct policy_approval *list = NULL;
    *out = (struct policy_standing){.stored = *stored};
    policy_life_next(policy_bundles_life(b), stored->sha256, slice_str(stored->author), now_s,
                     &out->plan, &out->at_s);
    TRY(policy_plan_digest(&out->plan, out->subject, diag));
    TRY(policy_store_approvals(db, out->subject, arena, &list, &out->n_approvals, diag));
    out->approvals = list;
    TRY(policy_bundles_take(b, slice_of(NULL, 0), out->at_s, &out->in_force, diag));
    const struct policy_author author = {.identity = out->plan.author};
    (void)policy_officers_promotion(out->in_force->payload, out->approvals, out->n_approvals,
                                    out->subject, &author, out->at_s, &out->report);
    return CH_OK;
}

void policy_promote_leave(struct policy_bundles *b, struct policy_standing *s)
{
    if (s->in_force != NULL) {
        policy_bundles_drop(b, s->in_force);
        s->in_force = NULL;
    }
}

Chancery__Policy__V1__BundleState policy_promote_state(struct policy_bundles *b,
                                                       const struct policy_standing *s)
{
    uint8_t last[32];
    uint64_t end = policy_life_end(policy_bundles_life(b), last);
    if (memcmp(s->stored.sha256, s->in_force->sha256, 32) == 0) {
        return CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_IN_FORCE;
    }
    if (end > s->in_force->sequence && memcmp(s->stored.sha256, last, 32) == 0) {
        return CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_SCHEDULED;
    }
    if (s->report.rule[0] == '\0') {
        return CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_APPROVED;
    }
    if (s->stored.former) {
        return CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_FORMER;
    }
    if (s->stored.failed > 0) {
        return CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_FAILED;
    }
    return s->stored.cases > 0 ? CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_TESTED
                               : CHANCERY__POLICY__V1__BUNDLE_STATE__BUNDLE_STATE_CHECKED;
}

Chancery__Policy__V1__Bundle *policy_promote_bundle(struct arena *arena,
                                                    const struct policy_stored *b,
                                                    Chancery__Policy__V1__BundleState state)
{
    Chancery__Policy__V1__Bundle *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    chancery__policy__v1__bundle__init(m);
    m->bundle_sha256 = rpc_bytes(arena, slice_of(b->sha256, 32));
    m->author = arena_str(arena, slice_str(b->author));
    m->submitted_at_s = b->submitted_at_s;
    m->state = state;
    m->tests = b->cases > 0 ? (uint32_t)b->cases : 0;
    m->tests_failed = (uint32_t)b->failed;
    return m->bundle_sha256.data == NULL || m->author == NULL ? NULL : m;
}

Chancery__Policy__V1__Plan *policy_promote_plan(struct arena *arena, const struct policy_plan *p)
{
    Chancery__Policy__V1__Plan *m = arena_alloc(arena, sizeof *m);
    if (m == NULL) {
        return NULL;
    }
    chancery__policy__v1__plan__init(m);
    m->first_sha256 = rpc_bytes(arena, slice_of(p->first, 32));
    m->sequence = p->sequence;
    m->predecessor_sha256 = rpc_bytes(arena, slice_of(p->predecessor, 32));
    m->bundle_sha256 = rpc_bytes(arena, slice_of(p->bundle, 32));
    m->author = arena_str(arena, p->author);
    return m->first_sha256.data == NULL || m->predecessor_sha256.data == NULL ||
                   m->bundle_sha256.data == NULL || m->author == NULL
               ? NULL
               : m;
}

enum chancery_err policy_promote_approvals(struct arena *arena, const struct policy_approval *list,
                                           size_t n, Chancery__Common__V1__Approval ***out,
                                           size_t *out_n)
{
    Chancery__Common__V1__Approval **rows = arena_alloc(arena, (n + 1) * sizeof *rows);
    Chancery__Common__V1__Approval *m = arena_alloc(arena, (n + 1) * sizeof *m);
    if (rows == NULL || m == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        chancery__common__v1__approval__init(&m[i]);
        m[i].approval = rpc_bytes(arena, list[i].bytes);
        m[i].signature = rpc_bytes(arena, list[i].signature);
        rows[i] = &m[i];
        if (m[i].approval.data == NULL || m[i].signature.data == NULL) {
            return CH_NOMEM;
        }
    }
    *out = rows;
    *out_n = n;
    return CH_OK;
}

enum chancery_err policy_promote_outcome(enum chancery_err err, struct diag *diag)
{
    return err == CH_UNKNOWN
               ? diag_set(diag, CH_UNKNOWN, "bundle", "bundle.outcome",
                          "the database was lost in the last moment: look whether it was done")
               : err;
}
