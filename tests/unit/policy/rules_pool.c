/* Issuer pools, and the rounding of notAfter. */
#include <stdio.h>

#include "rules.h"

#define ONE "issuer: issuing-1\n"
#define LIFE "{max: 90d, default: 30d, backdate: 1h}"
#define DAY 86400LL

/* The fixture's issuer under another id, its URLs in the certificate too. */
static void issuer_named(struct fix *f, const char *id)
{
    struct buf b;
    char url[128];
    f->issuer.issuer_id = id;
    (void)snprintf(url, sizeof url, "http://crl.example/c/%s/%u.crl", id,
                   x509_shard(slice_of(f->serial, 16), f->issuer.shards));
    buf_init(&b, 4096);
    assert_int_equal(x509_ext_cdp(url, &b), CH_OK);
    fix_ext(f, X509_EXT_CDP, false, fix_keep(f, &b));
    (void)snprintf(url, sizeof url, "http://aia.example/a/%s.cer", id);
    buf_init(&b, 4096);
    assert_int_equal(x509_ext_aia("http://ocsp.example/", url, &b), CH_OK);
    fix_ext(f, X509_EXT_AIA, false, fix_keep(f, &b));
}
static void pool(struct fix *f, const char *choose, const char *id)
{
    char text[128];
    (void)snprintf(text, sizeof text, "issuers: {any_of: [issuing-2, issuing-1], choose: %s}\n",
                   choose);
    rules_bundle(f, ONE, text);
    issuer_named(f, id);
}
static void rsa_issuer(struct fix *f)
{
    f->issuer.key_type = CRYPTO_KEY_RSA_3072;
    f->t.alg = CRYPTO_ALG_RSA_SHA256;
    rules_bundle(f, "signature_algorithms: [", "signature_algorithms: [sha256WithRSAEncryption, ");
}

CHANGE(pool_stranger)
{
    pool(f, "spread", "issuing-3");
}
CHANGE(pool_first)
{
    pool(f, "spread", "issuing-2");
}
CHANGE(pool_second)
{
    pool(f, "spread", "issuing-1");
}
CHANGE(pool_key_stranger)
{
    pool(f, "key_type", "issuing-3");
}
CHANGE(pool_key_fits)
{
    pool(f, "key_type", "issuing-2");
}
CHANGE(pool_key_curve_under_rsa)
{
    pool(f, "key_type", "issuing-1");
    f->issuer.key_type = CRYPTO_KEY_RSA_3072;
}
/* An RSA key of that many octets; whether it is weak is another rule's matter. */
static void rsa_subject(struct fix *f, size_t octets)
{
    uint8_t n[512];
    memset(n, 0xa5, sizeof n);
    pool(f, "key_type", "issuing-1");
    fix_key(f, fix_spki_rsa(f, slice_of(n, octets), slice_of("\1\0\1", 3)));
}
CHANGE(pool_key_rsa_2048_under_curve)
{
    rsa_subject(f, 256);
}
CHANGE(pool_key_rsa_3072_under_curve)
{
    rsa_subject(f, 384);
}
CHANGE(pool_key_rsa_4096_under_curve)
{
    rsa_subject(f, 512);
}
CHANGE(pool_key_rsa_other_under_curve)
{
    rsa_subject(f, 320);
}
CHANGE(spread_curve_under_rsa)
{
    rsa_issuer(f);
}

CHANGE(rounded)
{
    rules_bundle(f, LIFE, "{max: 90d, default: 30d, backdate: 1h, round: 1d}");
    f->t.not_after_s = FIX_NOW + 30 * DAY;
    f->t.not_after_s -= f->t.not_after_s % DAY;
}
CHANGE(not_rounded)
{
    rounded(f);
    f->t.not_after_s += 1;
}
CHANGE(rounded_to_less)
{
    rounded(f);
    f->t.not_after_s -= 3600;
}
CHANGE(rounded_within_issuer)
{
    rounded(f);
    f->issuer.not_after_s = FIX_NOW + 3 * DAY;
    f->t.not_after_s = f->issuer.not_after_s - f->issuer.not_after_s % DAY;
}
CHANGE(not_rounded_at_issuers_end)
{
    rounded(f);
    f->issuer.not_after_s = f->t.not_after_s = FIX_NOW + 3 * DAY + 1;
}

static const struct rule_case bad[] = {
    PLAN("issuer.profile", pool_stranger),
    PLAN("issuer.profile", pool_key_stranger),
    PLAN("issuer.key_type", pool_key_curve_under_rsa),
    PLAN("issuer.key_type", pool_key_rsa_2048_under_curve),
    PLAN("issuer.key_type", pool_key_rsa_3072_under_curve),
    PLAN("issuer.key_type", pool_key_rsa_4096_under_curve),
    PLAN("issuer.key_type", pool_key_rsa_other_under_curve),
    PLAN("validity.round", not_rounded),
    PLAN("validity.round", rounded_to_less),
    PLAN("validity.round", not_rounded_at_issuers_end),
};
static const struct rule_case good[] = {
    PLAN("issuer.profile", pool_first),     PLAN("issuer.profile", pool_second),
    PLAN("issuer.key_type", pool_key_fits), PLAN("signature.issuer", spread_curve_under_rsa),
    PLAN("validity.round", rounded),        PLAN("validity.round", rounded_within_issuer),
};

const struct rule_family rules_pool = RULES(bad, good);
