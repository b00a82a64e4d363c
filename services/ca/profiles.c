/* Profiles of the policy bundle, prepared for building: extension values that are the same in every
 * certificate are encoded once. */
#include "ca.h"

#define VALUE_MAX ((size_t)16 << 10)

/* Moves what `b` holds into the arena and empties it. */
static enum chancery_err keep(struct buf *b, struct arena *arena, struct slice *out)
{
    uint8_t *copy = arena_copy(arena, buf_slice(b));
    *out = slice_of(copy, b->len);
    buf_reset(b);
    return copy == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err prepare_usage(const struct policy_template *t, struct arena *arena,
                                       struct buf *b, struct ca_profile *out)
{
    unsigned rsa = t->key_usage == 0 ? 0 : t->key_usage | t->key_usage_rsa_extra;
    if (t->key_usage != 0) {
        TRY(x509_ext_key_usage(t->key_usage, b));
        TRY(keep(b, arena, &out->key_usage));
        TRY(x509_ext_key_usage(rsa, b));
        TRY(keep(b, arena, &out->key_usage_rsa));
    }
    return CH_OK;
}

static enum chancery_err prepare_aia(const struct policy_template *t,
                                     const struct ca_issuer *issuer, struct arena *arena,
                                     struct buf *b, struct ca_profile *out)
{
    const char *ca_url = NULL;
    if (!t->aia_ocsp && !t->aia_ca) {
        return CH_OK;
    }
    if (t->aia_ca) {
        ca_url = arena_printf(arena, "%s/%s.cer", issuer->aia_url_base, issuer->issuer_id);
        if (ca_url == NULL) {
            return CH_NOMEM;
        }
    }
    TRY(x509_ext_aia(t->aia_ocsp ? issuer->ocsp_url : NULL, ca_url, b));
    return keep(b, arena, &out->aia);
}

enum chancery_err ca_profile_prepare(const struct policy_template *t,
                                     const struct ca_issuer *issuer, struct arena *arena,
                                     struct ca_profile *out)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, VALUE_MAX);
    *out = (struct ca_profile){.t = t, .issuer = issuer};
    TRY(prepare_usage(t, arena, &b, out));
    TRY(x509_ext_basic(t->is_ca, t->path_len, &b));
    TRY(keep(&b, arena, &out->basic));
    if (t->n_eku > 0) {
        TRY(x509_ext_eku(t->eku, t->n_eku, &b));
        TRY(keep(&b, arena, &out->eku));
    }
    if (t->n_policies > 0) {
        TRY(x509_ext_policies(t->policies, t->n_policies, &b));
        TRY(keep(&b, arena, &out->policies));
    }
    TRY(x509_ext_aki(issuer->cert.ski, &b));
    TRY(keep(&b, arena, &out->aki));
    return prepare_aia(t, issuer, arena, &b, out);
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
        const struct ca_issuer *issuer = ca_issuer_find(ca, slice_str(t->issuer_id));
        if (issuer == NULL) {
            return diag_set(diag, CH_INVALID, "bundle", "profile.issuer",
                            "profile %s names issuer %s, which issuers.yaml does not", t->name,
                            t->issuer_id);
        }
        TRY(ca_profile_prepare(t, issuer, &ca->arena, &ca->profiles[i]));
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
