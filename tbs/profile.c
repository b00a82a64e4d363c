/* Extension values that are the same in every certificate of a profile, encoded once. */
#include "tbs/tbs_int.h"

#define VALUE_MAX ((size_t)32 << 10) /* 32 policies with URIs; name constraints of 16 KiB */

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

static enum chancery_err prepare_policies(const struct policy_template *t, struct arena *arena,
                                          struct buf *b, struct tbs_profile *out)
{
    if (t->n_policies == 0) {
        return CH_OK;
    }
    struct x509_policy *list = arena_alloc(arena, t->n_policies * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < t->n_policies; i++) {
        list[i] = (struct x509_policy){t->policies[i].oid, t->policies[i].cps};
    }
    TRY(x509_ext_policies(list, t->n_policies, b));
    return keep(b, arena, &out->policies);
}

/* ---- name constraints ---- */

static enum chancery_err directory(const struct policy_subtree *s, struct arena *arena,
                                   struct slice *out)
{
    struct buf name CLEANUP(buf_clear);
    struct x509_rdn *rdns = arena_alloc(arena, s->n_rdns * sizeof *rdns);
    buf_init(&name, VALUE_MAX);
    if (rdns == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < s->n_rdns; i++) {
        rdns[i] = (struct x509_rdn){s->rdns[i].oid, s->rdns[i].value};
    }
    TRY(x509_name_write(rdns, s->n_rdns, &name, NULL));
    return keep(&name, arena, out);
}

static enum chancery_err subtrees(const struct policy_subtrees *t, struct arena *arena,
                                  struct x509_subtree **out)
{
    struct x509_subtree *list = arena_alloc(arena, t->n * sizeof *list);
    if (list == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < t->n; i++) {
        list[i] = (struct x509_subtree){t->at[i].tag, t->at[i].value};
        if (t->at[i].n_rdns > 0) {
            TRY(directory(&t->at[i], arena, &list[i].value));
        }
    }
    *out = list;
    return CH_OK;
}

static enum chancery_err prepare_constraints(const struct policy_template *t, struct arena *arena,
                                             struct buf *b, struct tbs_profile *out)
{
    struct x509_subtree *permitted, *excluded;
    if (t->ext.permitted.n + t->ext.excluded.n == 0) {
        return CH_OK;
    }
    TRY(subtrees(&t->ext.permitted, arena, &permitted));
    TRY(subtrees(&t->ext.excluded, arena, &excluded));
    TRY(x509_ext_constraints(permitted, t->ext.permitted.n, excluded, t->ext.excluded.n, b));
    return keep(b, arena, &out->constraints);
}

/* ---- custom extensions ---- */

static enum chancery_err prepare_custom(const struct policy_template *t, struct arena *arena,
                                        struct buf *b, struct tbs_profile *out)
{
    struct slice *values = arena_alloc(arena, t->ext.n_custom * sizeof *values);
    if (values == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < t->ext.n_custom; i++) {
        values[i] = slice_of(NULL, 0);
        if (!t->ext.custom[i].from_request) {
            TRY(tbs_value_write(&t->ext.custom[i].value, b));
            TRY(keep(b, arena, &values[i]));
        }
    }
    out->custom = values;
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
    TRY(keep(b, arena, &out->aia));
    if (ca_url != NULL) {
        TRY(x509_ext_aia(NULL, ca_url, b));
        TRY(keep(b, arena, &out->aia_no_ocsp));
    }
    return CH_OK;
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
    TRY(prepare_policies(t, arena, &b, out));
    TRY(prepare_constraints(t, arena, &b, out));
    TRY(prepare_custom(t, arena, &b, out));
    if (t->ext.n_tls_features > 0) {
        TRY(x509_ext_features(t->ext.tls_features, t->ext.n_tls_features, &b));
        TRY(keep(&b, arena, &out->features));
    }
    TRY(x509_ext_aki(issuer->ski, &b));
    TRY(keep(&b, arena, &out->aki));
    return prepare_aia(t, issuer, arena, &b, out);
}
