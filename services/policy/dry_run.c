/* Building for a dry run. */
#include "dry_run.h"

#include "os/os.h"
#include "tbs/tbs.h"

static enum chancery_err choose(const struct policy_decider *d, const struct policy_template *t,
                                const uint8_t digest[32], const struct crypto_public *key,
                                int64_t now_s, const struct policy_issuer **out, struct diag *diag)
{
    const struct policy_issuer *members[POLICY_POOL_ISSUERS];
    size_t place = 0;
    for (size_t i = 0; i < t->n_issuers; i++) {
        members[i] = policy_issuers_find(d->issuers, t->issuers[i]);
        if (members[i] == NULL) {
            return diag_set(diag, CH_NOT_FOUND, "issuer_id", "issuer.known",
                            "there is no issuer %s", t->issuers[i]);
        }
    }
    const struct tbs_choice c = {t, members, crypto_public_type(key), digest, now_s};
    TRY(tbs_issuer_choose(&c, &place, diag));
    *out = members[place];
    return CH_OK;
}

static void new_serial(uint8_t out[TBS_SERIAL])
{
    do {
        os_random(out, TBS_SERIAL);
        out[0] &= 0x7f;
    } while (out[0] == 0);
}

enum chancery_err policy_dry_run(const struct policy_decider *d, const struct permit_request *r,
                                 const uint8_t digest[32], struct slice spki, int64_t now_s,
                                 struct arena *arena, const struct policy_issuer **out_issuer,
                                 struct slice *out, struct diag *diag)
{
    const struct policy_profile *profile = policy_profile_find(d->bundle, r->profile);
    struct crypto_public *key = NULL;
    struct tbs_profile prepared;
    struct tbs_built built;
    uint8_t serial[TBS_SERIAL];
    if (profile == NULL) {
        return diag_set(diag, CH_NOT_FOUND, "request.profile", "profile.known",
                        "the bundle has no such profile");
    }
    const struct policy_template *t = policy_profile_template(profile);
    TRY(crypto_public_from_spki(spki, &key, diag));
    enum chancery_err err = choose(d, t, digest, key, now_s, out_issuer, diag);
    if (err == CH_OK) {
        err = tbs_profile_prepare(t, *out_issuer, arena, &prepared);
    }
    if (err == CH_OK) {
        new_serial(serial);
        const struct tbs_input in = {&prepared, r, key, slice_of(serial, sizeof serial), now_s};
        err = tbs_build(&in, arena, &built, diag);
    }
    crypto_public_free(key);
    if (err == CH_OK) {
        *out = built.tbs;
    }
    return err;
}
