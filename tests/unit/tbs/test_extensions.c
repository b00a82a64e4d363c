/* What the writer makes of profiles with every kind of extension, key type and issuer: the judge
 * passes it, OpenSSL reads and prints it. */
#include "samples.h"

#include <stdio.h>

#include <openssl/x509v3.h>

#include "tbs/tbs.h"
#include "tbs/tbs_int.h"

#define NOW 1763690000
#define BYTES(s) slice_of((s), sizeof(s) - 1)

static const char HEAD[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char BASE[] =
    "name: base\nissuer: issuing-1\ncallers: ['/user/*']\n"
    "keys: {types: [P-256, P-384, P-521, RSA-2048, RSA-3072, RSA-4096, Ed25519]}\n"
    "signature_algorithms: [ecdsa-with-SHA256]\nvalidity: {max: 90d, backdate: 1h, round: 1h}\n"
    "subject: {attributes: [{type: CN, from: request}], cn_in_names: false}\n"
    "names: {required: false}\nextensions: {key_usage: [digitalSignature]}\n";
static const char CA[] =
    "name: ca\nextends: base\nvalidity: {max: 3650d}\nextensions:\n"
    "  key_usage: [keyCertSign, cRLSign]\n  ca: {path_length: 0}\n"
    "  name_constraints:\n"
    "    permitted:\n      dns: [example.test]\n      ip: [10.0.0.0/8, '2001:db8::/32']\n"
    "      email: [example.test, .example.test]\n      uri: [.example.test]\n"
    "      directory: [{attributes: [{type: C, fixed: XX}, {type: O, fixed: Example}]}]\n"
    "    excluded: {dns: [secret.example.test], ip: ['0.0.0.0/0']}\n"
    "  policies: [{oid: 2.5.29.32.0, cps: 'https://example.test/cps'}, 1.2.3]\n";
static const char OCSP[] = "name: ocsp\nextends: base\nextensions:\n"
                           "  extended_key_usage: [OCSPSigning]\n  ocsp_nocheck: true\n"
                           "  crl_url: false\n  ocsp_url: false\n";
static const char STAMP[] = "name: stamp\nextends: base\nextensions:\n"
                            "  extended_key_usage: {fixed: [timeStamping], critical: true}\n";
static const char LEAF[] =
    "name: leaf\nextends: base\nextensions:\n"
    "  extended_key_usage: {from: request, allowed: [serverAuth, clientAuth], default: "
    "[clientAuth]}\n"
    "  tls_feature: [status_request, status_request_v2]\n  no_rev_avail: auto\n"
    "  custom:\n"
    "    - {oid: 1.2.3.1, value: {utf8: 'zwölf'}}\n"
    "    - {oid: 1.2.3.2, critical: true, value: {integer: -129}}\n"
    "    - {oid: 1.2.3.3, value: {boolean: true}}\n"
    "    - oid: 1.2.3.4\n"
    "      value:\n"
    "        sequence:\n"
    "          - {set: [{printable: b}, {sequence: []}, {utf8: a}, {integer: 0}, {printable: a}]}\n"
    "          - {explicit: {tag: 0, value: {ia5: a@b}}}\n"
    "          - {implicit: {tag: 1, value: {octets: 00ff}}}\n"
    "          - {implicit: {tag: 2, value: {sequence: [{\"null\": true}, {oid: 1.2.840}]}}}\n"
    "          - {set: [{octets: '02'}, {octets: '01'}, {octets: ''}, {bits: '8000'}]}\n"
    "          - {enumerated: 128}\n"
    "    - {oid: 1.2.3.5, from: request, type: octets, max: 4}\n"
    "lints: {severity: {lint.cert.extension_unknown: warning}}\n";

struct fixture {
    struct arena arena;
    struct policy_issuer issuer;
    struct policy_bundle *bundle;
};

static void open_fixture(struct fixture *f)
{
    const struct policy_file files[] = {
        {"bundle.yaml", slice_str(HEAD)},        {"bases/base.yaml", slice_str(BASE)},
        {"profiles/ca.yaml", slice_str(CA)},     {"profiles/leaf.yaml", slice_str(LEAF)},
        {"profiles/ocsp.yaml", slice_str(OCSP)}, {"profiles/stamp.yaml", slice_str(STAMP)}};
    static const uint8_t ski[20] = {7};
    struct diag d = {0};
    *f =
        (struct fixture){.issuer = {.issuer_id = "issuing-1",
                                    .subject = BYTES("\x30\x0c\x31\x0a\x30\x08\6\3\x55\4\3\x0c\1I"),
                                    .ski = slice_of(ski, 20),
                                    .key_type = CRYPTO_KEY_P256,
                                    .not_after_s = NOW + 4000LL * 86400,
                                    .shards = 64,
                                    .cas_below = 1,
                                    .crl_url_base = "http://crl.example.test",
                                    .ocsp_url = "http://ocsp.example.test",
                                    .aia_url_base = "http://aia.example.test"}};
    arena_init(&f->arena, 0);
    if (policy_bundle_compile(files, 6, &f->bundle, &d) != CH_OK) {
        fail_msg("%s %s %s", d.field, d.rule, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(f->bundle, "chancery.test"), CH_OK);
}

static void close_fixture(struct fixture *f)
{
    policy_bundle_free(f->bundle);
    arena_clear(&f->arena);
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

/* Builds and has it judged. */
static void build(struct fixture *f, const char *profile, enum crypto_key_type type,
                  const struct permit_extension *ext, size_t n_ext, uint32_t life,
                  struct tbs_built *out)
{
    static const uint8_t digest[32] = {1};
    static struct policy_verdict v;
    struct crypto_public *key = public_of(type);
    struct diag d = {0};
    const struct permit_request r = {
        .request_id = slice_of(digest, 16),
        .tenant = slice_str("default"),
        .profile = slice_str(profile),
        .requester = slice_str("spiffe://chancery.test/user/alice"),
        .spki_sha256 = slice_of(crypto_public_spki_sha256(key), 32),
        .subject_der = BYTES("\x30\x0f\x31\x0d\x30\x0b\6\3\x55\4\3\x0c\4name"),
        .extensions = ext,
        .n_extensions = n_ext,
        .max_validity_s = life,
        .evidence = {.protocol = slice_str("grpc"),
                     .caller = slice_str("spiffe://chancery.test/user/alice"),
                     .proof = slice_str("pkcs10")}};
    struct tbs_profile prepared;
    uint8_t serial[TBS_SERIAL];
    for (size_t i = 0; i < sizeof serial; i++) {
        serial[i] = (uint8_t)(0x13 + 7 * i);
    }
    const struct policy_profile *p = policy_profile_find(f->bundle, r.profile);
    assert_int_equal(
        tbs_profile_prepare(policy_profile_template(p), &f->issuer, &f->arena, &prepared), CH_OK);
    const struct tbs_input in = {&prepared, &r, key, slice_of(serial, sizeof serial), NOW};
    if (tbs_build(&in, &f->arena, out, &d) != CH_OK) {
        fail_msg("%s: %s %s", profile, d.rule, d.text);
    }
    struct policy_issuer lowest = f->issuer; /* may have no CA below it: RFC 5280 4.2.1.9 */
    lowest.cas_below = 0;
    struct policy_facts facts = {.request = &r, .tbs = out->tbs, .issuer = &lowest, .now_s = NOW};
    policy_judge_certificate(f->bundle, &facts, &v);
    bool is_ca = policy_profile_template(p)->is_ca;
    assert_int_equal(v.verdict, is_ca ? POLICY_FAIL : POLICY_PASS);
    for (size_t i = 0; i < v.n; i++) {
        bool path = strcmp(v.rules[i].rule, "issuer.path_length") == 0;
        assert_int_equal(v.rules[i].outcome == POLICY_FAIL, is_ca && path);
    }
    facts.issuer = &f->issuer;
    policy_judge_certificate(f->bundle, &facts, &v);
    for (size_t i = 0; i < v.n; i++) {
        if (v.rules[i].outcome == POLICY_FAIL) {
            fail_msg("%s: %s: saw \"%s\", wanted \"%s\"", profile, v.rules[i].rule,
                     v.rules[i].observed, v.rules[i].required);
        }
    }
    assert_int_equal(v.verdict, POLICY_PASS);
    crypto_public_free(key);
}

/* OpenSSL's view of it: X509 with a made-up signature. */
static X509 *read_back(const struct tbs_built *b)
{
    struct buf der;
    buf_init(&der, 1 << 16);
    assert_int_equal(
        x509_assemble(b->tbs, CRYPTO_ALG_ECDSA_SHA256, BYTES("\x30\6\2\1\1\2\1\1"), &der), CH_OK);
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(x);
    buf_clear(&der);
    return x;
}

static char *printed(X509 *x)
{
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(X509_print_ex(bio, x, 0, X509_FLAG_NO_HEADER), 1);
    assert_int_equal(BIO_write(bio, "", 1), 1);
    char *text = NULL;
    long n = BIO_get_mem_data(bio, &text);
    char *copy = malloc((size_t)n);
    assert_non_null(copy);
    memcpy(copy, text, (size_t)n);
    BIO_free(bio);
    return copy;
}

static void expect_texts(const struct tbs_built *b, const char *const *texts, size_t n)
{
    X509 *x = read_back(b);
    char *all = printed(x);
    for (size_t i = 0; i < n; i++) {
        if (strstr(all, texts[i]) == NULL) {
            fail_msg("\"%s\" is not in\n%s", texts[i], all);
        }
    }
    free(all);
    X509_free(x);
}

static void every_key_type_passes(void **state)
{
    (void)state;
    static const enum crypto_key_type types[] = {
        CRYPTO_KEY_P256,     CRYPTO_KEY_P384,     CRYPTO_KEY_P521,   CRYPTO_KEY_RSA_2048,
        CRYPTO_KEY_RSA_3072, CRYPTO_KEY_RSA_4096, CRYPTO_KEY_ED25519};
    struct fixture f;
    struct tbs_built b;
    open_fixture(&f);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        build(&f, "stamp", types[i], NULL, 0, 0, &b);
        X509_free(read_back(&b));
    }
    static const char *const texts[] = {"X509v3 Extended Key Usage: critical", "Time Stamping"};
    expect_texts(&b, texts, 2);
    close_fixture(&f);
}

static void constrained_authority_is_read_by_openssl(void **state)
{
    (void)state;
    struct fixture f;
    struct tbs_built b;
    open_fixture(&f);
    build(&f, "ca", CRYPTO_KEY_P384, NULL, 0, 0, &b);
    static const char *const texts[] = {"CA:TRUE, pathlen:0",
                                        "X509v3 Name Constraints: critical",
                                        "DNS:example.test",
                                        "IP:10.0.0.0/255.0.0.0",
                                        "IP:2001:DB8:0:0:0:0:0:0/FFFF:FFFF:0:0:0:0:0:0",
                                        "email:.example.test",
                                        "URI:.example.test",
                                        "DirName:C = XX, O = Example",
                                        "DNS:secret.example.test",
                                        "IP:0.0.0.0/0.0.0.0",
                                        "CPS: https://example.test/cps",
                                        "Policy: 1.2.3"};
    expect_texts(&b, texts, sizeof texts / sizeof *texts);
    X509 *x = read_back(&b);
    assert_int_equal(X509_check_ca(x), 1);
    assert_true((X509_get_extension_flags(x) & (EXFLAG_INVALID | EXFLAG_CRITICAL)) == 0);
    X509_free(x);
    close_fixture(&f);
}

static void responder_is_read_by_openssl(void **state)
{
    (void)state;
    struct fixture f;
    struct tbs_built b;
    open_fixture(&f);
    build(&f, "ocsp", CRYPTO_KEY_P256, NULL, 0, 0, &b);
    static const char *const texts[] = {"OCSP Signing", "OCSP No Check"};
    expect_texts(&b, texts, 2);
    close_fixture(&f);
}

static void leaf_takes_what_it_may_from_the_request(void **state)
{
    (void)state;
    static const uint8_t oid[] = {0x2a, 3, 5};
    const struct permit_extension ext[] = {
        {X509_EXT_BASIC, true, BYTES("\x30\0")},
        {X509_EXT_EKU, false, BYTES("\x30\x14\6\x08\x2b\6\1\5\5\7\3\2\6\x08\x2b\6\1\5\5\7\3\1")},
        {slice_of(oid, 3), true, BYTES("\4\2\1\2")}};
    struct fixture f;
    struct tbs_built b;
    open_fixture(&f);
    build(&f, "leaf", CRYPTO_KEY_P256, ext, 3, 0, &b);
    static const char *const texts[] = {"TLS Web Client Authentication, TLS Web Server",
                                        "status_request, status_request_v2", "1.2.3.2: critical",
                                        "CRL Distribution Points", "OCSP - URI"};
    expect_texts(&b, texts, 5);
    X509 *x = read_back(&b);
    ASN1_OBJECT *o = OBJ_txt2obj("1.2.3.4", 1);
    const ASN1_OCTET_STRING *v =
        X509_EXTENSION_get_data(X509_get_ext(x, X509_get_ext_by_OBJ(x, o, -1)));
    /* Written by hand after X.690. */
    static const uint8_t want[] = {
        0x30, 0x37, 0x31, 0x0e, 0x02, 0x01, 0x00, 0x0c, 0x01, 0x61, 0x30, 0x00, 0x13, 0x01, 0x61,
        0x13, 0x01, 0x62, 0xa0, 0x05, 0x16, 0x03, 0x61, 0x40, 0x62, 0x81, 0x02, 0x00, 0xff, 0xa2,
        0x07, 0x05, 0x00, 0x06, 0x03, 0x2a, 0x86, 0x48, 0x31, 0x0d, 0x03, 0x03, 0x00, 0x80, 0x00,
        0x04, 0x00, 0x04, 0x01, 0x01, 0x04, 0x01, 0x02, 0x0a, 0x02, 0x00, 0x80};
    assert_non_null(v);
    assert_int_equal(v->length, sizeof want);
    assert_memory_equal(v->data, want, sizeof want);
    ASN1_OBJECT_free(o);
    X509_free(x);
    /* A short life: no pointers to status. */
    build(&f, "leaf", CRYPTO_KEY_P256, NULL, 0, 86400, &b);
    x = read_back(&b);
    assert_int_equal(X509_get_ext_by_NID(x, NID_crl_distribution_points, -1), -1);
    o = OBJ_txt2obj("2.5.29.56", 1);
    assert_true(X509_get_ext_by_OBJ(x, o, -1) >= 0);
    assert_null(X509_get1_ocsp(x));
    ASN1_OBJECT_free(o);
    X509_free(x);
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_key_type_passes),
        cmocka_unit_test(constrained_authority_is_read_by_openssl),
        cmocka_unit_test(responder_is_read_by_openssl),
        cmocka_unit_test(leaf_takes_what_it_may_from_the_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
