/* Extensions: exactly those of the template, with exactly its octets; nothing else (RFC 5280 4.2).
 */
#include <stdio.h>

#include "policy/policy_int.h"

static const uint8_t oid_ski[] = {0x55, 0x1d, 0x0e}, oid_ku[] = {0x55, 0x1d, 0x0f};
static const uint8_t oid_san[] = {0x55, 0x1d, 0x11}, oid_basic[] = {0x55, 0x1d, 0x13};
static const uint8_t oid_cdp[] = {0x55, 0x1d, 0x1f}, oid_policies[] = {0x55, 0x1d, 0x20};
static const uint8_t oid_aki[] = {0x55, 0x1d, 0x23}, oid_eku[] = {0x55, 0x1d, 0x25};
static const uint8_t oid_aia[] = {0x2b, 6, 1, 5, 5, 7, 1, 1};
static const uint8_t oid_nocheck[] = {0x2b, 6, 1, 5, 5, 7, 0x30, 1, 5};
static const uint8_t null_value[] = {0x05, 0x00};

#define OF(a) slice_of((a), sizeof(a))
#define URL_MAX 512
#define VALUE_MAX 2048 /* two URLs and their wrapping */

/* One extension as it must be; absent when value is empty. */
struct wanted {
    const char *rule, *field;
    struct slice oid;
    bool critical;
    struct slice value;
    const char *source;
};

static void compare(struct policy_judge *j, const struct wanted *w)
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

/* ---- values that depend on key, issuer and serial ---- */

/* RFC 7093 2 method 1: leftmost 160 bits of SHA-256 over the BIT STRING content of the key. */
static struct slice subject_key_id(struct policy_judge *j, uint8_t space[22])
{
    struct policy_walk outer = policy_walk_of(j->tbs.spki), w;
    struct slice alg, bits;
    uint8_t digest[32];
    if (!policy_walk_into(&outer, 0x30, &w) || !policy_walk_take(&w, 0x30, &alg, NULL) ||
        !policy_walk_take(&w, 0x03, &bits, NULL) || bits.len < 2 || bits.ptr[0] != 0) {
        return slice_of(NULL, 0); /* the key is refused by its own rule */
    }
    crypto_sha256(slice_sub(bits, 1, bits.len), digest);
    space[0] = 0x04;
    space[1] = 20;
    memcpy(space + 2, digest, 20);
    return slice_of(space, 22);
}

/* Shard of the serial (docs/ISSUANCE.md): first four octets, top bit cleared, modulo the shards. */
static bool crl_url(const struct policy_judge *j, char out[URL_MAX], struct slice *url)
{
    const struct policy_issuer *i = j->f->issuer;
    struct slice s = j->tbs.serial;
    if (i->crl_url_base == NULL || i->crl_url_base[0] == '\0' || s.len < 4) {
        return false;
    }
    int n;
    if (i->shards == 0) {
        n = snprintf(out, URL_MAX, "%s/root.crl", i->crl_url_base);
    } else {
        uint32_t head = (uint32_t)(s.ptr[0] & 0x7f) << 24 | (uint32_t)s.ptr[1] << 16 |
                        (uint32_t)s.ptr[2] << 8 | s.ptr[3];
        n = snprintf(out, URL_MAX, "%s/%s/%u.crl", i->crl_url_base, i->issuer_id,
                     (unsigned)(head % i->shards));
    }
    *url = slice_of(out, n > 0 ? (size_t)n : 0);
    return n > 0 && n < URL_MAX;
}

static void rule_cdp(struct policy_judge *j)
{
    uint8_t space[VALUE_MAX];
    char url[URL_MAX];
    struct slice at = {NULL, 0};
    struct wanted w = {.rule = "ext.crl_distribution_points",
                       .field = "tbs.extensions.cRLDistributionPoints",
                       .oid = OF(oid_cdp),
                       .source = j->p->extensions_source};
    if (j->p->t.cdp && !crl_url(j, url, &at)) {
        policy_say(j, w.rule, POLICY_FAIL, w.field, w.source, slice_str("issuer has no CRL URL"),
                   "URL of the serial's shard");
        return;
    }
    if (j->p->t.cdp) {
        struct policy_want value = policy_want_over(space, sizeof space);
        policy_want_cdp(&value, at);
        w.value = policy_want_done(&value);
    }
    compare(j, &w);
}

static void rule_aia(struct policy_judge *j)
{
    uint8_t space[VALUE_MAX];
    char url[URL_MAX] = "";
    const struct policy_issuer *i = j->f->issuer;
    const struct policy_template *t = &j->p->t;
    struct wanted w = {.rule = "ext.authority_info_access",
                       .field = "tbs.extensions.authorityInfoAccess",
                       .oid = OF(oid_aia),
                       .source = j->p->extensions_source};
    bool ocsp = i->ocsp_url != NULL && i->ocsp_url[0] != '\0' && strlen(i->ocsp_url) < URL_MAX;
    bool base = i->aia_url_base != NULL && i->aia_url_base[0] != '\0';
    int n = t->aia_ca && base
                ? snprintf(url, sizeof url, "%s/%s.cer", i->aia_url_base, i->issuer_id)
                : 0;
    if ((t->aia_ocsp && !ocsp) || (t->aia_ca && (n <= 0 || n >= URL_MAX))) {
        policy_say(j, w.rule, POLICY_FAIL, w.field, w.source, slice_str("issuer has no such URL"),
                   "OCSP and issuer URL as the template says");
        return;
    }
    if (t->aia_ocsp || t->aia_ca) {
        struct policy_want value = policy_want_over(space, sizeof space);
        policy_want_aia(&value, t->aia_ocsp ? i->ocsp_url : NULL, slice_of(url, (size_t)n));
        w.value = policy_want_done(&value);
    }
    compare(j, &w);
}

static void rules_ids(struct policy_judge *j)
{
    uint8_t ski[22], aki[VALUE_MAX];
    struct policy_want value = policy_want_over(aki, sizeof aki);
    policy_want_aki(&value, j->f->issuer->ski);
    const struct wanted w[] = {
        {"ext.subject_key_id", "tbs.extensions.subjectKeyIdentifier", OF(oid_ski), false,
         subject_key_id(j, ski), "engine"},
        {"ext.authority_key_id", "tbs.extensions.authorityKeyIdentifier", OF(oid_aki), false,
         policy_want_done(&value), "engine"},
    };
    compare(j, &w[0]);
    compare(j, &w[1]);
}

static void rules_template(struct policy_judge *j)
{
    const struct policy_profile *p = j->p;
    enum crypto_key_type type = j->key.type;
    bool rsa = type == CRYPTO_KEY_RSA_2048 || type == CRYPTO_KEY_RSA_3072 ||
               type == CRYPTO_KEY_RSA_4096 || type == CRYPTO_KEY_RSA_OTHER;
    const struct wanted w[] = {
        {"ext.key_usage", "tbs.extensions.keyUsage", OF(oid_ku), true,
         rsa ? p->key_usage_rsa : p->key_usage, p->extensions_source},
        {"ext.basic_constraints", "tbs.extensions.basicConstraints", OF(oid_basic), true, p->basic,
         p->extensions_source},
        {"ext.extended_key_usage", "tbs.extensions.extKeyUsage", OF(oid_eku), false, p->eku,
         p->extensions_source},
        {"ext.policies", "tbs.extensions.certificatePolicies", OF(oid_policies), false, p->policies,
         p->extensions_source},
        {"ext.ocsp_nocheck", "tbs.extensions.ocspNoCheck", OF(oid_nocheck), false,
         p->t.ocsp_nocheck ? OF(null_value) : slice_of(NULL, 0), p->extensions_source},
    };
    for (size_t i = 0; i < sizeof w / sizeof *w; i++) {
        compare(j, &w[i]);
    }
}

/* ---- nothing else ---- */

static bool known(struct slice oid)
{
    const struct slice all[] = {OF(oid_ski), OF(oid_ku),     OF(oid_san),      OF(oid_basic),
                                OF(oid_cdp), OF(oid_aki),    OF(oid_policies), OF(oid_eku),
                                OF(oid_aia), OF(oid_nocheck)};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (slice_eq(all[i], oid)) {
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
        if (!known(t->extensions[i].oid)) {
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
                                        "ext.ocsp_nocheck",
                                        "ext.subject_key_id",
                                        "ext.authority_key_id",
                                        "ext.crl_distribution_points",
                                        "ext.authority_info_access",
                                        "ext.unknown",
                                        "ext.duplicate"};
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        policy_say_na(j, rules[i], "tbs.extensions", j->p->extensions_source);
    }
}

void policy_rules_extensions(struct policy_judge *j)
{
    if (!j->has_tbs) {
        not_applicable(j);
        return;
    }
    rules_template(j);
    rules_ids(j);
    rule_cdp(j);
    rule_aia(j);
    rules_set(j);
}
