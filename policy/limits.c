/* `limits` of a profile or tenant, compiled; and which of them apply to a request. */
#include "policy/policy_int.h"

#define NS_PER_S 1000000000LL

static enum chancery_err limit_text(struct policy_bundle *b, struct policy_limit *l, int64_t n)
{
    l->rate_text = arena_printf(&b->arena, "%lld per %lld s, burst %lld", (long long)n,
                                (long long)l->period_s, (long long)l->burst);
    l->active_text = arena_printf(&b->arena, "at most %lld", (long long)l->active);
    return l->rate_text == NULL || l->active_text == NULL ? CH_NOMEM : CH_OK;
}

/* {rate: 100/1h, burst: 20, active: 500} */
static enum chancery_err compile_limit(struct policy_bundle *b, const struct conf_node *map,
                                       const char *key, struct policy_limit *out, struct diag *diag)
{
    const struct conf_node *n = NULL;
    struct policy_limit l = {.active = 0};
    int64_t count = 0, fill = 0;
    TRY(conf_map(map, key, CONF_OPTIONAL, &n, diag));
    if (n == NULL) {
        return CH_OK;
    }
    TRY(conf_rate(n, "rate", CONF_OPTIONAL, POLICY_RATE_MAX, &count, &l.period_s, diag));
    l.burst = count;
    TRY(conf_int(n, "burst", CONF_OPTIONAL, 1, POLICY_RATE_MAX, &l.burst, diag));
    TRY(conf_int(n, "active", CONF_OPTIONAL, 1, POLICY_ACTIVE_MAX, &l.active, diag));
    if (count == 0 && (l.active == 0 || l.burst != 0)) {
        return conf_error(n, CH_INVALID, "policy.limit", diag,
                          "\"%s\" needs \"rate\" or \"active\"; \"burst\" goes with \"rate\"", key);
    }
    if (count > 0) { /* rounded up: never more than was written */
        l.interval_ns = (l.period_s * NS_PER_S + count - 1) / count;
        if (__builtin_mul_overflow(l.interval_ns, l.burst, &fill) ||
            fill > POLICY_FILL_MAX_S * NS_PER_S) {
            return conf_error(n, CH_INVALID, "policy.limit", diag,
                              "a burst of %lld at this rate takes over ten years to come back; "
                              "lower \"burst\"",
                              (long long)l.burst);
        }
    }
    TRY(limit_text(b, &l, count));
    l.source = policy_compile_source(b, n);
    if (l.source == NULL) {
        return CH_NOMEM;
    }
    *out = l;
    return CH_OK;
}

/* The place of `text` in `words`; -1 when it is none of them. */
static int word_of(const char *text, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(text, words[i]) == 0) {
            return i;
        }
    }
    return -1;
}

static enum chancery_err compile_duplicates(struct policy_bundle *b, const struct conf_node *n,
                                            struct policy_limits *out, struct diag *diag)
{
    static const char *const words[] = {"refuse", "allow"};
    const char *text = "allow";
    TRY(conf_string(n, "duplicates", CONF_OPTIONAL, &text, diag));
    int word = word_of(text, words, 2);
    if (word < 0) {
        return conf_error(conf_get(n, "duplicates"), CH_INVALID, "policy.value", diag,
                          "\"duplicates\" is allow or refuse");
    }
    out->duplicates_refused = word == 0;
    int64_t window = -1;
    TRY(conf_duration_s(n, "renewal_window", CONF_OPTIONAL, 0, 100 * 366 * 86400LL, &window, diag));
    if (window >= 0 && !out->duplicates_refused) {
        return conf_error(conf_get(n, "renewal_window"), CH_INVALID, "policy.limit", diag,
                          "\"renewal_window\" goes with \"duplicates: refuse\"");
    }
    out->renewal_window_s = window < 0 ? 0 : window;
    out->duplicate_text =
        out->renewal_window_s == 0
            ? "no active certificate of the same names"
            : arena_printf(&b->arena, "none of the same names that lives longer than %lld s",
                           (long long)out->renewal_window_s);
    return out->duplicate_text == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_key_reuse(const struct conf_node *n, struct policy_limits *out,
                                           struct diag *diag)
{
    static const char *const words[] = {"refuse", "same_requester", "allow"}; /* as the enum */
    const char *text = "allow";
    TRY(conf_string(n, "key_reuse", CONF_OPTIONAL, &text, diag));
    int word = word_of(text, words, 3);
    if (word < 0) {
        return conf_error(conf_get(n, "key_reuse"), CH_INVALID, "policy.value", diag,
                          "\"key_reuse\" is allow, same_requester or refuse");
    }
    out->key_reuse = (enum policy_key_reuse)word;
    out->key_text = word == POLICY_KEY_REFUSE ? "a new key" : "a new key, or one of this requester";
    return CH_OK;
}

enum chancery_err policy_limits_compile(struct policy_bundle *b, const struct conf_node *map,
                                        enum policy_limits_of of, struct policy_limits *out,
                                        struct diag *diag)
{
    const struct conf_node *n = NULL;
    struct policy_limits l = {.key_reuse = POLICY_KEY_ALLOW};
    TRY(conf_map(map, "limits", CONF_OPTIONAL, &n, diag));
    if (n == NULL) {
        *out = l;
        return CH_OK;
    }
    TRY(compile_limit(b, n, "requester", &l.requester, diag));
    TRY(compile_limit(b, n, of == POLICY_LIMITS_OF_PROFILE ? "profile" : "tenant", &l.whole, diag));
    if (of == POLICY_LIMITS_OF_PROFILE) {
        TRY(compile_duplicates(b, n, &l, diag));
        TRY(compile_key_reuse(n, &l, diag));
    }
    l.source = policy_compile_source(b, n);
    if (l.source == NULL) {
        return CH_NOMEM;
    }
    *out = l;
    return CH_OK;
}

/* ---- what applies ---- */

static void apply(struct policy_applied *out, enum policy_scope scope, const struct policy_limit *l)
{
    if (l->interval_ns > 0 || l->active > 0) {
        out->scopes[scope] = l;
        out->any = true;
        out->counts = out->counts || l->active > 0;
    }
}

void policy_limits_applied(const struct policy_bundle *b, const struct policy_profile *p,
                           struct slice tenant, struct policy_applied *out)
{
    const struct policy_limits *l = &p->limits;
    const struct policy_tenant *t = policy_tenant_find(b, tenant);
    *out = (struct policy_applied){.profile = l};
    if (t != NULL && t->limits.source != NULL) {
        apply(out, POLICY_SCOPE_TENANT_REQUESTER, &t->limits.requester);
        apply(out, POLICY_SCOPE_TENANT, &t->limits.whole);
    }
    if (l->source == NULL) {
        return;
    }
    apply(out, POLICY_SCOPE_REQUESTER, &l->requester);
    apply(out, POLICY_SCOPE_PROFILE, &l->whole);
    if (l->duplicates_refused || l->key_reuse != POLICY_KEY_ALLOW) {
        out->any = out->counts = true;
    }
}

bool policy_limits_used(const struct policy_bundle *b)
{
    bool used = false;
    for (size_t i = 0; i < b->n_profiles; i++) {
        used = used || b->profiles[i].limits.source != NULL;
    }
    for (size_t i = 0; i < b->who.n_tenants; i++) {
        used = used || b->who.tenants[i].limits.source != NULL;
    }
    return used;
}

/* Lengths go before texts: no two requests have the same octets. */
static void hash_part(struct crypto_hasher *h, struct slice s)
{
    uint8_t len[4] = {(uint8_t)(s.len >> 24), (uint8_t)(s.len >> 16), (uint8_t)(s.len >> 8),
                      (uint8_t)s.len};
    crypto_hasher_update(h, slice_of(len, sizeof len));
    crypto_hasher_update(h, s);
}

enum chancery_err policy_limits_names(const struct permit_request *r, uint8_t out[32])
{
    struct crypto_hasher *h = crypto_hasher_new(CRYPTO_HASH_SHA256);
    if (h == NULL) {
        return CH_NOMEM;
    }
    hash_part(h, r->tenant);
    hash_part(h, r->profile);
    hash_part(h, r->requester);
    hash_part(h, r->subject_der);
    for (size_t i = 0; i < r->n_sans; i++) {
        hash_part(h, slice_of(&r->sans[i].type, 1));
        hash_part(h, r->sans[i].value);
    }
    crypto_hasher_final(h, out);
    crypto_hasher_free(h);
    return CH_OK;
}
