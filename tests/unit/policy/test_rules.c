/* Every rule: passes (or does not apply) on the base, fails on a certificate changed in one point.
 * The last test proves that no rule was forgotten. */
#include "fix.h"

#include <openssl/bn.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static const struct slice OID_UNKNOWN = {(const uint8_t *)"\x2a\x03\x04", 3};

/* ---- changes to the plan, before the TBS is written ---- */

#define CHANGE(name) static void name(struct fix *f)

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
CHANGE(other_key)
{
    struct slice hash = f->request.spki_sha256;
    fix_key(f, fix_spki_ec(f, "P-256"));
    f->request.spki_sha256 = hash;
}
CHANGE(issuers_key)
{
    crypto_sha256(f->t.spki, f->issuer.spki_sha256);
}
CHANGE(permit_key)
{
    crypto_sha256(f->t.spki, f->own[1]);
}
CHANGE(key_curve)
{
    fix_key(f, fix_spki_ec(f, "P-521"));
}
CHANGE(key_unknown_curve)
{
    fix_key(f, fix_spki_ec(f, "secp256k1"));
}
CHANGE(key_off_curve)
{
    uint8_t *spki = arena_copy(&f->arena, f->t.spki);
    spki[f->t.spki.len - 1] ^= 1;
    fix_key(f, slice_of(spki, f->t.spki.len));
}

/* ---- RSA keys ---- */

static const uint8_t e_65537[] = {1, 0, 1}, e_3[] = {3}, e_1[] = {1};

static void rsa_usage(struct fix *f)
{
    struct buf b;
    buf_init(&b, 64);
    assert_int_equal(x509_ext_key_usage(1 | 1 << 2, &b), CH_OK);
    fix_ext(f, X509_EXT_KEY_USAGE, true, fix_keep(f, &b));
}

static void rsa_use(struct fix *f, const BIGNUM *n, struct slice e)
{
    uint8_t octets[1024];
    int len = BN_bn2bin(n, octets);
    fix_key(f, fix_spki_rsa(f, slice_of(octets, (size_t)len), e));
    rsa_usage(f);
}

static void rsa_random(struct fix *f, int bits, struct slice e, unsigned long factor, bool even)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    if (factor != 0) {
        assert_int_equal(BN_set_word(p, factor), 1);
    } else {
        assert_int_equal(BN_generate_prime_ex(p, bits / 2, 0, NULL, NULL, NULL), 1);
    }
    do {
        assert_int_equal(BN_generate_prime_ex(q, bits - BN_num_bits(p), 0, NULL, NULL, NULL), 1);
        assert_int_equal(BN_mul(n, p, q, ctx), 1);
    } while (BN_num_bits(n) != bits);
    if (even) {
        assert_int_equal(BN_sub_word(n, 1), 1);
    }
    rsa_use(f, n, e);
    BN_free(p), BN_free(q), BN_free(n);
    BN_CTX_free(ctx);
}

CHANGE(rsa_good)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 0, false);
}
CHANGE(rsa_even)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 0, true);
}
CHANGE(rsa_exponent_1)
{
    rsa_random(f, 2048, slice_of(e_1, 1), 0, false);
}
CHANGE(rsa_exponent_3)
{
    rsa_random(f, 2048, slice_of(e_3, 1), 0, false);
}
CHANGE(rsa_small)
{
    rsa_random(f, 1024, slice_of(e_65537, 3), 0, false);
}
CHANGE(rsa_factor_757)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 757, false);
}
CHANGE(rsa_factor_65521)
{
    rsa_random(f, 2048, slice_of(e_65537, 3), 65521, false);
}
/* q is the next prime after p plus `gap` bits of distance. */
static void rsa_close_by(struct fix *f, int gap)
{
    BIGNUM *p = BN_new(), *q = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_set_word(q, 0), 1);
    if (gap > 0) {
        assert_int_equal(BN_set_bit(q, gap), 1);
    }
    assert_int_equal(BN_add(q, q, p), 1);
    do {
        assert_int_equal(BN_add_word(q, 2), 1);
    } while (BN_check_prime(q, ctx, NULL) != 1);
    assert_int_equal(BN_mul(n, p, q, ctx), 1);
    rsa_use(f, n, slice_of(e_65537, 3));
    BN_free(p), BN_free(q), BN_free(n);
    BN_CTX_free(ctx);
}
CHANGE(rsa_close)
{
    rsa_close_by(f, 0);
}
CHANGE(rsa_close_some_rounds)
{
    rsa_close_by(f, 514); /* gap^2 / (8 sqrt n): found after a few rounds */
}
CHANGE(rsa_square)
{
    BIGNUM *p = BN_new(), *n = BN_new();
    BN_CTX *ctx = BN_CTX_new();
    assert_int_equal(BN_generate_prime_ex(p, 1024, 0, NULL, NULL, NULL), 1);
    assert_int_equal(BN_sqr(n, p, ctx), 1);
    rsa_use(f, n, slice_of(e_65537, 3));
    BN_free(p), BN_free(n);
    BN_CTX_free(ctx);
}

/* ---- subject ---- */

CHANGE(subject_multi)
{
    /* One RDN with O and CN together. */
    static const uint8_t der[] = {0x30, 0x17, 0x31, 0x15, 0x30, 8,    6, 3,  0x55, 4, 3,   0x0c, 1,
                                  'a',  0x30, 9,    6,    3,    0x55, 4, 10, 0x0c, 2, 'b', 'c'};
    f->request.subject_der = slice_of(der, sizeof der);
}
CHANGE(subject_bmp)
{
    static const uint8_t der[] = {0x30, 0x0d, 0x31, 0x0b, 0x30, 9, 6,  3,
                                  0x55, 4,    3,    0x1e, 2,    0, 'a'};
    f->request.subject_der = slice_of(der, sizeof der);
}
CHANGE(subject_incomplete)
{
    f->n_asked = 0;
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_CN, slice_str("a.example.test")};
}
CHANGE(subject_extra)
{
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_OU, slice_str("x")};
}
CHANGE(subject_second_cn)
{
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_CN, slice_str("localhost")};
}
static void subject_o(struct fix *f, const char *value)
{
    f->subject_asked[0].value = f->subject[1].value = slice_str(value);
}
CHANGE(subject_bidi)
{
    subject_o(f, "Ex\xe2\x80\xaempl");
}
CHANGE(subject_control)
{
    subject_o(f, "a\nb");
}
CHANGE(subject_nul)
{
    f->subject_asked[0].value = f->subject[1].value = slice_of("a\0b", 3);
}
CHANGE(subject_bad_utf8)
{
    subject_o(f, "a\xc0\x80");
}
CHANGE(subject_long)
{
    subject_o(f, "0123456789012345678901234567890123456789012345678901234567890123x");
}
CHANGE(subject_cn_elsewhere)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("b.example.test");
}
CHANGE(subject_cn_service)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("policy.Chancery.test");
}
CHANGE(subject_cn_spiffe)
{
    f->subject_asked[1].value = f->subject[2].value = slice_str("spiffe://chancery.test/user/root");
}
CHANGE(subject_order)
{
    struct x509_rdn o = f->subject[1];
    f->subject[1] = f->subject[2];
    f->subject[2] = o;
}
CHANGE(subject_fixed_other)
{
    f->subject[0].value = slice_str("DE");
}
CHANGE(subject_left_out)
{
    f->n_subject = 2;
}
CHANGE(subject_added)
{
    f->subject[f->n_subject++] = (struct x509_rdn){X509_OID_OU, slice_str("x")};
}
CHANGE(subject_string_type)
{
    static const uint8_t der[] = {0x30, 0x0d, 0x31, 0x0b, 0x30, 9,   6,  3,
                                  0x55, 4,    6,    0x0c, 2,    'X', 'X'};
    f->t.subject = slice_of(der, sizeof der);
    policy_bundle_free(f->bundle);
    f->bundle = fix_bundle("    - {type: O, from: request, required: true}\n"
                           "    - {type: CN, from: request}\n"
                           "  unlisted: refuse\n"
                           "  cn_from_first_dns: true\n",
                           "  unlisted: drop\n");
}

/* ---- names ---- */

static void one_san(struct fix *f, uint8_t type, const char *value)
{
    f->request.n_sans = 0;
    fix_san(f, type, value);
    if (!(type == 3 && strcmp(value, "a.example.test") >= 0)) {
        fix_san(f, 7, "https://id.example.test/d/7");
    }
    fix_san_ext(f);
    f->subject_asked[1].value = f->subject[2].value = f->sans[0].value;
}
CHANGE(san_none)
{
    f->request.n_sans = 0;
    f->n_asked = 1;
    f->n_subject = 2;
    fix_ext(f, X509_EXT_SAN, false, slice_of(NULL, 0));
}
CHANGE(san_many)
{
    static const char names[9][16] = {"a.example.test", "b.example.test", "c.example.test",
                                      "d.example.test", "e.example.test", "f.example.test",
                                      "g.example.test", "h.example.test", "i.example.test"};
    f->request.n_sans = 0;
    for (size_t i = 0; i < 9; i++) {
        fix_san(f, 3, names[i]);
    }
    fix_san_ext(f);
}
CHANGE(san_unsorted)
{
    struct permit_san s = f->sans[1];
    f->sans[1] = f->sans[2];
    f->sans[2] = s;
    fix_san_ext(f);
}
CHANGE(san_other_in_tbs)
{
    f->sans[2].value = slice_str("b.example.test");
    fix_san_ext(f);
    f->sans[2].value = slice_str("a.example.test");
}
CHANGE(san_more_in_tbs)
{
    fix_san(f, 8, "\x0a\1\2\4");
    fix_san_ext(f);
    f->request.n_sans--;
}
CHANGE(san_fewer_in_tbs)
{
    f->request.n_sans--;
    fix_san_ext(f);
    f->request.n_sans++;
}
CHANGE(san_critical)
{
    fix_san_ext(f);
    for (size_t i = 0; i < f->n_ext; i++) {
        f->ext[i].critical = f->ext[i].critical || slice_eq(f->ext[i].oid, X509_EXT_SAN);
    }
}
#define DNS(name, text)                                                                            \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        one_san(f, 3, text);                                                                       \
    }
DNS(dns_upper, "A.example.test")
DNS(dns_empty_label, "a..example.test")
DNS(dns_leading_dot, ".example.test")
DNS(dns_trailing_dot, "example.test.")
DNS(dns_hyphen, "-a.example.test")
DNS(dns_underscore, "a_b.example.test")
DNS(dns_space, "a b.example.test")
DNS(dns_star_inside, "a.*.example.test")
DNS(dns_star_part, "a*.example.test")
DNS(dns_a_label, "xn--a-ecp.example.test")
DNS(dns_r_label, "ab--c.example.test")
DNS(dns_number, "10.1.2.3")
DNS(dns_elsewhere, "a.example.com")
DNS(dns_lookalike, "notexample.test")
DNS(dns_below_exact, "a.localhost")
DNS(dns_wild_exact, "*.localhost")
DNS(dns_wild_deep, "*.b.example.test")
DNS(dns_service, "ca.chancery.test")
DNS(dns_service_itself, "chancery.test")
CHANGE(dns_nul)
{
    one_san(f, 3, "x.example.test");
    f->sans[0].value = slice_of("a\0x.example.test", 16);
    fix_san_ext(f);
}
#define OTHER(name, type, text)                                                                    \
    CHANGE(name)                                                                                   \
    {                                                                                              \
        one_san(f, type, text);                                                                    \
    }
OTHER(email_elsewhere, 2, "a@example.com")
OTHER(email_below, 2, "a@sub.example.test")
OTHER(email_two_at, 2, "a@example.com@example.test")
OTHER(email_no_local, 2, "@example.test")
OTHER(email_dots, 2, "a..b@example.test")
OTHER(email_service, 2, "a@chancery.test")
OTHER(uri_elsewhere, 7, "https://id.example.com/d/7")
OTHER(uri_userinfo, 7, "https://id.example.test@evil.test/d/7")
OTHER(uri_dots, 7, "https://id.example.test/d/../admin")
OTHER(uri_encoded_dots, 7, "https://id.example.test/d/%2E%2e/admin")
OTHER(uri_spiffe_elsewhere, 7, "spiffe://other.test/x")
OTHER(uri_spiffe_bad, 7, "spiffe://mesh.test/x?y")
OTHER(uri_spiffe_no_path, 7, "spiffe://mesh.test")
OTHER(uri_service, 7, "spiffe://chancery.test/chancery/ca")
OTHER(uri_service_port, 7, "https://ca.chancery.test:443/x")
OTHER(directory_name, 5, "0")
OTHER(other_name, 1, "0")
CHANGE(ip_elsewhere)
{
    f->sans[4].value = slice_of("\x0a\2\2\3", 4);
    fix_san_ext(f);
}
CHANGE(ip_v6_elsewhere)
{
    f->sans[4].value = slice_of("\x20\x01\x0d\xb8\x80\0\0\0\0\0\0\0\0\0\0\1", 16);
    fix_san_ext(f);
}
CHANGE(ip_length)
{
    f->sans[4].value = slice_of("\x0a\1\2\3\xff\xff\xff\xff", 8);
    fix_san_ext(f);
}

/* ---- extensions ---- */

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
    rsa_usage(f);
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

/* ---- changes to the written TBS ---- */

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
CHANGE(bend_sans)
{
    fix_replace(f, slice_str("a.example.test\x86"), slice_str("b.example.test\x86"));
}
CHANGE(keep_as_it_is)
{
    (void)f;
}

struct rule_case {
    const char *rule;
    void (*plan)(struct fix *f);
    void (*bend)(struct fix *f);
};
#define PLAN(rule, plan)                                                                           \
    {                                                                                              \
        rule, plan, keep_as_it_is                                                                  \
    }
#define BEND(rule, bend)                                                                           \
    {                                                                                              \
        rule, keep_as_it_is, bend                                                                  \
    }

static const struct rule_case cases[] = {
    PLAN("profile.known", other_profile),
    PLAN("tenant.allowed", other_tenant),
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
    PLAN("key.request", other_key),
    PLAN("key.own", issuers_key),
    PLAN("key.own", permit_key),
    PLAN("key.type", key_curve),
    PLAN("key.sound", key_unknown_curve),
    PLAN("key.sound", key_off_curve),
    PLAN("key.sound", rsa_even),
    PLAN("key.sound", rsa_exponent_1),
    PLAN("key.type", rsa_small),
    PLAN("rsa.exponent", rsa_exponent_3),
    PLAN("rsa.modulus.small_factor", rsa_factor_757),
    PLAN("rsa.modulus.small_factor", rsa_factor_65521),
    PLAN("rsa.modulus.close_primes", rsa_close),
    PLAN("rsa.modulus.close_primes", rsa_close_some_rounds),
    PLAN("rsa.modulus.close_primes", rsa_square),
    PLAN("subject.request", subject_multi),
    PLAN("subject.request", subject_bmp),
    PLAN("subject.required", subject_incomplete),
    PLAN("subject.unlisted", subject_extra),
    PLAN("subject.unlisted", subject_second_cn),
    PLAN("subject.characters", subject_bidi),
    PLAN("subject.characters", subject_control),
    PLAN("subject.characters", subject_nul),
    PLAN("subject.characters", subject_bad_utf8),
    PLAN("subject.values", subject_long),
    PLAN("subject.cn_in_names", subject_cn_elsewhere),
    PLAN("subject.service_name", subject_cn_service),
    PLAN("subject.service_name", subject_cn_spiffe),
    PLAN("subject.exact", subject_order),
    PLAN("subject.exact", subject_fixed_other),
    PLAN("subject.exact", subject_left_out),
    PLAN("subject.exact", subject_added),
    PLAN("subject.exact", subject_string_type),
    PLAN("san.required", san_none),
    PLAN("san.count", san_many),
    PLAN("san.sorted", san_unsorted),
    PLAN("san.exact", san_other_in_tbs),
    PLAN("san.exact", san_more_in_tbs),
    PLAN("san.exact", san_fewer_in_tbs),
    BEND("san.exact", bend_sans),
    PLAN("san.critical", san_critical),
    PLAN("san.dns.syntax", dns_upper),
    PLAN("san.dns.syntax", dns_empty_label),
    PLAN("san.dns.syntax", dns_leading_dot),
    PLAN("san.dns.syntax", dns_trailing_dot),
    PLAN("san.dns.syntax", dns_hyphen),
    PLAN("san.dns.syntax", dns_underscore),
    PLAN("san.dns.syntax", dns_space),
    PLAN("san.dns.syntax", dns_star_inside),
    PLAN("san.dns.syntax", dns_star_part),
    PLAN("san.dns.syntax", dns_a_label),
    PLAN("san.dns.syntax", dns_r_label),
    PLAN("san.dns.syntax", dns_number),
    PLAN("san.dns.syntax", dns_nul),
    PLAN("san.dns.allowed", dns_elsewhere),
    PLAN("san.dns.allowed", dns_lookalike),
    PLAN("san.dns.allowed", dns_below_exact),
    PLAN("san.dns.allowed", dns_wild_exact),
    PLAN("san.dns.wildcard", dns_wild_deep),
    PLAN("san.service_name", dns_service),
    PLAN("san.service_name", dns_service_itself),
    PLAN("san.email.allowed", email_elsewhere),
    PLAN("san.email.allowed", email_below),
    PLAN("san.email.allowed", email_two_at),
    PLAN("san.email.allowed", email_no_local),
    PLAN("san.email.allowed", email_dots),
    PLAN("san.service_name", email_service),
    PLAN("san.uri.allowed", uri_elsewhere),
    PLAN("san.uri.allowed", uri_userinfo),
    PLAN("san.uri.allowed", uri_dots),
    PLAN("san.uri.allowed", uri_encoded_dots),
    PLAN("san.uri.allowed", uri_spiffe_elsewhere),
    PLAN("san.uri.allowed", uri_spiffe_bad),
    PLAN("san.uri.allowed", uri_spiffe_no_path),
    PLAN("san.service_name", uri_service),
    PLAN("san.service_name", uri_service_port),
    PLAN("san.type", directory_name),
    PLAN("san.type", other_name),
    PLAN("san.ip.allowed", ip_elsewhere),
    PLAN("san.ip.allowed", ip_v6_elsewhere),
    PLAN("san.ip.allowed", ip_length),
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
#define N_CASES (sizeof cases / sizeof *cases)

static void run(struct fix *f, const struct rule_case *c)
{
    c->plan(f);
    fix_build(f);
    c->bend(f);
    fix_judge(f);
}

static void print_failures(const struct fix *f)
{
    for (size_t i = 0; i < f->v.n; i++) {
        const struct policy_rule *r = &f->v.rules[i];
        if (r->outcome == POLICY_FAIL) {
            print_message("  %s: %s observed '%s' required '%s' (%s)\n", r->rule, r->field,
                          r->observed, r->required, r->source);
        }
    }
}

static void base_is_permitted(void **state)
{
    (void)state;
    struct fix f;
    static const struct rule_case none = PLAN("", keep_as_it_is);
    fix_init(&f);
    run(&f, &none);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    for (size_t i = 0; i < f.v.n; i++) {
        assert_true(f.v.rules[i].outcome == POLICY_PASS || f.v.rules[i].outcome == POLICY_NA);
        assert_true(f.v.rules[i].source[0] != '\0' && f.v.rules[i].field[0] != '\0');
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(f.v.rules[i].rule, f.v.rules[k].rule);
        }
    }
    fix_clear(&f);
}

static void each_case_fails_its_rule(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        struct fix f;
        fix_init(&f);
        run(&f, &cases[i]);
        if (f.v.verdict != POLICY_FAIL || fix_outcome(&f, cases[i].rule) != POLICY_FAIL) {
            print_failures(&f);
            fail_msg("case %zu: %s did not fail", i, cases[i].rule);
        }
        fix_clear(&f);
    }
}

/* Rules whose failing case stops nothing else: the cause alone is reported. */
static void single_cause_is_reported_alone(void **state)
{
    (void)state;
    static const char *const alone[] = {"tenant.allowed",
                                        "caller.requester",
                                        "issuer.name",
                                        "serial.entropy",
                                        "validity.issuer",
                                        "key.own",
                                        "rsa.exponent",
                                        "rsa.modulus.small_factor",
                                        "rsa.modulus.close_primes",
                                        "subject.exact",
                                        "san.critical",
                                        "ext.key_usage",
                                        "ext.unknown",
                                        "ext.ocsp_nocheck",
                                        "ext.basic_constraints",
                                        "ext.crl_distribution_points",
                                        "ext.authority_info_access"};
    for (size_t i = 0; i < N_CASES; i++) {
        struct fix f;
        bool listed = false;
        for (size_t k = 0; k < sizeof alone / sizeof *alone; k++) {
            listed = listed || strcmp(alone[k], cases[i].rule) == 0;
        }
        if (!listed) {
            continue;
        }
        fix_init(&f);
        run(&f, &cases[i]);
        for (size_t k = 0; k < f.v.n; k++) {
            if (f.v.rules[k].outcome == POLICY_FAIL &&
                strcmp(f.v.rules[k].rule, cases[i].rule) != 0) {
                fail_msg("case %zu (%s) also fails %s", i, cases[i].rule, f.v.rules[k].rule);
            }
        }
        fix_clear(&f);
    }
}

static void good_variants_are_permitted(void **state)
{
    (void)state;
    struct fix f;
    static const struct rule_case rsa = PLAN("", rsa_good);
    fix_init(&f);
    run(&f, &rsa);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "rsa.exponent"), POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "rsa.modulus.close_primes"), POLICY_PASS);
    fix_clear(&f);

    static const char *const dns[] = {"example.test", "x.y.z.example.test", "*.deep.example.test",
                                      "localhost"};
    for (size_t i = 0; i < 4; i++) {
        fix_init(&f);
        one_san(&f, 3, dns[i]);
        if (i == 3) {
            f.subject_asked[1].value = f.subject[2].value = slice_str("localhost");
        }
        fix_build(&f);
        fix_judge(&f);
        print_failures(&f);
        assert_int_equal(f.v.verdict, POLICY_PASS);
        fix_clear(&f);
    }
    /* CN from the first DNS name, an IP as CN, a gateway speaking for a user, CN left to the
     * template. */
    fix_init(&f);
    f.n_asked = 1;
    f.subject[2].value = slice_str("*.example.test");
    f.request.evidence.caller = slice_str("spiffe://chancery.test/chancery/acme");
    fix_build(&f);
    fix_judge(&f);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    fix_clear(&f);
    fix_init(&f);
    f.subject_asked[1].value = f.subject[2].value = slice_str("10.1.2.3");
    fix_build(&f);
    fix_judge(&f);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    fix_clear(&f);
}

static void empty_subject_needs_critical_names(void **state)
{
    (void)state;
    for (int critical = 0; critical < 2; critical++) {
        struct fix f;
        fix_init(&f);
        policy_bundle_free(f.bundle);
        f.bundle = fix_bundle("  attributes:\n"
                              "    - {type: C, fixed: XX}\n"
                              "    - {type: O, from: request, required: true}\n"
                              "    - {type: CN, from: request}\n"
                              "  unlisted: refuse\n",
                              "  unlisted: drop\n");
        f.n_subject = 0;
        if (critical == 1) {
            san_critical(&f);
        }
        fix_build(&f);
        fix_judge(&f);
        assert_int_equal(f.v.verdict, critical == 1 ? POLICY_PASS : POLICY_FAIL);
        assert_int_equal(fix_outcome(&f, "san.critical"),
                         critical == 1 ? POLICY_PASS : POLICY_FAIL);
        fix_clear(&f);
    }
}

static void without_trust_domain_nothing_passes(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    f.bundle->trust_domain = slice_of(NULL, 0);
    fix_build(&f);
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    assert_int_equal(fix_outcome(&f, "san.service_name"), POLICY_FAIL);
    fix_clear(&f);
}

static void request_alone_is_judged_without_tbs(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    f.facts.tbs = slice_of(NULL, 0);
    fix_judge(&f);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    assert_int_equal(fix_outcome(&f, "tbs.format"), POLICY_NA);
    assert_int_equal(fix_outcome(&f, "ext.duplicate"), POLICY_NA);
    f.sans[2].value = slice_str("evil.example");
    fix_judge(&f);
    assert_int_equal(f.v.verdict, POLICY_FAIL);
    fix_clear(&f);
}

static void every_rule_has_a_failing_case(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    fix_judge(&f);
    assert_true(f.v.n > 50);
    for (size_t i = 0; i < f.v.n; i++) {
        bool covered = false;
        for (size_t k = 0; k < N_CASES; k++) {
            covered = covered || strcmp(cases[k].rule, f.v.rules[i].rule) == 0;
        }
        if (!covered) {
            fail_msg("no failing case for %s", f.v.rules[i].rule);
        }
    }
    fix_clear(&f);
}

static void same_facts_give_same_digest(void **state)
{
    (void)state;
    struct fix f;
    uint8_t first[32];
    fix_init(&f);
    fix_build(&f);
    fix_judge(&f);
    memcpy(first, f.v.rules_sha256, 32);
    memset(&f.v, 0xa5, sizeof f.v);
    fix_judge(&f);
    assert_memory_equal(first, f.v.rules_sha256, 32);
    f.facts.now_s++;
    fix_judge(&f);
    assert_memory_not_equal(first, f.v.rules_sha256, 32);
    fix_clear(&f);
}

/* The same certificate written by OpenSSL instead of lib/x509. */
static void tbs_written_by_openssl_is_permitted(void **state)
{
    (void)state;
    struct fix f;
    fix_init(&f);
    fix_build(&f);
    X509 *x = X509_new();
    const uint8_t *p = f.t.spki.ptr;
    EVP_PKEY *key = d2i_PUBKEY(NULL, &p, (long)f.t.spki.len), *signer = EVP_EC_gen("P-256");
    BIGNUM *serial = BN_bin2bn(f.serial, 16, NULL);
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_non_null(BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x)));
    p = f.issuer.subject.ptr;
    X509_NAME *name = d2i_X509_NAME(NULL, &p, (long)f.issuer.subject.len);
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    X509_NAME_free(name);
    name = X509_NAME_new();
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const uint8_t *)"XX", -1, -1, 0), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                (const uint8_t *)"Example Ltd", -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const uint8_t *)"a.example.test", -1, -1, 0),
                     1);
    assert_int_equal(X509_set_subject_name(x, name), 1);
    X509_NAME_free(name);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), f.t.not_before_s));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), f.t.not_after_s));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    for (size_t i = 0; i < f.n_ext; i++) {
        ASN1_OCTET_STRING *v = ASN1_OCTET_STRING_new();
        char oid[64];
        struct buf text CLEANUP(buf_clear);
        buf_init(&text, 64);
        assert_int_equal(der_oid_text(f.ext[i].oid, &text), CH_OK);
        (void)snprintf(oid, sizeof oid, "%.*s", (int)text.len, (const char *)text.ptr);
        ASN1_OBJECT *o = OBJ_txt2obj(oid, 1);
        assert_int_equal(ASN1_OCTET_STRING_set(v, f.ext[i].value.ptr, (int)f.ext[i].value.len), 1);
        X509_EXTENSION *e = X509_EXTENSION_create_by_OBJ(NULL, o, f.ext[i].critical, v);
        assert_int_equal(X509_add_ext(x, e, -1), 1);
        X509_EXTENSION_free(e);
        ASN1_OBJECT_free(o);
        ASN1_OCTET_STRING_free(v);
    }
    assert_true(X509_sign(x, signer, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int n = i2d_re_X509_tbs(x, &der);
    assert_true(n > 0);
    f.facts.tbs = slice_of(der, (size_t)n);
    fix_judge(&f);
    print_failures(&f);
    assert_int_equal(f.v.verdict, POLICY_PASS);
    OPENSSL_free(der);
    BN_free(serial);
    EVP_PKEY_free(key);
    EVP_PKEY_free(signer);
    X509_free(x);
    fix_clear(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base_is_permitted),
        cmocka_unit_test(each_case_fails_its_rule),
        cmocka_unit_test(single_cause_is_reported_alone),
        cmocka_unit_test(good_variants_are_permitted),
        cmocka_unit_test(empty_subject_needs_critical_names),
        cmocka_unit_test(without_trust_domain_nothing_passes),
        cmocka_unit_test(request_alone_is_judged_without_tbs),
        cmocka_unit_test(every_rule_has_a_failing_case),
        cmocka_unit_test(same_facts_give_same_digest),
        cmocka_unit_test(tbs_written_by_openssl_is_permitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
