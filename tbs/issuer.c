/* Which issuer of a profile's pool signs. */
#include "tbs/tbs.h"

static bool of_rsa(enum crypto_key_type t)
{
    switch (t) {
    case CRYPTO_KEY_RSA_2048:
    case CRYPTO_KEY_RSA_3072:
    case CRYPTO_KEY_RSA_4096:
    case CRYPTO_KEY_RSA_OTHER:
        return true;
    case CRYPTO_KEY_NONE:
    case CRYPTO_KEY_P256:
    case CRYPTO_KEY_P384:
    case CRYPTO_KEY_P521:
    case CRYPTO_KEY_ED25519:
        return false;
    }
    return false;
}

/* The places of members that fit, in `at`; their number. */
static size_t candidates(const struct tbs_choice *c, bool alive, size_t at[POLICY_POOL_ISSUERS])
{
    size_t n = 0;
    for (size_t i = 0; i < c->t->n_issuers && i < POLICY_POOL_ISSUERS; i++) {
        const struct policy_issuer *m = c->members[i];
        bool key =
            c->t->choose != POLICY_CHOOSE_KEY_TYPE || of_rsa(m->key_type) == of_rsa(c->subject);
        if (key && (!alive || m->not_after_s > c->now_s)) {
            at[n++] = i;
        }
    }
    return n;
}

enum chancery_err tbs_issuer_choose(const struct tbs_choice *c, size_t *out, struct diag *diag)
{
    size_t at[POLICY_POOL_ISSUERS];
    size_t n = candidates(c, true, at);
    if (n == 0) {
        n = candidates(c, false, at); /* all have ended: the judge says so */
    }
    if (n == 0) {
        return diag_set(diag, CH_REFUSED, "request.spki_sha256", "issuer.key_type",
                        "no issuer of profile %s has a key of the same kind as the request's",
                        c->t->name);
    }
    uint64_t v = 0;
    for (size_t i = 0; i < 8; i++) {
        v = v << 8 | c->request_digest[i];
    }
    *out = at[v % n];
    return CH_OK;
}
