/* tbs/build.c: what it writes for every shipped profile and key type, the policy engine's
 * own reader passes, and OpenSSL reads and verifies. */
#include "samples.h"

#include <stdio.h>

#include <openssl/x509v3.h>

#include "tbs/tbs.h"

#define TEXT(z) slice_of((z), sizeof(z) - 1)
#define NOW 1763690000

struct fixture {
    struct arena arena;
    struct policy_issuer issuer;
    EVP_PKEY *issuer_key;
    struct policy_bundle *bundle;
};

static void make_issuer(struct fixture *f, enum crypto_key_type type)
{
    f->issuer_key = samples_key(type);
    struct buf spki, name, basic, ski, tbs, sig, der;
    struct buf *const all[] = {&spki, &name, &basic, &ski, &tbs, &sig, &der};
    for (size_t i = 0; i < 7; i++) {
        buf_init(all[i], 1 << 16);
    }
    const struct x509_rdn cn = {X509_OID_CN, TEXT("Issuing 1")};
    const uint8_t serial[] = {1};
    enum crypto_alg alg = crypto_alg_default(type);
    samples_spki(f->issuer_key, &spki);
    assert_int_equal(x509_name_write(&cn, 1, &name, NULL), CH_OK);
    assert_int_equal(x509_ext_basic(true, 0, &basic), CH_OK);
    assert_int_equal(x509_ext_ski(buf_slice(&spki), &ski), CH_OK);
    const struct x509_extension ext[] = {{X509_EXT_BASIC, true, buf_slice(&basic)},
                                         {X509_EXT_SKI, false, buf_slice(&ski)}};
    const struct x509_tbs t = {slice_of(serial, 1),
                               alg,
                               buf_slice(&name),
                               NOW - 1000,
                               NOW + 3000LL * 86400,
                               buf_slice(&name),
                               buf_slice(&spki),
                               ext,
                               2};
    assert_int_equal(x509_tbs_write(&t, &tbs), CH_OK);
    samples_sign(f->issuer_key, alg, buf_slice(&tbs), &sig);
    assert_int_equal(x509_assemble(buf_slice(&tbs), alg, buf_slice(&sig), &der), CH_OK);
    const uint8_t *copy = arena_copy(&f->arena, buf_slice(&der));
    struct x509_cert cert;
    assert_int_equal(x509_cert_read(slice_of(copy, der.len), &f->arena, &cert, NULL), CH_OK);
    f->issuer.issuer_id = "issuing-1";
    f->issuer.subject = cert.subject;
    f->issuer.ski = cert.ski;
    f->issuer.key_type = type;
    f->issuer.not_after_s = cert.not_after_s;
    crypto_sha256(cert.spki, f->issuer.spki_sha256);
    f->issuer.shards = 64;
    f->issuer.crl_url_base = "http://crl.example.test";
    f->issuer.ocsp_url = "http://ocsp.example.test";
    f->issuer.aia_url_base = "http://aia.example.test";
    for (size_t i = 0; i < 7; i++) {
        buf_clear(all[i]);
    }
}

static void open_fixture(struct fixture *f, enum crypto_key_type issuer)
{
    struct diag d = {0};
    *f = (struct fixture){0};
    arena_init(&f->arena, 0);
    make_issuer(f, issuer);
    assert_int_equal(policy_bundle_load(TEST_SOURCE_DIR "/policy/bundles/default", &f->bundle, &d),
                     CH_OK);
    assert_int_equal(policy_bundle_set_trust_domain(f->bundle, "chancery.test"), CH_OK);
}

static void close_fixture(struct fixture *f)
{
    policy_bundle_free(f->bundle);
    EVP_PKEY_free(f->issuer_key);
    arena_clear(&f->arena);
}

static const uint8_t digest[32] = {1};

static struct permit_request request(const char *profile, struct slice subject,
                                     const struct permit_san *sans, size_t n_sans,
                                     const struct crypto_public *key)
{
    return (struct permit_request){
        .request_id = slice_of(digest, 16),
        .tenant = slice_str("default"),
        .profile = slice_str(profile),
        .requester = slice_str("spiffe://chancery.test/user/alice"),
        .spki_sha256 = slice_of(crypto_public_spki_sha256(key), 32),
        .subject_der = subject,
        .sans = sans,
        .n_sans = n_sans,
        .evidence = {.protocol = slice_str("grpc"),
                     .caller = slice_str("spiffe://chancery.test/user/alice"),
                     .client_cert_sha256 = slice_of(digest, 32),
                     .proof = slice_str("pkcs10"),
                     .proof_sha256 = slice_of(digest, 32)}};
}

static void build(struct fixture *f, const struct permit_request *r,
                  const struct crypto_public *key, struct tbs_built *out)
{
    struct tbs_profile profile;
    uint8_t serial[TBS_SERIAL];
    struct diag d = {0};
    const struct policy_profile *p = policy_profile_find(f->bundle, r->profile);
    assert_non_null(p);
    assert_int_equal(
        tbs_profile_prepare(policy_profile_template(p), &f->issuer, &f->arena, &profile), CH_OK);
    for (size_t i = 0; i < sizeof serial; i++) {
        serial[i] = (uint8_t)(0x13 + 7 * i);
    }
    const struct tbs_input in = {&profile, r, key, slice_of(serial, sizeof serial), NOW};
    assert_int_equal(tbs_build(&in, &f->arena, out, &d), CH_OK);
    assert_int_equal(out->shard, x509_shard(slice_of(serial, sizeof serial), 64));
}

static void expect_judged(struct fixture *f, const struct permit_request *r,
                          const struct tbs_built *built)
{
    static struct policy_verdict verdict;
    const struct policy_facts facts = {
        .request = r, .tbs = built->tbs, .issuer = &f->issuer, .now_s = NOW};
    policy_judge_certificate(f->bundle, &facts, &verdict);
    for (size_t i = 0; i < verdict.n; i++) {
        if (verdict.rules[i].outcome == POLICY_FAIL) {
            fail_msg("%.*s: %s %s: saw \"%s\", wanted \"%s\"", (int)r->profile.len,
                     (const char *)r->profile.ptr, verdict.rules[i].rule, verdict.rules[i].field,
                     verdict.rules[i].observed, verdict.rules[i].required);
        }
    }
    assert_int_equal(verdict.verdict, POLICY_PASS);
}

static void expect_openssl_verifies(struct fixture *f, const struct tbs_built *built)
{
    struct buf sig, der;
    buf_init(&sig, 1024);
    buf_init(&der, 1 << 16);
    samples_sign(f->issuer_key, crypto_alg_default(f->issuer.key_type), built->tbs, &sig);
    assert_int_equal(
        x509_assemble(built->tbs, crypto_alg_default(f->issuer.key_type), buf_slice(&sig), &der),
        CH_OK);
    const uint8_t *p = der.ptr;
    X509 *cert = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(cert);
    assert_int_equal(X509_verify(cert, f->issuer_key), 1);
    uint8_t *again = NULL;
    int len = i2d_re_X509_tbs(cert, &again);
    assert_true(slice_eq(slice_of(again, (size_t)len), built->tbs));
    OPENSSL_free(again);
    X509_free(cert);
    buf_clear(&sig);
    buf_clear(&der);
}

static struct crypto_public *public_of(enum crypto_key_type type)
{
    EVP_PKEY *key = samples_key(type);
    struct buf spki;
    struct crypto_public *k;
    buf_init(&spki, 4096);
    samples_spki(key, &spki);
    assert_int_equal(crypto_public_from_spki(buf_slice(&spki), &k, NULL), CH_OK);
    buf_clear(&spki);
    EVP_PKEY_free(key);
    return k;
}

static const uint8_t empty_name[] = {0x30, 0};
static const struct permit_san web_sans[] = {{3, {(const uint8_t *)"a.example.test", 14}},
                                             {3, {(const uint8_t *)"localhost", 9}},
                                             {8, {(const uint8_t *)"\x0a\1\2\3", 4}}};

static void every_key_under_every_issuer_passes_the_judge(void **state)
{
    (void)state;
    static const enum crypto_key_type issuers[] = {CRYPTO_KEY_P256, CRYPTO_KEY_P384,
                                                   CRYPTO_KEY_RSA_2048};
    static const enum crypto_key_type keys[] = {CRYPTO_KEY_P256, CRYPTO_KEY_P384,
                                                CRYPTO_KEY_RSA_2048, CRYPTO_KEY_RSA_3072};
    for (size_t i = 0; i < 3; i++) {
        struct fixture f;
        open_fixture(&f, issuers[i]);
        for (size_t k = 0; k < 4; k++) {
            struct crypto_public *key = public_of(keys[k]);
            struct permit_request r = request("web", slice_of(empty_name, 2), web_sans, 3, key);
            struct tbs_built built;
            build(&f, &r, key, &built);
            expect_judged(&f, &r, &built);
            expect_openssl_verifies(&f, &built);
            crypto_public_free(key);
        }
        close_fixture(&f);
    }
}

static void shipped_profiles_pass_the_judge(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, CRYPTO_KEY_P256);
    struct crypto_public *key = public_of(CRYPTO_KEY_P256);
    struct buf client, device, web;
    const struct x509_rdn client_rdns[] = {
        {X509_OID_CN, TEXT("alice")}, {X509_OID_O, TEXT("dropped")}, {X509_OID_OU, TEXT("Team")}};
    const struct x509_rdn device_rdns[] = {{X509_OID_CN, TEXT("sensor")},
                                           {X509_OID_SERIAL_NUMBER, TEXT("A-1")}};
    const struct x509_rdn web_rdn = {X509_OID_CN, TEXT("a.example.test")};
    buf_init(&client, 4096);
    buf_init(&device, 4096);
    buf_init(&web, 4096);
    assert_int_equal(x509_name_write(client_rdns, 3, &client, NULL), CH_OK);
    assert_int_equal(x509_name_write(device_rdns, 2, &device, NULL), CH_OK);
    assert_int_equal(x509_name_write(&web_rdn, 1, &web, NULL), CH_OK);
    const struct {
        const char *profile;
        struct slice subject;
        const struct permit_san *sans;
        size_t n;
        const char *text;
    } rows[] = {{"client", buf_slice(&client), NULL, 0, "OU=Team,CN=alice"},
                {"device", buf_slice(&device), NULL, 0, "serialNumber=A-1,CN=sensor,O=Example"},
                {"web", buf_slice(&web), web_sans, 3, "CN=a.example.test"},
                {"web", slice_of(empty_name, 2), web_sans, 3, NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct permit_request r =
            request(rows[i].profile, rows[i].subject, rows[i].sans, rows[i].n, key);
        struct tbs_built built;
        struct buf text;
        buf_init(&text, 4096);
        build(&f, &r, key, &built);
        expect_judged(&f, &r, &built);
        expect_openssl_verifies(&f, &built);
        assert_int_equal(x509_name_text(built.subject, &text), CH_OK);
        if (rows[i].text != NULL) {
            assert_true(slice_eq(buf_slice(&text), slice_str(rows[i].text)));
        }
        buf_clear(&text);
    }
    crypto_public_free(key);
    buf_clear(&client);
    buf_clear(&device);
    buf_clear(&web);
    close_fixture(&f);
}

static void life_is_asked_for_and_bounded(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, CRYPTO_KEY_P256);
    struct crypto_public *key = public_of(CRYPTO_KEY_P256);
    struct permit_request r = request("web", slice_of(empty_name, 2), web_sans, 3, key);
    struct tbs_built built;
    build(&f, &r, key, &built);
    assert_true(built.not_before_s == NOW - 3600 && built.not_after_s == NOW + 90LL * 86400);
    r.max_validity_s = 3600;
    build(&f, &r, key, &built);
    assert_true(built.not_after_s == NOW + 3600);
    expect_judged(&f, &r, &built);
    r.max_validity_s = 4000000000U;
    build(&f, &r, key, &built);
    assert_true(built.not_after_s == NOW + 90LL * 86400);
    f.issuer.not_after_s = NOW + 86400; /* never past the issuer's own end */
    build(&f, &r, key, &built);
    assert_true(built.not_after_s == NOW + 86400);
    expect_judged(&f, &r, &built);
    crypto_public_free(key);
    close_fixture(&f);
}

static void end_is_rounded_down_and_never_past_the_issuer(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, CRYPTO_KEY_P256);
    struct crypto_public *key = public_of(CRYPTO_KEY_P256);
    struct permit_request r = request("web", slice_of(empty_name, 2), web_sans, 3, key);
    struct policy_template t =
        *policy_profile_template(policy_profile_find(f.bundle, slice_str("web")));
    struct tbs_profile profile;
    struct tbs_built built;
    struct diag d = {0};
    const uint8_t serial[TBS_SERIAL] = {1};
    t.round_s = 86400;
    assert_int_equal(tbs_profile_prepare(&t, &f.issuer, &f.arena, &profile), CH_OK);
    const struct tbs_input in = {&profile, &r, key, slice_of(serial, sizeof serial), NOW};
    const int64_t midnight = NOW - NOW % 86400;
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_OK);
    assert_true(built.not_after_s == midnight + 90LL * 86400);
    r.max_validity_s = 86400; /* less than a day is left to the last midnight of it */
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_OK);
    assert_true(built.not_after_s == midnight + 86400);
    f.issuer.not_after_s = midnight + 10LL * 86400 + 5;
    r.max_validity_s = 0;
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_OK);
    assert_true(built.not_after_s == midnight + 10LL * 86400);
    r.max_validity_s = 60;
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_INVALID);
    assert_string_equal(d.rule, "build.validity");
    r.max_validity_s = 0;
    f.issuer.not_after_s = NOW; /* it has ended */
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_INVALID);
    assert_string_equal(d.rule, "build.validity");
    crypto_public_free(key);
    close_fixture(&f);
}

static void names_that_cannot_be_written_refused(void **state)
{
    (void)state;
    struct fixture f;
    open_fixture(&f, CRYPTO_KEY_P256);
    struct crypto_public *key = public_of(CRYPTO_KEY_P256);
    char long_cn[65];
    memset(long_cn, 'x', sizeof long_cn);
    struct buf name;
    buf_init(&name, 4096);
    samples_name(X509_OID_CN, DER_UTF8, slice_of(long_cn, 65), &name);
    struct permit_request r = request("client", buf_slice(&name), NULL, 0, key);
    struct tbs_profile profile;
    struct tbs_built built = {.shard = 77};
    struct diag d = {0};
    const uint8_t serial[TBS_SERIAL] = {1};
    assert_int_equal(tbs_profile_prepare(policy_profile_template(
                                             policy_profile_find(f.bundle, slice_str("client"))),
                                         &f.issuer, &f.arena, &profile),
                     CH_OK);
    const struct tbs_input in = {&profile, &r, key, slice_of(serial, sizeof serial), NOW};
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_INVALID);
    assert_string_equal(d.rule, "name.length");
    assert_int_equal(built.shard, 77);
    r.subject_der = slice_of("\x30\x01", 2);
    assert_int_equal(tbs_build(&in, &f.arena, &built, &d), CH_MALFORMED);
    assert_string_equal(d.rule, "build.subject");
    buf_clear(&name);
    crypto_public_free(key);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_under_every_issuer_passes_the_judge),
        cmocka_unit_test(shipped_profiles_pass_the_judge),
        cmocka_unit_test(life_is_asked_for_and_bounded),
        cmocka_unit_test(end_is_rounded_down_and_never_past_the_issuer),
        cmocka_unit_test(names_that_cannot_be_written_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
