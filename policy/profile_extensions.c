/* `extensions` of a profile: what is written, and the exact values that the judge then demands. */
#include "policy/policy_int.h"

static const char *const usages[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                     "dataEncipherment", "keyAgreement",   "keyCertSign",
                                     "cRLSign",          "encipherOnly",   "decipherOnly"};

struct purpose {
    const char *name;
    const char *oid;
};
static const struct purpose purposes[] = {
    {"serverAuth", "1.3.6.1.5.5.7.3.1"},       {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"},      {"emailProtection", "1.3.6.1.5.5.7.3.4"},
    {"timeStamping", "1.3.6.1.5.5.7.3.8"},     {"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
    {"documentSigning", "1.3.6.1.5.5.7.3.36"}, {"ipsecIKE", "1.3.6.1.5.5.7.3.17"},
};

static enum chancery_err compile_usage(const struct conf_node *ext, const char *key, unsigned *out,
                                       struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(ext, key, CONF_OPTIONAL, &list, diag));
    for (size_t i = 0; i < conf_count(list); i++) {
        const char *text;
        unsigned bit = 0;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        while (bit < 9 && strcmp(usages[bit], text) != 0) {
            bit++;
        }
        if (bit == 9) {
            return conf_error(conf_at(list, i), CH_INVALID, "policy.value", diag,
                              "\"%.40s\" is no key usage (RFC 5280 4.2.1.3)", text);
        }
        *out |= 1U << bit;
    }
    return CH_OK;
}

static const char *purpose_oid(const char *name)
{
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        if (strcmp(purposes[i].name, name) == 0) {
            return purposes[i].oid;
        }
    }
    return name;
}

static enum chancery_err compile_oids(struct policy_bundle *b, const struct conf_node *ext,
                                      const char *key, const struct slice **out, size_t *out_n,
                                      struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(ext, key, CONF_OPTIONAL, &list, diag));
    size_t n = conf_count(list);
    struct slice *oids = arena_alloc(&b->arena, n * sizeof *oids);
    if (n > POLICY_EXTRA_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "at most %d entries",
                          POLICY_EXTRA_MAX);
    }
    if (oids == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        const char *text;
        TRY(conf_scalar(conf_at(list, i), &text, diag));
        TRY(policy_compile_oid(b, conf_at(list, i), purpose_oid(text), &oids[i], diag));
        for (size_t j = 0; j < i; j++) {
            if (slice_eq(oids[i], oids[j])) {
                return conf_error(conf_at(list, i), CH_INVALID, "policy.duplicate", diag,
                                  "\"%.64s\" stands twice", text);
            }
        }
    }
    *out = oids;
    *out_n = n;
    return CH_OK;
}

static enum chancery_err compile_ca(const struct conf_node *ext, struct policy_template *t,
                                    struct diag *diag)
{
    const struct conf_node *ca = NULL;
    int64_t path = -1;
    TRY(conf_map(ext, "ca", CONF_OPTIONAL, &ca, diag));
    if (ca != NULL) {
        TRY(conf_int(ca, "path_length", CONF_REQUIRED, 0, 10, &path, diag));
        t->is_ca = true;
        t->path_len = (int)path;
    }
    unsigned usage = t->key_usage | t->key_usage_rsa_extra;
    if (t->key_usage == 0 && usage != 0) {
        return conf_error(ext, CH_INVALID, "policy.value", diag,
                          "\"key_usage_rsa\" adds to \"key_usage\", which is missing");
    }
    bool signs = (usage & (1U << 5)) != 0; /* keyCertSign, RFC 5280 4.2.1.3 and 4.2.1.9 */
    if (signs != t->is_ca) {
        return conf_error(ext, CH_INVALID, "policy.ca", diag,
                          "\"ca\" and key usage keyCertSign go together");
    }
    return CH_OK;
}

static enum chancery_err keep(struct policy_bundle *b, const struct policy_want *w,
                              struct slice *out)
{
    struct slice s = policy_want_done(w);
    uint8_t *copy = arena_copy(&b->arena, s);
    if (copy == NULL || s.len == 0) {
        return copy == NULL ? CH_NOMEM : CH_LIMIT;
    }
    *out = slice_of(copy, s.len);
    return CH_OK;
}

static enum chancery_err compile_values(struct policy_bundle *b, struct policy_profile *p)
{
    uint8_t space[4096]; /* 32 OIDs of 64 octets */
    const struct policy_template *t = &p->t;
    struct policy_want w = policy_want_over(space, sizeof space);
    policy_want_basic(&w, t->is_ca, t->path_len);
    TRY(keep(b, &w, &p->basic));
    if (t->key_usage != 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_key_usage(&w, t->key_usage);
        TRY(keep(b, &w, &p->key_usage));
    }
    if (t->key_usage != 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_key_usage(&w, t->key_usage | t->key_usage_rsa_extra);
        TRY(keep(b, &w, &p->key_usage_rsa));
    }
    if (t->n_eku > 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_oids(&w, t->eku, t->n_eku, false);
        TRY(keep(b, &w, &p->eku));
    }
    if (t->n_policies > 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_oids(&w, t->policies, t->n_policies, true);
        TRY(keep(b, &w, &p->policies));
    }
    return CH_OK;
}

enum chancery_err policy_extensions_compile(struct policy_bundle *b, const struct conf_node *root,
                                            struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *ext = NULL;
    struct policy_template *t = &p->t;
    t->cdp = t->aia_ocsp = t->aia_ca = true;
    TRY(conf_map(root, "extensions", CONF_REQUIRED, &ext, diag));
    p->extensions_source = policy_compile_source(b, ext);
    if (p->extensions_source == NULL) {
        return CH_NOMEM;
    }
    TRY(compile_usage(ext, "key_usage", &t->key_usage, diag));
    TRY(compile_usage(ext, "key_usage_rsa", &t->key_usage_rsa_extra, diag));
    TRY(compile_oids(b, ext, "extended_key_usage", &t->eku, &t->n_eku, diag));
    TRY(compile_oids(b, ext, "policies", &t->policies, &t->n_policies, diag));
    TRY(compile_ca(ext, t, diag));
    TRY(conf_bool(ext, "ocsp_nocheck", CONF_OPTIONAL, &t->ocsp_nocheck, diag));
    TRY(conf_bool(ext, "crl_url", CONF_OPTIONAL, &t->cdp, diag));
    TRY(conf_bool(ext, "ocsp_url", CONF_OPTIONAL, &t->aia_ocsp, diag));
    TRY(conf_bool(ext, "issuer_url", CONF_OPTIONAL, &t->aia_ca, diag));
    return compile_values(b, p);
}
