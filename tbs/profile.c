/* Extension values that are the same in every certificate of a profile, encoded once. */
#include "tbs/tbs.h"

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
                                       struct buf *b, struct tbs_profile *out)
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
                                     const struct policy_issuer *issuer, struct arena *arena,
                                     struct buf *b, struct tbs_profile *out)
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

enum chancery_err tbs_profile_prepare(const struct policy_template *t,
                                      const struct policy_issuer *issuer, struct arena *arena,
                                      struct tbs_profile *out)
{
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, VALUE_MAX);
    *out = (struct tbs_profile){.t = t, .issuer = issuer};
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
    TRY(x509_ext_aki(issuer->ski, &b));
    TRY(keep(&b, arena, &out->aki));
    return prepare_aia(t, issuer, arena, &b, out);
}
