/* Building and judging one request under a bundle. */
#include "trial/judge.h"

#include <stdlib.h>

#define MEMORY ((size_t)64 << 20) /* a thousand profiles with their extension values */

struct prepared {
    const struct policy_template *t;
    bool usable; /* every issuer is known */
    const struct policy_issuer *issuers[POLICY_POOL_ISSUERS];
    struct tbs_profile *tbs; /* one for each issuer */
};

struct trial_bundle {
    const struct policy_bundle *bundle;
    struct arena arena;
    struct prepared *profiles; /* in the order of the bundle */
};

const struct policy_issuer *trial_issuer(const struct trial_world *w, struct slice issuer_id)
{
    for (size_t i = 0; i < w->n_issuers; i++) {
        if (slice_eq(slice_str(w->issuers[i].issuer_id), issuer_id)) {
            return &w->issuers[i];
        }
    }
    return NULL;
}

static enum chancery_err prepare_one(struct trial_bundle *t, const struct trial_world *w,
                                     struct prepared *out)
{
    out->tbs = arena_alloc(&t->arena, out->t->n_issuers * sizeof *out->tbs);
    if (out->tbs == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < out->t->n_issuers; i++) {
        out->issuers[i] = trial_issuer(w, slice_str(out->t->issuers[i]));
        if (out->issuers[i] == NULL) {
            return CH_OK;
        }
        TRY(tbs_profile_prepare(out->t, out->issuers[i], &t->arena, &out->tbs[i]));
    }
    out->usable = true;
    return CH_OK;
}

static enum chancery_err prepare(struct trial_bundle *t, const struct trial_world *w)
{
    size_t n = policy_profile_count(t->bundle);
    t->profiles = arena_alloc(&t->arena, n * sizeof *t->profiles);
    if (t->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        t->profiles[i].t = policy_profile_template(policy_profile_at(t->bundle, i));
        TRY(prepare_one(t, w, &t->profiles[i]));
    }
    return CH_OK;
}

enum chancery_err trial_bundle_new(const struct policy_bundle *b, const struct trial_world *w,
                                   struct trial_bundle **out)
{
    struct trial_bundle *t = calloc(1, sizeof *t);
    if (t == NULL) {
        return CH_NOMEM;
    }
    t->bundle = b;
    arena_init(&t->arena, MEMORY);
    enum chancery_err err = prepare(t, w);
    if (err != CH_OK) {
        trial_bundle_free(t);
        return err;
    }
    *out = t;
    return CH_OK;
}

void trial_bundle_free(struct trial_bundle *t)
{
    if (t != NULL) {
        arena_clear(&t->arena);
        free(t);
    }
}

const struct policy_bundle *trial_bundle_of(const struct trial_bundle *t)
{
    return t->bundle;
}

static const struct prepared *find(const struct trial_bundle *t, struct slice name)
{
    size_t low = 0, high = policy_profile_count(t->bundle);
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        const struct policy_template *p =
            policy_profile_template(policy_profile_at(t->bundle, mid));
        int c = slice_cmp(name, slice_str(p->name));
        if (c == 0) {
            return &t->profiles[mid];
        }
        low = c > 0 ? mid + 1 : low;
        high = c < 0 ? mid : high;
    }
    return NULL;
}

enum chancery_err trial_build(const struct trial_bundle *t, const struct trial_request *r,
                              struct arena *arena, struct trial_result *out)
{
    struct tbs_built built;
    size_t member = 0;
    const struct prepared *p = find(t, r->request->profile);
    *out = (struct trial_result){.build = {.field = ""}};
    if (p == NULL || !p->usable) {
        return CH_OK;
    }
    const struct tbs_choice choice = {p->t, p->issuers,
                                      r->key == NULL ? CRYPTO_KEY_NONE : crypto_public_type(r->key),
                                      r->digest, r->built_at_s};
    out->build_err = tbs_issuer_choose(&choice, &member, &out->build);
    if (out->build_err != CH_OK) {
        return CH_OK;
    }
    out->issuer = p->issuers[member];
    if (r->key == NULL) {
        return CH_OK;
    }
    const struct tbs_input in = {&p->tbs[member], r->request, r->key, r->serial, r->built_at_s};
    out->build_err = tbs_build(&in, arena, &built, &out->build);
    if (out->build_err == CH_OK) {
        out->tbs = built.tbs;
    }
    return out->build_err == CH_NOMEM ? CH_NOMEM : CH_OK;
}

void trial_judge(const struct trial_bundle *t, const struct trial_world *w,
                 const struct trial_request *r, const struct policy_issuer *issuer,
                 struct slice tbs, struct policy_verdict *out)
{
    const struct policy_facts facts = {.request = r->request,
                                       .approvals = r->approvals,
                                       .n_approvals = r->n_approvals,
                                       .usage = r->usage,
                                       .tbs = tbs,
                                       .issuer = issuer,
                                       .now_s = r->judged_at_s,
                                       .own_keys = w->own_keys,
                                       .n_own_keys = w->n_own_keys};
    policy_judge_certificate(t->bundle, &facts, out);
}
