/* Profiles of the policy bundle, prepared for building. */
#include "ca.h"

/* A profile under each of its issuers. */
static enum chancery_err prepare(struct ca *ca, const struct policy_template *t,
                                 struct ca_profile *out, struct diag *diag)
{
    *out = (struct ca_profile){.t = t};
    out->members = arena_alloc(&ca->arena, t->n_issuers * sizeof *out->members);
    out->facts = arena_alloc(&ca->arena, t->n_issuers * sizeof *out->facts);
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
        TRY(tbs_profile_prepare(t, &issuer->facts, &ca->arena, &out->members[i].tbs));
    }
    return CH_OK;
}

enum chancery_err ca_profiles_load(struct ca *ca, const char *dir, const uint8_t bundle_sha256[32],
                                   struct diag *diag)
{
    TRY(policy_bundle_load(dir, &ca->bundle, diag));
    if (memcmp(policy_bundle_hash(ca->bundle), bundle_sha256, 32) != 0) {
        return diag_set(diag, CH_INTEGRITY, "bundle", "bundle.pin",
                        "the bundle in %s is not the one that trust.json names", dir);
    }
    ca->n_profiles = policy_profile_count(ca->bundle);
    ca->profiles = arena_alloc(&ca->arena, ca->n_profiles * sizeof *ca->profiles);
    if (ca->profiles == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < ca->n_profiles; i++) {
        const struct policy_template *t = policy_profile_template(policy_profile_at(ca->bundle, i));
        TRY(prepare(ca, t, &ca->profiles[i], diag));
    }
    return CH_OK;
}

const struct ca_profile *ca_profile_find(const struct ca *ca, struct slice name)
{
    for (size_t i = 0; i < ca->n_profiles; i++) {
        if (slice_eq(slice_str(ca->profiles[i].t->name), name)) {
            return &ca->profiles[i];
        }
    }
    return NULL;
}
