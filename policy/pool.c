/* `issuer` and `issuers` of a profile: who may sign, and by what the signer is chosen. */
#include "policy/policy_int.h"

/* One issuer's id in the bundle's arena. */
static enum chancery_err copy_id(struct policy_bundle *b, const struct conf_node *at,
                                 const char **out, struct diag *diag)
{
    const char *text = NULL;
    TRY(conf_scalar(at, &text, diag));
    if (!policy_compile_name_ok(slice_str(text))) {
        return conf_error(at, CH_INVALID, "policy.name", diag,
                          "an issuer's id has 1 to 64 of a-z 0-9 - .");
    }
    *out = arena_str(&b->arena, slice_str(text));
    return *out == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_list(struct policy_bundle *b, const struct conf_node *list,
                                      struct policy_template *t, struct diag *diag)
{
    size_t n = conf_count(list);
    if (n == 0 || n > POLICY_POOL_ISSUERS) {
        return conf_error(list, CH_LIMIT, "policy.list", diag,
                          "\"any_of\" must have 1 to %d entries", POLICY_POOL_ISSUERS);
    }
    const char **ids = arena_alloc(&b->arena, n * sizeof *ids);
    if (ids == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(copy_id(b, conf_at(list, i), &ids[i], diag));
        for (size_t k = 0; k < i; k++) {
            if (strcmp(ids[k], ids[i]) == 0) {
                return conf_error(conf_at(list, i), CH_INVALID, "policy.duplicate", diag,
                                  "\"%s\" stands twice", ids[i]);
            }
        }
    }
    t->issuers = ids;
    t->n_issuers = n;
    return CH_OK;
}

static enum chancery_err compile_choose(const struct conf_node *pool, struct policy_template *t,
                                        struct diag *diag)
{
    const char *choose = "spread";
    TRY(conf_string(pool, "choose", CONF_OPTIONAL, &choose, diag));
    if (strcmp(choose, "spread") == 0) {
        t->choose = POLICY_CHOOSE_SPREAD;
    } else if (strcmp(choose, "key_type") == 0) {
        t->choose = POLICY_CHOOSE_KEY_TYPE;
    } else {
        return conf_error(conf_get(pool, "choose"), CH_INVALID, "policy.value", diag,
                          "\"choose\" is spread or key_type");
    }
    return CH_OK;
}

/* The pool's members as one text. */
static enum chancery_err join(struct policy_bundle *b, const struct policy_template *t,
                              const char **out)
{
    const char *text = t->issuers[0];
    for (size_t i = 1; i < t->n_issuers && text != NULL; i++) {
        text = arena_printf(&b->arena, "%s, %s", text, t->issuers[i]);
    }
    *out = text;
    return text == NULL ? CH_NOMEM : CH_OK;
}

enum chancery_err policy_pool_compile(struct policy_bundle *b, const struct conf_node *root,
                                      struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *one = conf_get(root, "issuer"), *pool = NULL, *list = NULL;
    struct policy_template *t = &p->t;
    TRY(conf_map(root, "issuers", CONF_OPTIONAL, &pool, diag));
    if (one != NULL && pool != NULL) {
        return conf_error(pool, CH_INVALID, "policy.issuers", diag,
                          "a profile has either \"issuer\" or \"issuers\"");
    }
    if (pool == NULL) {
        const char *id = NULL;
        const char **ids = arena_alloc(&b->arena, sizeof *ids);
        TRY(conf_string(root, "issuer", CONF_REQUIRED, &id, diag));
        TRY(ids == NULL ? CH_NOMEM : copy_id(b, one, ids, diag));
        t->issuers = ids;
        t->n_issuers = 1;
        t->choose = POLICY_CHOOSE_ONE;
        p->pool.source = p->pool.choose_source = policy_compile_source(b, one);
    } else {
        TRY(conf_list(pool, "any_of", CONF_REQUIRED, &list, diag));
        TRY(compile_list(b, list, t, diag));
        TRY(compile_choose(pool, t, diag));
        p->pool.source = policy_compile_source(b, list);
        p->pool.choose_source = policy_compile_source_key(b, pool, "choose");
    }
    TRY(p->pool.source == NULL || p->pool.choose_source == NULL ? CH_NOMEM : CH_OK);
    return join(b, t, &p->pool.text);
}

/* ---- rules ---- */

void policy_rules_pool_member(struct policy_judge *j)
{
    const struct policy_template *t = &j->p->t;
    const char *id = j->f->issuer->issuer_id;
    bool member = false;
    for (size_t i = 0; i < t->n_issuers; i++) {
        member = member || strcmp(id, t->issuers[i]) == 0;
    }
    policy_say(j, "issuer.profile", policy_outcome_of(member), "issuer", j->p->pool.source,
               slice_str(id), j->p->pool.text);
}

/* Which kind of arithmetic a verifier needs: RSA, or elliptic curves (Edwards curves too). */
static bool of_rsa(enum crypto_key_type t)
{
    return t == CRYPTO_KEY_RSA_2048 || t == CRYPTO_KEY_RSA_3072 || t == CRYPTO_KEY_RSA_4096 ||
           t == CRYPTO_KEY_RSA_OTHER;
}

void policy_rules_pool_key(struct policy_judge *j)
{
    static const char rule[] = "issuer.key_type", field[] = "tbs.subjectPublicKeyInfo";
    if (!j->has_tbs || j->p->t.choose != POLICY_CHOOSE_KEY_TYPE) {
        policy_say_na(j, rule, field, j->p->pool.choose_source);
        return;
    }
    enum crypto_key_type subject = j->key.type, issuer = j->f->issuer->key_type;
    bool fits = subject != CRYPTO_KEY_NONE && issuer != CRYPTO_KEY_NONE &&
                of_rsa(subject) == of_rsa(issuer);
    policy_say(j, rule, policy_outcome_of(fits), field, j->p->pool.choose_source,
               slice_str(crypto_key_type_name(subject)),
               of_rsa(issuer) ? "an RSA key, as the issuer's"
                              : "an elliptic curve key, as the issuer's");
}
