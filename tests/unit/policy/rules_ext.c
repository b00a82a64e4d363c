/* Extensions. */
#include <stdio.h>

#include "rules.h"

static const struct slice OID_UNKNOWN = {(const uint8_t *)"\x2a\x03\x04", 3};
static const struct slice NOTHING = {NULL, 0};

CHANGE(usage_absent)
{
    fix_ext(f, X509_EXT_KEY_USAGE, true, NOTHING);
}
CHANGE(usage_not_critical)
{
    fix_ext(f, X509_EXT_KEY_USAGE, false, slice_of("\3\2\7\x80", 4));
}
CHANGE(usage_cert_sign)
{
    fix_ext(f, X509_EXT_KEY_USAGE, true, slice_of("\3\2\2\x84", 4));
}
CHANGE(usage_padded)
{
    fix_ext(f, X509_EXT_KEY_USAGE, true, slice_of("\3\3\7\x80\0", 5));
}
CHANGE(usage_rsa_on_ec)
{
    rules_usage_rsa(f);
}
CHANGE(basic_ca)
{
    fix_ext(f, X509_EXT_BASIC, true, slice_of("\x30\3\1\1\xff", 5));
}
CHANGE(basic_false_spelled)
{
    fix_ext(f, X509_EXT_BASIC, true, slice_of("\x30\3\1\1\0", 5));
}
CHANGE(basic_absent)
{
    fix_ext(f, X509_EXT_BASIC, true, NOTHING);
}
CHANGE(eku_other)
{
    struct buf b;
    const struct slice eku[] = {X509_EKU_SERVER_AUTH, X509_EKU_CODE_SIGNING};
    buf_init(&b, 128);
    assert_int_equal(x509_ext_eku(eku, 2, &b), CH_OK);
    fix_ext(f, X509_EXT_EKU, false, fix_keep(f, &b));
}
CHANGE(eku_absent)
{
    fix_ext(f, X509_EXT_EKU, false, NOTHING);
}
CHANGE(policies_other)
{
    fix_ext(f, X509_EXT_POLICIES, false, slice_of("\x30\6\x30\4\6\2\x2a\3", 8));
}
CHANGE(nocheck_absent)
{
    fix_ext(f, X509_EXT_OCSP_NOCHECK, false, NOTHING);
}
CHANGE(nocheck_value)
{
    fix_ext(f, X509_EXT_OCSP_NOCHECK, false, slice_of("\x30\0", 2));
}
CHANGE(ski_other)
{
    fix_ext(f, X509_EXT_SKI, false, slice_of("\4\x14yyyyyyyyyyyyyyyyyyyy", 22));
}
CHANGE(ski_absent)
{
    fix_ext(f, X509_EXT_SKI, false, NOTHING);
}
CHANGE(aki_other)
{
    fix_ext(f, X509_EXT_AKI, false, slice_of("\x30\x16\x80\x14yyyyyyyyyyyyyyyyyyyy", 24));
}
static void cdp(struct fix *f, const char *url)
{
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(x509_ext_cdp(url, &b), CH_OK);
    fix_ext(f, X509_EXT_CDP, false, fix_keep(f, &b));
}
CHANGE(cdp_shard)
{
    char url[64];
    uint32_t shard = (x509_shard(f->t.serial, 64) + 1) % 64;
    (void)snprintf(url, sizeof url, "http://crl.example/c/issuing-1/%u.crl", shard);
    cdp(f, url);
}
CHANGE(cdp_root)
{
    cdp(f, "http://crl.example/c/root.crl");
}
CHANGE(cdp_absent)
{
    fix_ext(f, X509_EXT_CDP, false, NOTHING);
}
CHANGE(cdp_no_base)
{
    f->issuer.crl_url_base = "";
}
CHANGE(aia_ocsp_only)
{
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(x509_ext_aia("http://ocsp.example/", NULL, &b), CH_OK);
    fix_ext(f, X509_EXT_AIA, false, fix_keep(f, &b));
}
CHANGE(aia_other)
{
    struct buf b;
    buf_init(&b, 1024);
    assert_int_equal(x509_ext_aia("http://evil.example/", "http://aia.example/a/issuing-1.cer", &b),
                     CH_OK);
    fix_ext(f, X509_EXT_AIA, false, fix_keep(f, &b));
}
CHANGE(ext_unknown)
{
    fix_ext(f, OID_UNKNOWN, false, slice_of("\5\0", 2));
}
CHANGE(ext_unknown_critical)
{
    fix_ext(f, OID_UNKNOWN, true, slice_of("\5\0", 2));
}
CHANGE(ext_twice)
{
    f->ext[f->n_ext++] = f->ext[0];
}

static const struct rule_case cases[] = {
    PLAN("ext.key_usage", usage_absent),
    PLAN("ext.key_usage", usage_not_critical),
    PLAN("ext.key_usage", usage_cert_sign),
    PLAN("ext.key_usage", usage_padded),
    PLAN("ext.key_usage", usage_rsa_on_ec),
    PLAN("ext.basic_constraints", basic_ca),
    PLAN("ext.basic_constraints", basic_false_spelled),
    PLAN("ext.basic_constraints", basic_absent),
    PLAN("ext.extended_key_usage", eku_other),
    PLAN("ext.extended_key_usage", eku_absent),
    PLAN("ext.policies", policies_other),
    PLAN("ext.ocsp_nocheck", nocheck_absent),
    PLAN("ext.ocsp_nocheck", nocheck_value),
    PLAN("ext.subject_key_id", ski_other),
    PLAN("ext.subject_key_id", ski_absent),
    PLAN("ext.authority_key_id", aki_other),
    PLAN("ext.crl_distribution_points", cdp_shard),
    PLAN("ext.crl_distribution_points", cdp_root),
    PLAN("ext.crl_distribution_points", cdp_absent),
    PLAN("ext.crl_distribution_points", cdp_no_base),
    PLAN("ext.authority_info_access", aia_ocsp_only),
    PLAN("ext.authority_info_access", aia_other),
    PLAN("ext.unknown", ext_unknown),
    PLAN("ext.unknown", ext_unknown_critical),
    PLAN("ext.duplicate", ext_twice),
};

const struct rule_family rules_ext = {cases, sizeof cases / sizeof *cases, NULL, 0};
