/* Extensions that depend on key, issuer, serial and life: key identifiers, where status is found,
 * and that there is none. */
#include <stdio.h>

#include "policy/policy_int.h"

#define URL_MAX 512
#define VALUE_MAX 2048 /* two URLs and their wrapping */

static const uint8_t null_value[] = {0x05, 0x00};

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

static void rule_cdp(struct policy_judge *j, bool none)
{
    uint8_t space[VALUE_MAX];
    char url[URL_MAX];
    struct slice at = {NULL, 0};
    struct policy_wanted w = {.rule = "ext.crl_distribution_points",
                              .field = "tbs.extensions.cRLDistributionPoints",
                              .oid = POLICY_OID_CERT_CDP,
                              .source = j->p->ext.crl_source};
    bool wants = j->p->t.cdp && !none;
    if (wants && !crl_url(j, url, &at)) {
        policy_say(j, w.rule, POLICY_FAIL, w.field, w.source, slice_str("issuer has no CRL URL"),
                   "URL of the serial's shard");
        return;
    }
    if (wants) {
        struct policy_want value = policy_want_over(space, sizeof space);
        policy_want_cdp(&value, at);
        w.value = policy_want_done(&value);
    }
    policy_rules_compare(j, &w);
}

static void rule_aia(struct policy_judge *j, bool none)
{
    uint8_t space[VALUE_MAX];
    char url[URL_MAX] = "";
    const struct policy_issuer *i = j->f->issuer;
    const struct policy_template *t = &j->p->t;
    struct policy_wanted w = {.rule = "ext.authority_info_access",
                              .field = "tbs.extensions.authorityInfoAccess",
                              .oid = POLICY_OID_CERT_AIA,
                              .source = j->p->ext.ocsp_source};
    bool wants = t->aia_ocsp && !none;
    bool ocsp = i->ocsp_url != NULL && i->ocsp_url[0] != '\0' && strlen(i->ocsp_url) < URL_MAX;
    bool base = i->aia_url_base != NULL && i->aia_url_base[0] != '\0';
    int n = t->aia_ca && base
                ? snprintf(url, sizeof url, "%s/%s.cer", i->aia_url_base, i->issuer_id)
                : 0;
    if ((wants && !ocsp) || (t->aia_ca && (n <= 0 || n >= URL_MAX))) {
        policy_say(j, w.rule, POLICY_FAIL, w.field, w.source, slice_str("issuer has no such URL"),
                   "OCSP and issuer URL as the template says");
        return;
    }
    if (wants || t->aia_ca) {
        struct policy_want value = policy_want_over(space, sizeof space);
        policy_want_aia(&value, wants ? i->ocsp_url : NULL, slice_of(url, (size_t)n));
        w.value = policy_want_done(&value);
    }
    policy_rules_compare(j, &w);
}

static void rules_ids(struct policy_judge *j)
{
    uint8_t ski[22], aki[VALUE_MAX];
    struct policy_want value = policy_want_over(aki, sizeof aki);
    policy_want_aki(&value, j->f->issuer->ski);
    const struct policy_wanted w[] = {
        {"ext.subject_key_id", "tbs.extensions.subjectKeyIdentifier", POLICY_OID_CERT_SKI, false,
         subject_key_id(j, ski), "engine"},
        {"ext.authority_key_id", "tbs.extensions.authorityKeyIdentifier", POLICY_OID_CERT_AKI,
         false, policy_want_done(&value), "engine"},
    };
    policy_rules_compare(j, &w[0]);
    policy_rules_compare(j, &w[1]);
}

/* RFC 9608: a NULL, not critical. `auto` looks at the life that the certificate really has. */
static bool rule_no_rev(struct policy_judge *j)
{
    bool wanted = j->p->t.ext.no_rev_avail_up_to_s >= j->tbs.not_after_s - j->tbs.not_before_s;
    const struct policy_wanted w = {"ext.no_rev_avail",
                                    "tbs.extensions.noRevAvail",
                                    POLICY_OID_CERT_NO_REV_AVAIL,
                                    false,
                                    wanted ? slice_of(null_value, sizeof null_value)
                                           : slice_of(NULL, 0),
                                    j->p->ext.no_rev_source};
    policy_rules_compare(j, &w);
    return wanted;
}

void policy_rules_pointers(struct policy_judge *j)
{
    rules_ids(j);
    bool none = rule_no_rev(j);
    rule_cdp(j, none);
    rule_aia(j, none);
}
