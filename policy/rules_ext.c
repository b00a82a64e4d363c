/* Extensions: exactly those of the template, with exactly its octets; nothing else (RFC 5280 4.2).
 */
#include "policy/policy_int.h"

static const uint8_t null_value[] = {0x05, 0x00};
#define OF(a)                                                                                      \
    {                                                                                              \
        (a), sizeof(a)                                                                             \
    }
static const uint8_t ski[] = {0x55, 0x1d, 0x0e}, ku[] = {0x55, 0x1d, 0x0f};
static const uint8_t san[] = {0x55, 0x1d, 0x11}, basic[] = {0x55, 0x1d, 0x13};
static const uint8_t constraints[] = {0x55, 0x1d, 0x1e}, cdp[] = {0x55, 0x1d, 0x1f};
static const uint8_t policies[] = {0x55, 0x1d, 0x20}, aki[] = {0x55, 0x1d, 0x23};
static const uint8_t eku[] = {0x55, 0x1d, 0x25}, no_rev_avail[] = {0x55, 0x1d, 0x38};
static const uint8_t aia[] = {0x2b, 6, 1, 5, 5, 7, 1, 1};
static const uint8_t tls_feature[] = {0x2b, 6, 1, 5, 5, 7, 1, 24};
static const uint8_t nocheck[] = {0x2b, 6, 1, 5, 5, 7, 0x30, 1, 5};

const struct slice POLICY_OID_CERT_SKI = OF(ski), POLICY_OID_CERT_KEY_USAGE = OF(ku),
                   POLICY_OID_CERT_SAN = OF(san), POLICY_OID_CERT_BASIC = OF(basic),
                   POLICY_OID_CERT_CONSTRAINTS = OF(constraints), POLICY_OID_CERT_CDP = OF(cdp),
                   POLICY_OID_CERT_POLICIES = OF(policies), POLICY_OID_CERT_AKI = OF(aki),
                   POLICY_OID_CERT_EKU = OF(eku), POLICY_OID_CERT_NO_REV_AVAIL = OF(no_rev_avail),
                   POLICY_OID_CERT_AIA = OF(aia), POLICY_OID_CERT_TLS_FEATURE = OF(tls_feature),
                   POLICY_OID_CERT_NOCHECK = OF(nocheck);

void policy_rules_compare(struct policy_judge *j, const struct policy_wanted *w)
{
    const struct policy_tbs_extension *e = policy_tbs_find(&j->tbs, w->oid);
    if (e == NULL || w->value.len == 0) {
        bool both = e == NULL && w->value.len == 0;
        policy_say(j, w->rule, both ? POLICY_NA : POLICY_FAIL, w->field, w->source,
                   slice_str(e == NULL ? "absent" : "present"),
                   w->value.len == 0 ? "absent" : "present");
        return;
    }
    if (e->critical != w->critical) {
        policy_say(j, w->rule, POLICY_FAIL, w->field, w->source,
                   slice_str(e->critical ? "critical" : "not critical"),
                   w->critical ? "critical" : "not critical");
        return;
    }
    char hex[97];
    hex_encode(slice_sub(w->value, 0, 47), hex);
    policy_say_hex(j, w->rule, slice_eq(e->value, w->value), w->field, w->source, e->value,
                   policy_keep(j, slice_str(hex)));
}

/* What EKU the certificate must have: the request's where the profile takes it, when it asks. */
static struct slice wanted_eku(const struct policy_judge *j)
{
    const struct permit_extension *e =
        j->p->t.ext.eku_from_request ? policy_request_extension(j->r, POLICY_OID_CERT_EKU) : NULL;
    return e == NULL ? j->p->ext.eku : e->value;
}

static void rules_template(struct policy_judge *j)
{
    const struct policy_profile *p = j->p;
    const struct policy_extensions *x = &p->ext;
    enum crypto_key_type type = j->key.type;
    bool rsa = type == CRYPTO_KEY_RSA_2048 || type == CRYPTO_KEY_RSA_3072 ||
               type == CRYPTO_KEY_RSA_4096 || type == CRYPTO_KEY_RSA_OTHER;
    const struct policy_wanted w[] = {
        {"ext.key_usage", "tbs.extensions.keyUsage", POLICY_OID_CERT_KEY_USAGE, true,
         rsa ? x->key_usage_rsa : x->key_usage, x->usage_source},
        {"ext.basic_constraints", "tbs.extensions.basicConstraints", POLICY_OID_CERT_BASIC, true,
         x->basic, x->ca_source},
        {"ext.extended_key_usage", "tbs.extensions.extKeyUsage", POLICY_OID_CERT_EKU,
         p->t.ext.eku_critical, wanted_eku(j), x->eku_source},
        {"ext.policies", "tbs.extensions.certificatePolicies", POLICY_OID_CERT_POLICIES, false,
         x->policies, x->policies_source},
        {"ext.name_constraints", "tbs.extensions.nameConstraints", POLICY_OID_CERT_CONSTRAINTS,
         true, x->constraints, x->constraints_source},
        {"ext.tls_feature", "tbs.extensions.tlsFeature", POLICY_OID_CERT_TLS_FEATURE, false,
         x->tls_feature, x->tls_source},
        {"ext.ocsp_nocheck", "tbs.extensions.ocspNoCheck", POLICY_OID_CERT_NOCHECK, false,
         p->t.ocsp_nocheck ? slice_of(null_value, sizeof null_value) : slice_of(NULL, 0),
         x->nocheck_source},
    };
    for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
        policy_rules_compare(j, &w[i]);
    }
}

static void rules_custom(struct policy_judge *j)
{
    const struct policy_template_extensions *t = &j->p->t.ext;
    if (t->n_custom == 0) {
        policy_say_na(j, "ext.custom", "tbs.extensions", j->p->ext.source);
    }
    for (size_t i = 0; i < t->n_custom; i++) {
        const struct policy_custom *c = &t->custom[i];
        const struct policy_custom_rule *rule = &j->p->ext.custom[i];
        const struct permit_extension *asked =
            c->from_request ? policy_request_extension(j->r, c->oid) : NULL;
        const struct policy_wanted w = {"ext.custom",
                                        rule->field,
                                        c->oid,
                                        c->critical,
                                        !c->from_request ? rule->value
                                        : asked != NULL  ? asked->value
                                                         : slice_of(NULL, 0),
                                        rule->source};
        policy_rules_compare(j, &w);
    }
}

/* ---- nothing else ---- */

static bool known(const struct policy_judge *j, struct slice oid)
{
    const struct slice all[] = {
        POLICY_OID_CERT_SKI,         POLICY_OID_CERT_KEY_USAGE,   POLICY_OID_CERT_SAN,
        POLICY_OID_CERT_BASIC,       POLICY_OID_CERT_CDP,         POLICY_OID_CERT_AKI,
        POLICY_OID_CERT_POLICIES,    POLICY_OID_CERT_EKU,         POLICY_OID_CERT_AIA,
        POLICY_OID_CERT_NOCHECK,     POLICY_OID_CERT_CONSTRAINTS, POLICY_OID_CERT_TLS_FEATURE,
        POLICY_OID_CERT_NO_REV_AVAIL};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (slice_eq(all[i], oid)) {
            return true;
        }
    }
    for (size_t i = 0; i < j->p->t.ext.n_custom; i++) {
        if (slice_eq(j->p->t.ext.custom[i].oid, oid)) {
            return true;
        }
    }
    return false;
}

static void rules_set(struct policy_judge *j)
{
    const struct policy_tbs *t = &j->tbs;
    struct slice stranger = {NULL, 0}, twice = {NULL, 0};
    for (size_t i = 0; i < t->n_extensions; i++) {
        if (!known(j, t->extensions[i].oid)) {
            stranger = t->extensions[i].oid;
        }
        for (size_t k = 0; k < i; k++) {
            if (slice_eq(t->extensions[i].oid, t->extensions[k].oid)) {
                twice = t->extensions[i].oid;
            }
        }
    }
    policy_say_hex(j, "ext.unknown", stranger.len == 0, "tbs.extensions", "engine", stranger,
                   "extensions of the template only");
    policy_say_hex(j, "ext.duplicate", twice.len == 0, "tbs.extensions", "engine", twice,
                   "each extension once");
}

static void not_applicable(struct policy_judge *j)
{
    static const char *const rules[] = {"ext.key_usage",
                                        "ext.basic_constraints",
                                        "ext.extended_key_usage",
                                        "ext.policies",
                                        "ext.name_constraints",
                                        "ext.tls_feature",
                                        "ext.ocsp_nocheck",
                                        "ext.custom",
                                        "ext.subject_key_id",
                                        "ext.authority_key_id",
                                        "ext.no_rev_avail",
                                        "ext.crl_distribution_points",
                                        "ext.authority_info_access",
                                        "ext.unknown",
                                        "ext.duplicate"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        policy_say_na(j, rules[i], "tbs.extensions", j->p->ext.source);
    }
}

void policy_rules_extensions(struct policy_judge *j)
{
    policy_rules_request(j);
    if (!j->has_tbs) {
        not_applicable(j);
        return;
    }
    rules_template(j);
    rules_custom(j);
    policy_rules_pointers(j);
    rules_set(j);
}
