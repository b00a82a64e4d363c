/* `extensions` of a profile: what is written, and the exact values that the judge then demands. */
#include "policy/policy_int.h"

static const char *const usages[] = {"digitalSignature", "nonRepudiation", "keyEncipherment",
                                     "dataEncipherment", "keyAgreement",   "keyCertSign",
                                     "cRLSign",          "encipherOnly",   "decipherOnly"};
#define USAGE_KEY_CERT_SIGN (1U << 5)

struct purpose {
    const char *name;
    const char *oid;
};
static const struct purpose purposes[] = {
    {"serverAuth", "1.3.6.1.5.5.7.3.1"},          {"clientAuth", "1.3.6.1.5.5.7.3.2"},
    {"codeSigning", "1.3.6.1.5.5.7.3.3"},         {"emailProtection", "1.3.6.1.5.5.7.3.4"},
    {"timeStamping", "1.3.6.1.5.5.7.3.8"},        {"OCSPSigning", "1.3.6.1.5.5.7.3.9"},
    {"ipsecIKE", "1.3.6.1.5.5.7.3.17"},           {"cmcRA", "1.3.6.1.5.5.7.3.28"},
    {"documentSigning", "1.3.6.1.5.5.7.3.36"},    {"pkinitKDC", "1.3.6.1.5.2.3.5"},
    {"smartcardLogon", "1.3.6.1.4.1.311.20.2.2"}, {"anyExtendedKeyUsage", "2.5.29.37.0"},
};
static const uint8_t time_stamping[] = {0x2b, 6, 1, 5, 5, 7, 3, 8};

enum chancery_err policy_extensions_keep(struct policy_bundle *b, const struct policy_want *w,
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

/* ---- key usage ---- */

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

/* ---- extended key usage ---- */

static const char *purpose_oid(const char *name)
{
    for (size_t i = 0; i < sizeof purposes / sizeof *purposes; i++) {
        if (strcmp(purposes[i].name, name) == 0) {
            return purposes[i].oid;
        }
    }
    return name;
}

static enum chancery_err compile_oids(struct policy_bundle *b, const struct conf_node *list,
                                      const struct slice **out, size_t *out_n, struct diag *diag)
{
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

static bool has(const struct slice *oids, size_t n, struct slice oid)
{
    for (size_t i = 0; i < n; i++) {
        if (slice_eq(oids[i], oid)) {
            return true;
        }
    }
    return false;
}

/* {from: request, allowed: LIST, default: LIST} */
static enum chancery_err compile_asked(struct policy_bundle *b, const struct conf_node *map,
                                       struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *allowed = NULL, *standard = NULL;
    const char *from = NULL;
    struct policy_template *t = &p->t;
    TRY(conf_string(map, "from", CONF_REQUIRED, &from, diag));
    TRY(conf_list(map, "allowed", CONF_REQUIRED, &allowed, diag));
    TRY(conf_list(map, "default", CONF_OPTIONAL, &standard, diag));
    if (strcmp(from, "request") != 0 || conf_count(allowed) == 0) {
        return conf_error(map, CH_INVALID, "policy.value", diag,
                          "key usages from elsewhere are written {from: request, allowed: [...], "
                          "default: [...]}");
    }
    TRY(compile_oids(b, allowed, &p->ext.eku_allowed, &p->ext.n_eku_allowed, diag));
    TRY(compile_oids(b, standard, &t->eku, &t->n_eku, diag));
    for (size_t i = 0; i < t->n_eku; i++) {
        if (!has(p->ext.eku_allowed, p->ext.n_eku_allowed, t->eku[i])) {
            return conf_error(conf_at(standard, i), CH_INVALID, "policy.value", diag,
                              "\"default\" holds what \"allowed\" does not");
        }
    }
    t->ext.eku_from_request = true;
    return CH_OK;
}

static enum chancery_err compile_eku(struct policy_bundle *b, const struct conf_node *ext,
                                     struct policy_profile *p, struct diag *diag)
{
    struct policy_template *t = &p->t;
    const struct conf_node *n = conf_get(ext, "extended_key_usage"), *fixed = NULL;
    p->ext.eku_source = policy_compile_source_key(b, ext, "extended_key_usage");
    if (n == NULL || p->ext.eku_source == NULL) {
        return n == NULL && p->ext.eku_source != NULL ? CH_OK : CH_NOMEM;
    }
    if (conf_kind(n) == CONF_MAP) {
        TRY(conf_bool(n, "critical", CONF_OPTIONAL, &t->ext.eku_critical, diag));
        TRY(conf_list(n, "fixed", CONF_OPTIONAL, &fixed, diag));
        TRY(fixed == NULL ? compile_asked(b, n, p, diag)
                          : compile_oids(b, fixed, &t->eku, &t->n_eku, diag));
    } else {
        TRY(conf_list(ext, "extended_key_usage", CONF_REQUIRED, &fixed, diag));
        TRY(compile_oids(b, fixed, &t->eku, &t->n_eku, diag));
    }
    struct slice stamps = slice_of(time_stamping, sizeof time_stamping);
    if ((has(t->eku, t->n_eku, stamps) && (t->n_eku != 1 || !t->ext.eku_critical)) ||
        has(p->ext.eku_allowed, p->ext.n_eku_allowed, stamps)) {
        return conf_error(n, CH_INVALID, "policy.value", diag,
                          "timeStamping stands alone and is critical (RFC 3161 2.3): {fixed: "
                          "[timeStamping], critical: true}");
    }
    return CH_OK;
}

/* ---- certificate policies ---- */

static enum chancery_err compile_policy(struct policy_bundle *b, const struct conf_node *row,
                                        struct policy_certificate_policy *out, struct diag *diag)
{
    const char *oid = NULL, *cps = NULL;
    const struct conf_node *at = row;
    if (conf_kind(row) == CONF_MAP) {
        TRY(conf_string(row, "oid", CONF_REQUIRED, &oid, diag));
        TRY(conf_string(row, "cps", CONF_OPTIONAL, &cps, diag));
        at = conf_get(row, "oid");
    } else {
        TRY(conf_scalar(row, &oid, diag));
    }
    TRY(policy_compile_oid(b, at, oid, &out->oid, diag));
    if (cps == NULL) {
        return CH_OK;
    }
    if (!policy_text_uri(slice_str(cps)) || strlen(cps) > 512) {
        return conf_error(
            conf_get(row, "cps"), CH_INVALID, "policy.value", diag,
            "\"cps\" is a URI such as https://example.test/cps of at most 512 octets");
    }
    out->cps = arena_str(&b->arena, slice_str(cps));
    return out->cps == NULL ? CH_NOMEM : CH_OK;
}

static enum chancery_err compile_policies(struct policy_bundle *b, const struct conf_node *ext,
                                          struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *list = NULL;
    TRY(conf_list(ext, "policies", CONF_OPTIONAL, &list, diag));
    p->ext.policies_source = policy_compile_source_key(b, ext, "policies");
    size_t n = conf_count(list);
    struct policy_certificate_policy *rows = arena_alloc(&b->arena, n * sizeof *rows);
    if (n > POLICY_EXTRA_MAX) {
        return conf_error(list, CH_LIMIT, "policy.list", diag, "at most %d entries",
                          POLICY_EXTRA_MAX);
    }
    if (rows == NULL || p->ext.policies_source == NULL) {
        return CH_NOMEM;
    }
    for (size_t i = 0; i < n; i++) {
        TRY(compile_policy(b, conf_at(list, i), &rows[i], diag));
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(rows[k].oid, rows[i].oid)) { /* RFC 5280 4.2.1.4 */
                return conf_error(conf_at(list, i), CH_INVALID, "policy.duplicate", diag,
                                  "this policy stands twice");
            }
        }
    }
    p->t.policies = rows;
    p->t.n_policies = n;
    return CH_OK;
}

/* ---- CA certificates ---- */

static enum chancery_err compile_ca(struct policy_bundle *b, const struct conf_node *ext,
                                    struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *ca = NULL;
    struct policy_template *t = &p->t;
    int64_t path = -1;
    TRY(conf_map(ext, "ca", CONF_OPTIONAL, &ca, diag));
    p->ext.ca_source = policy_compile_source_key(b, ext, "ca");
    TRY(p->ext.ca_source == NULL ? CH_NOMEM : CH_OK);
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
    bool signs = (usage & USAGE_KEY_CERT_SIGN) != 0; /* RFC 5280 4.2.1.3 and 4.2.1.9 */
    if (signs != t->is_ca) {
        return conf_error(ext, CH_INVALID, "policy.ca", diag,
                          "\"ca\" and key usage keyCertSign go together");
    }
    return CH_OK;
}

/* ---- status and pointers ---- */

/* RFC 9608 4: not in a CA certificate, and nothing beside it that says where status is. */
static enum chancery_err check_no_rev(const struct conf_node *ext, const struct policy_template *t,
                                      bool always, struct diag *diag)
{
    const struct conf_node *at = conf_get(ext, "no_rev_avail");
    bool crl = false, ocsp = false;
    TRY(conf_bool(ext, "crl_url", CONF_OPTIONAL, &crl, diag));
    TRY(conf_bool(ext, "ocsp_url", CONF_OPTIONAL, &ocsp, diag));
    if (t->is_ca) {
        return conf_error(at, CH_INVALID, "policy.no_rev_avail", diag,
                          "a CA certificate never has noRevAvail (RFC 9608 3)");
    }
    if (always && (crl || ocsp)) {
        return conf_error(at, CH_INVALID, "policy.no_rev_avail", diag,
                          "beside \"no_rev_avail: true\" stand neither CRL nor OCSP URLs (RFC 9608 "
                          "4); leave out \"crl_url\" and \"ocsp_url\"");
    }
    return CH_OK;
}

static enum chancery_err compile_no_rev(const struct conf_node *ext, struct policy_template *t,
                                        struct diag *diag)
{
    const char *text = NULL;
    int64_t up_to = 7 * 86400; /* CA/Browser Forum BR 1.6.1, short-lived, from 2026-03-15 */
    TRY(conf_string(ext, "no_rev_avail", CONF_OPTIONAL, &text, diag));
    TRY(conf_duration_s(ext, "no_rev_avail_up_to", CONF_OPTIONAL, 60, 100 * 366 * 86400LL, &up_to,
                        diag));
    bool on = text != NULL && strcmp(text, "true") == 0;
    bool by_life = text != NULL && strcmp(text, "auto") == 0;
    if (text != NULL && !on && !by_life && strcmp(text, "false") != 0) {
        return conf_error(conf_get(ext, "no_rev_avail"), CH_INVALID, "policy.value", diag,
                          "\"no_rev_avail\" is true, false or auto");
    }
    if (conf_get(ext, "no_rev_avail_up_to") != NULL && !by_life) {
        return conf_error(conf_get(ext, "no_rev_avail_up_to"), CH_INVALID, "policy.value", diag,
                          "\"no_rev_avail_up_to\" goes with \"no_rev_avail: auto\"");
    }
    if (!on && !by_life) {
        return CH_OK;
    }
    t->ext.no_rev_avail_up_to_s = on ? INT64_MAX : up_to;
    return check_no_rev(ext, t, on, diag);
}

static enum chancery_err compile_status(struct policy_bundle *b, const struct conf_node *ext,
                                        struct policy_profile *p, struct diag *diag)
{
    struct policy_template *t = &p->t;
    const char *unlisted = "ignore";
    t->cdp = t->aia_ocsp = t->aia_ca = true;
    TRY(compile_no_rev(ext, t, diag));
    TRY(conf_bool(ext, "ocsp_nocheck", CONF_OPTIONAL, &t->ocsp_nocheck, diag));
    TRY(conf_bool(ext, "crl_url", CONF_OPTIONAL, &t->cdp, diag));
    TRY(conf_bool(ext, "ocsp_url", CONF_OPTIONAL, &t->aia_ocsp, diag));
    TRY(conf_bool(ext, "issuer_url", CONF_OPTIONAL, &t->aia_ca, diag));
    TRY(conf_string(ext, "unlisted", CONF_OPTIONAL, &unlisted, diag));
    p->ext.unlisted_refused = strcmp(unlisted, "refuse") == 0;
    if (!p->ext.unlisted_refused && strcmp(unlisted, "ignore") != 0) {
        return conf_error(conf_get(ext, "unlisted"), CH_INVALID, "policy.value", diag,
                          "\"unlisted\" is ignore or refuse");
    }
    struct policy_extensions *o = &p->ext;
    o->no_rev_source = policy_compile_source_key(b, ext, "no_rev_avail");
    o->nocheck_source = policy_compile_source_key(b, ext, "ocsp_nocheck");
    o->crl_source = policy_compile_source_key(b, ext, "crl_url");
    o->ocsp_source = policy_compile_source_key(b, ext, "ocsp_url");
    o->unlisted_source = policy_compile_source_key(b, ext, "unlisted");
    return o->no_rev_source == NULL || o->nocheck_source == NULL || o->crl_source == NULL ||
                   o->ocsp_source == NULL || o->unlisted_source == NULL
               ? CH_NOMEM
               : CH_OK;
}

/* ---- values ---- */

static enum chancery_err compile_values(struct policy_bundle *b, struct policy_profile *p)
{
    uint8_t space[POLICY_CONSTRAINTS_MAX]; /* 32 policies with URIs of 512 octets just fit */
    const struct policy_template *t = &p->t;
    struct policy_want w = policy_want_over(space, sizeof space);
    policy_want_basic(&w, t->is_ca, t->path_len);
    TRY(policy_extensions_keep(b, &w, &p->ext.basic));
    if (t->key_usage != 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_key_usage(&w, t->key_usage);
        TRY(policy_extensions_keep(b, &w, &p->ext.key_usage));
        w = policy_want_over(space, sizeof space);
        policy_want_key_usage(&w, t->key_usage | t->key_usage_rsa_extra);
        TRY(policy_extensions_keep(b, &w, &p->ext.key_usage_rsa));
    }
    if (t->n_eku > 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_oids(&w, t->eku, t->n_eku);
        TRY(policy_extensions_keep(b, &w, &p->ext.eku));
    }
    if (t->n_policies > 0) {
        w = policy_want_over(space, sizeof space);
        policy_want_policies(&w, t->policies, t->n_policies);
        TRY(policy_extensions_keep(b, &w, &p->ext.policies));
    }
    return CH_OK;
}

enum chancery_err policy_extensions_compile(struct policy_bundle *b, const struct conf_node *root,
                                            struct policy_profile *p, struct diag *diag)
{
    const struct conf_node *ext = NULL;
    struct policy_template *t = &p->t;
    TRY(conf_map(root, "extensions", CONF_REQUIRED, &ext, diag));
    p->ext.source = policy_compile_source(b, ext);
    p->ext.usage_source = policy_compile_source_key(b, ext, "key_usage");
    if (p->ext.source == NULL || p->ext.usage_source == NULL) {
        return CH_NOMEM;
    }
    TRY(compile_usage(ext, "key_usage", &t->key_usage, diag));
    TRY(compile_usage(ext, "key_usage_rsa", &t->key_usage_rsa_extra, diag));
    TRY(compile_eku(b, ext, p, diag));
    TRY(compile_policies(b, ext, p, diag));
    TRY(compile_ca(b, ext, p, diag));
    TRY(compile_status(b, ext, p, diag));
    TRY(policy_constraints_compile(b, ext, p, diag));
    TRY(policy_custom_compile(b, ext, p, diag));
    enum chancery_err err = compile_values(b, p);
    return err == CH_LIMIT ? conf_error(ext, err, "policy.value", diag,
                                        "the extensions are larger than a certificate takes")
                           : err;
}
