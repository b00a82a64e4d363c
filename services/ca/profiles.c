/* Profiles of the policy bundle, prepared for building. */
#include <stdlib.h>

#include "ca.h"

/* A profile under each of its issuers. */
static enum chancery_err prepare(struct ca *ca, struct ca_bundle *b,
                                 const struct policy_template *t, struct ca_profile *out,
                                 struct diag *diag)
{
    *out = (struct ca_profile){.t = t};
    out->members = arena_alloc(&b->arena, t->n_issuers * sizeof *out->members);
    out->facts = arena_alloc(&b->arena, t->n_issuers * sizeof *out->facts);
    if (out->members == NULL || out->facts == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < t->n_issuers; i++) {
        const struct ca_issuer *issuer = ca_issuer_find(ca, slice_str(t->issuers[i]));
        if (issuer == NULL) {
            return diag_set(diag, CH_INVALID, "bundle", "profile.issuer",
                            "profile %s names issuer %s, which issuers.yaml does not", t->name,
                            t->issuers[i]);
        }
        out->members[i].issuer = issuer;
        out->facts[i] = &issuer->facts;
        TRY(tbs_profile_prepare(t, &issuer->facts, &b->arena, &out->members[i].tbs));
    }
    return CH_OK;
}

static enum chancery_err prepare_all(struct ca *ca, struct ca_bundle *b, struct diag *diag)
{
    b->n_profiles = policy_profile_count(b->bundle);
    b->profiles = arena_alloc(&b->arena, b->n_profiles * sizeof *b->profiles);
    if (b->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < b->n_profiles; i++) {
        const struct policy_template *t = policy_profile_template(policy_profile_at(b->bundle, i));
        TRY(prepare(ca, b, t, &b->profiles[i], diag));
    }
    return CH_OK;
}

enum chancery_err ca_bundle_prepare(struct ca *ca, struct policy_bundle *take_bundle,
                                    struct ca_bundle **out, struct diag *diag)
{
    struct ca_bundle *b = calloc(1, sizeof *b);
    if (b == NULL) {
        policy_bundle_free(take_bundle);
        return CH_NOMEM;
    }
    b->bundle = take_bundle;
    arena_init(&b->arena, 0);
    enum chancery_err err = prepare_all(ca, b, diag);
    if (err != CH_OK) {
        ca_bundle_free(b);
        return err;
    }
    *out = b;
    return CH_OK;
}

void ca_bundle_free(struct ca_bundle *b)
{
    if (b != NULL) {
        arena_clear(&b->arena);
        policy_bundle_free(b->bundle);
        free(b);
    }
}

const struct ca_profile *ca_profile_find(const struct ca_bundle *b, struct slice name)
{
    for (size_t i = 0; i < b->n_profiles; i++) {
        if (slice_eq(slice_str(b->profiles[i].t->name), name)) {
            return &b->profiles[i];
        }
    }
    return NULL;
}
