/* What frames a certificate: profile, caller, issuer, format, serial, algorithm, validity. */
#include "rules.h"

CHANGE(other_profile)
{
    f->request.profile = slice_str("nothing");
}
CHANGE(other_tenant)
{
    f->request.tenant = slice_str("other");
}
CHANGE(other_caller)
{
    f->request.evidence.caller = f->request.requester =
        slice_str("spiffe://chancery.test/chancery/ca");
}
CHANGE(foreign_caller)
{
    f->request.evidence.caller = f->request.requester = slice_str("spiffe://evil.test/user/alice");
}
CHANGE(other_requester)
{
    f->request.requester = slice_str("spiffe://chancery.test/user/bob");
}
CHANGE(no_issuer)
{
    f->facts.issuer = NULL;
}
CHANGE(issuer_of_other_profile)
{
    f->issuer.issuer_id = "issuing-2";
}
CHANGE(serial_short)
{
    f->t.serial.len = 15;
}
CHANGE(serial_dull)
{
    memset(f->serial + 4, 7, 12);
}
CHANGE(serial_top_bit)
{
    f->serial[0] |= 0x80;
}
CHANGE(alg_not_listed)
{
    f->t.alg = CRYPTO_ALG_ECDSA_SHA512;
}
CHANGE(alg_not_issuers)
{
    f->t.alg = CRYPTO_ALG_ECDSA_SHA384;
}
CHANGE(issuer_name)
{
    struct buf b;
    const struct x509_rdn rdn[] = {{X509_OID_CN, slice_str("Issuing CA 2")}};
    buf_init(&b, 4096);
    assert_int_equal(x509_name_write(rdn, 1, &b, NULL), CH_OK);
    f->t.issuer = fix_keep(f, &b);
}
CHANGE(starts_early)
{
    f->t.not_before_s = FIX_NOW - 3600 - POLICY_WAIT_S - 1;
}
CHANGE(starts_late)
{
    f->t.not_before_s = FIX_NOW + POLICY_SKEW_S + 1;
}
CHANGE(ends_late)
{
    f->request.max_validity_s = 90 * 86400;
    f->t.not_after_s = FIX_NOW + 90 * 86400 + 1;
}
CHANGE(ends_after_default)
{
    f->t.not_after_s = FIX_NOW + 30 * 86400 + POLICY_SKEW_S + 1;
}
CHANGE(ends_after_asked)
{
    f->request.max_validity_s = 86400;
    f->t.not_after_s = FIX_NOW + 86400 + POLICY_SKEW_S + 1;
}
CHANGE(ends_past)
{
    f->t.not_after_s = FIX_NOW;
}
CHANGE(ends_before_start)
{
    f->t.not_before_s = f->t.not_after_s = FIX_NOW - 10;
}
CHANGE(outlives_issuer)
{
    f->issuer.not_after_s = f->t.not_after_s - 1;
}

CHANGE(bend_version)
{
    fix_replace(f, slice_of("\xa0\3\2\1\2", 5), slice_of("\xa0\3\2\1\1", 5));
}
CHANGE(bend_length)
{
    f->tbs.ptr[0] = 0x31;
}
CHANGE(bend_trailing)
{
    assert_int_equal(buf_add_u8(&f->tbs, 0), CH_OK);
    f->facts.tbs = buf_slice(&f->tbs);
}
CHANGE(bend_cut)
{
    f->facts.tbs.len--;
}
CHANGE(bend_critical)
{
    fix_replace(f, slice_of("\1\1\xff", 3), slice_of("\1\1\1", 3));
}
CHANGE(bend_time)
{
    uint8_t *z = memchr(f->tbs.ptr, 'Z', f->tbs.len);
    assert_non_null(z);
    z[-1] = 'a';
}

static const struct rule_case cases[] = {
    PLAN("profile.known", other_profile),
    PLAN("tenant.allowed", other_tenant),
    PLAN("tenant.known", other_tenant),
    PLAN("caller.allowed", other_caller),
    PLAN("caller.allowed", foreign_caller),
    PLAN("caller.requester", other_requester),
    PLAN("issuer.known", no_issuer),
    PLAN("issuer.profile", issuer_of_other_profile),
    BEND("tbs.version", bend_version),
    BEND("tbs.format", bend_length),
    BEND("tbs.format", bend_trailing),
    BEND("tbs.format", bend_cut),
    BEND("tbs.format", bend_critical),
    BEND("tbs.format", bend_time),
    PLAN("serial.length", serial_short),
    PLAN("serial.entropy", serial_dull),
    PLAN("serial.positive", serial_top_bit),
    PLAN("signature.allowed", alg_not_listed),
    PLAN("signature.issuer", alg_not_issuers),
    PLAN("issuer.name", issuer_name),
    PLAN("validity.order", ends_before_start),
    PLAN("validity.not_before", starts_early),
    PLAN("validity.not_before", starts_late),
    PLAN("validity.max", ends_late),
    PLAN("validity.request", ends_after_default),
    PLAN("validity.request", ends_after_asked),
    PLAN("validity.past", ends_past),
    PLAN("validity.issuer", outlives_issuer),
};

const struct rule_family rules_frame = {cases, sizeof cases / sizeof *cases, NULL, 0};
