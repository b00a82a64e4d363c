/* Names from end to end: a PKCS#10 made by OpenSSL, read by lib/x509, built into a TBS, judged by
 * the engine, signed, and read by OpenSSL as its own clients do. */
#include "samples.h"

#include <stdio.h>

#include <openssl/conf.h>
#include <openssl/x509v3.h>

#include "tbs/tbs.h"

#define NOW 1763690000

static const char bundle_yaml[] = "version: 1\nname: t\ncrl: {max_validity: 8d}\n";
static const char profile_yaml[] =
    "name: names\n"
    "issuer: issuing-1\n"
    "callers: [/user/*]\n"
    "keys: {types: [P-256]}\n"
    "signature_algorithms: [ecdsa-with-SHA256]\n"
    "validity: {max: 90d}\n"
    "subject:\n"
    "  attributes:\n"
    "    - {type: C, fixed: XX}\n"
    "    - {type: O, from: evidence, claim: org, required: true}\n"
    "    - {type: OU, from: evidence, claim: group, match: ['team-*']}\n"
    "    - {type: OU, from: evidence, claim: group}\n"
    "    - {type: OU, from: request}\n"
    "    - {type: CN, from: request, required: true, match: ['*.example.test'], max: 40}\n"
    "names:\n"
    "  required: true\n"
    "  dns: {suffixes: [example.test], wildcard_depth: 1, a_labels: true, scripts: [Latin]}\n"
    "  ip: {networks: [10.1.0.0/16, '2001:db8::/32']}\n"
    "  email: {domains: [example.test], match: ['svc-*']}\n"
    "  uri: {spiffe_domains: [mesh.test], spiffe_paths: ['/ns/*/sa/*']}\n"
    "  other_name: {upn_suffixes: [corp.example.test], oids: [1.2.3.4]}\n"
    "  directory_name:\n"
    "    attributes:\n"
    "      - {type: C, fixed: XX}\n"
    "      - {type: O, from: evidence, claim: org, required: true}\n"
    "      - {type: CN, from: request}\n"
    "extensions: {key_usage: [digitalSignature], extended_key_usage: [serverAuth]}\n";

static const char request_conf[] =
    "san=@alt\n"
    "[alt]\n"
    "DNS.1=XN--bcher-kva.Example.test\n" /* the reader lower-cases */
    "DNS.2=*.example.test\n"
    "DNS.3=www.example.test\n"
    "IP.1=10.1.2.3\n"
    "IP.2=2001:db8::7\n"
    "email.1=svc-mail@EXAMPLE.test\n"
    "URI.1=spiffe://mesh.test/ns/prod/sa/web\n"
    "otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:alice@corp.example.test\n"
    "otherName.2=1.2.3.4;IA5:anything\n"
    "dirName.1=dir\n"
    "[dir]\n"
    "C=XX\n"
    "O=Example Ltd\n"
    "CN=printer\n";

struct end {
    struct arena arena;
    EVP_PKEY *key, *issuer_key;
    struct buf csr_der;
    struct x509_csr csr;
    struct policy_bundle *bundle;
    struct policy_issuer issuer;
    struct permit_request request;
    struct permit_san sans[X509_SANS_MAX];
    struct permit_claim claims[4];
    uint8_t ski[20];
    struct tbs_built built;
    struct policy_verdict verdict;
};

static void make_csr(struct end *e, const char *conf_text)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_REQ_get_subject_name(req);
    CONF *conf = NCONF_new(NULL);
    BIO *bio = BIO_new_mem_buf(conf_text, -1);
    X509V3_CTX ctx;
    long line;
    assert_int_equal(NCONF_load_bio(conf, bio, &line), 1);
    X509V3_set_ctx(&ctx, NULL, NULL, req, NULL, 0);
    X509V3_set_nconf(&ctx, conf);
    X509_EXTENSION *san =
        X509V3_EXT_nconf_nid(conf, &ctx, NID_subject_alt_name, NCONF_get_string(conf, NULL, "san"));
    assert_non_null(san);
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    assert_true(sk_X509_EXTENSION_push(list, san) > 0);
    assert_int_equal(X509_REQ_add_extensions(req, list), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                                (const uint8_t *)"www.example.test", -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "OU", MBSTRING_UTF8,
                                                (const uint8_t *)"asked for", -1, -1, 0),
                     1);
    assert_int_equal(X509_REQ_set_pubkey(req, e->key), 1);
    assert_true(X509_REQ_sign(req, e->key, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int n = i2d_X509_REQ(req, &der);
    assert_true(n > 0);
    buf_init(&e->csr_der, 1 << 16);
    assert_int_equal(buf_add(&e->csr_der, slice_of(der, (size_t)n)), CH_OK);
    OPENSSL_free(der);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    NCONF_free(conf);
    BIO_free(bio);
    X509_REQ_free(req);
}

static void open_end(struct end *e, const char *conf_text)
{
    struct diag d = {0};
    const struct x509_rdn cn = {X509_OID_CN, slice_str("Issuing 1")};
    const struct policy_file files[] = {{"bundle.yaml", slice_str(bundle_yaml)},
                                        {"profiles/names.yaml", slice_str(profile_yaml)}};
    struct buf name;
    memset(e, 0, sizeof *e);
    arena_init(&e->arena, 0);
    buf_init(&name, 256);
    e->key = samples_key(CRYPTO_KEY_P256);
    e->issuer_key = samples_key(CRYPTO_KEY_P256);
    make_csr(e, conf_text);
    if (x509_csr_read(buf_slice(&e->csr_der), &e->arena, &e->csr, &d) != CH_OK ||
        policy_bundle_compile(files, 2, &e->bundle, &d) != CH_OK) {
        fail_msg("%s %s %s", d.field, d.rule, d.text);
    }
    assert_int_equal(policy_bundle_set_trust_domain(e->bundle, "chancery.test"), CH_OK);
    assert_int_equal(x509_name_write(&cn, 1, &name, NULL), CH_OK);
    memset(e->ski, 7, sizeof e->ski);
    e->issuer = (struct policy_issuer){
        .issuer_id = "issuing-1",
        .subject = slice_of(arena_copy(&e->arena, buf_slice(&name)), name.len),
        .ski = slice_of(e->ski, sizeof e->ski),
        .key_type = CRYPTO_KEY_P256,
        .not_after_s = NOW + 3000LL * 86400,
        .shards = 64,
        .crl_url_base = "http://crl.example.test",
        .ocsp_url = "http://ocsp.example.test",
        .aia_url_base = "http://aia.example.test"};
    buf_clear(&name);
    e->claims[0] = (struct permit_claim){slice_str("group"), slice_str("team-7")};
    e->claims[1] = (struct permit_claim){slice_str("group"), slice_str("welders")};
    e->claims[2] = (struct permit_claim){slice_str("org"), slice_str("Example Ltd")};
}

static void close_end(struct end *e)
{
    policy_bundle_free(e->bundle);
    EVP_PKEY_free(e->key);
    EVP_PKEY_free(e->issuer_key);
    buf_clear(&e->csr_der);
    arena_clear(&e->arena);
}

static void run_end(struct end *e)
{
    static const uint8_t id[16] = {1};
    uint8_t serial[TBS_SERIAL];
    struct crypto_public *key = NULL;
    struct tbs_profile profile;
    struct diag d = {0};
    assert_int_equal(x509_csr_verify(&e->csr, &key, &d), CH_OK);
    for (size_t i = 0; i < e->csr.n_sans; i++) {
        e->sans[i] = (struct permit_san){e->csr.sans[i].type, e->csr.sans[i].value};
    }
    struct slice alice = slice_str("spiffe://chancery.test/user/alice");
    e->request =
        (struct permit_request){.request_id = slice_of(id, 16),
                                .tenant = slice_str("default"),
                                .profile = slice_str("names"),
                                .requester = alice,
                                .spki_sha256 = slice_of(crypto_public_spki_sha256(key), 32),
                                .subject_der = e->csr.subject,
                                .sans = e->sans,
                                .n_sans = e->csr.n_sans,
                                .evidence = {.protocol = slice_str("grpc"),
                                             .caller = alice,
                                             .proof = slice_str("pkcs10"),
                                             .claims = e->claims,
                                             .n_claims = 3}};
    for (size_t i = 0; i < sizeof serial; i++) {
        serial[i] = (uint8_t)(0x13 + 7 * i);
    }
    const struct policy_profile *p = policy_profile_find(e->bundle, slice_str("names"));
    assert_int_equal(
        tbs_profile_prepare(policy_profile_template(p), &e->issuer, &e->arena, &profile), CH_OK);
    const struct tbs_input in = {&profile, &e->request, key, slice_of(serial, sizeof serial), NOW};
    if (tbs_build(&in, &e->arena, &e->built, &d) != CH_OK) {
        fail_msg("%s %s %s", d.field, d.rule, d.text);
    }
    const struct policy_facts facts = {
        .request = &e->request, .tbs = e->built.tbs, .issuer = &e->issuer, .now_s = NOW};
    policy_judge_certificate(e->bundle, &facts, &e->verdict);
    e->request.spki_sha256 = slice_of(NULL, 0);
    crypto_public_free(key);
}

static const struct policy_rule *rule_of(const struct end *e, const char *rule)
{
    for (size_t i = 0; i < e->verdict.n; i++) {
        if (strcmp(e->verdict.rules[i].rule, rule) == 0) {
            return &e->verdict.rules[i];
        }
    }
    fail_msg("no rule %s", rule);
    return NULL;
}

static X509 *sign(const struct end *e)
{
    struct buf sig, der;
    buf_init(&sig, 1024);
    buf_init(&der, 1 << 16);
    samples_sign(e->issuer_key, CRYPTO_ALG_ECDSA_SHA256, e->built.tbs, &sig);
    assert_int_equal(x509_assemble(e->built.tbs, CRYPTO_ALG_ECDSA_SHA256, buf_slice(&sig), &der),
                     CH_OK);
    const uint8_t *p = der.ptr;
    X509 *x = d2i_X509(NULL, &p, (long)der.len);
    assert_non_null(x);
    buf_clear(&sig);
    buf_clear(&der);
    return x;
}

static void expect_names(X509 *x)
{
    static const char *const hosts[] = {"xn--bcher-kva.example.test", "www.example.test",
                                        "anything.example.test"};
    static const char *const others[] = {"example.test", "a.b.example.test", "evil.test"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(
            X509_check_host(x, hosts[i], 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL), 1);
        assert_int_equal(X509_check_host(x, others[i], 0, 0, NULL), 0);
    }
    assert_int_equal(X509_check_email(x, "svc-mail@example.test", 0, 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "10.1.2.3", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "2001:db8::7", 0), 1);
    assert_int_equal(X509_check_ip_asc(x, "10.1.2.4", 0), 0);
}

/* Other names and the directory name as OpenSSL reads them. */
static void expect_structures(X509 *x)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, NULL, NULL);
    unsigned seen = 0;
    assert_non_null(names);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
        char text[256];
        if (g->type == GEN_OTHERNAME && OBJ_obj2nid(g->d.otherName->type_id) == NID_ms_upn) {
            const ASN1_TYPE *v = g->d.otherName->value;
            assert_int_equal(v->type, V_ASN1_UTF8STRING);
            assert_string_equal((const char *)ASN1_STRING_get0_data(v->value.utf8string),
                                "alice@corp.example.test");
            seen |= 1;
        } else if (g->type == GEN_OTHERNAME) {
            assert_int_equal(g->d.otherName->value->type, V_ASN1_IA5STRING);
            seen |= 2;
        } else if (g->type == GEN_DIRNAME) {
            assert_non_null(X509_NAME_oneline(g->d.directoryName, text, sizeof text));
            assert_string_equal(text, "/C=XX/O=Example Ltd/CN=printer");
            seen |= 4;
        }
    }
    assert_int_equal(seen, 7);
    assert_int_equal(sk_GENERAL_NAME_num(names), 10);
    GENERAL_NAMES_free(names);
}

static void all_types_reach_the_certificate(void **state)
{
    (void)state;
    static struct end e;
    char text[256];
    open_end(&e, request_conf);
    run_end(&e);
    for (size_t i = 0; i < e.verdict.n; i++) {
        const struct policy_rule *r = &e.verdict.rules[i];
        if (r->outcome == POLICY_FAIL) {
            fail_msg("%s: saw \"%s\", wanted \"%s\" (%s)", r->rule, r->observed, r->required,
                     r->source);
        }
    }
    assert_int_equal(e.verdict.verdict, POLICY_PASS);
    static const char *const passed[] = {
        "san.dns.idna", "san.dns.scripts", "san.other_name.allowed", "san.directory_name.allowed",
        "san.uri.path", "san.email.match", "subject.match"};
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++) {
        assert_int_equal(rule_of(&e, passed[i])->outcome, POLICY_PASS);
    }
    X509 *x = sign(&e);
    assert_non_null(X509_NAME_oneline(X509_get_subject_name(x), text, sizeof text));
    assert_string_equal(
        text, "/C=XX/O=Example Ltd/OU=team-7/OU=welders/OU=asked for/CN=www.example.test");
    expect_names(x);
    expect_structures(x);
    X509_free(x);
    close_end(&e);
}

/* What a request may ask for and a profile refuses; each stops at its own rule. */
static void refused_names_stop_at_their_rule(void **state)
{
    (void)state;
    static const struct {
        const char *name, *rule, *observed;
    } cases[] = {
        {"DNS.1=xn--80ak6aa92e.example.test", "san.dns.scripts", "xn--80ak6aa92e.example.test"},
        {"DNS.1=xn--ls8h.example.test", "san.dns.idna", "xn--ls8h.example.test"},
        {"otherName.1=1.3.6.1.4.1.311.20.2.3;UTF8:alice@evil.test", "san.other_name.allowed",
         "alice@evil.test"},
        {"otherName.1=1.3.6.1.4.1.311.20.2.3;IA5:alice@corp.example.test", "san.other_name.syntax",
         "060a2b060104018237140203a01916"},
        {"otherName.1=1.3.6.1.5.5.7.8.9;UTF8:a@example.test", "san.other_name.allowed",
         "06082b06010505070809a0"},
        {"dirName.1=dir\n[dir]\nC=XX\nO=Other", "san.directory_name.allowed", "301d310b3009"},
        {"dirName.1=dir\n[dir]\nC=XX\n1.O=Example Ltd\n+CN=a", "san.directory_name.syntax",
         "302d310b3009"},
        {"email.1=alice@example.test", "san.email.match", "alice@example.test"},
        {"URI.1=spiffe://mesh.test/ns/prod", "san.uri.path", "spiffe://mesh.test/ns/prod"},
        {"IP.1=10.2.0.1", "san.ip.allowed", "10.2.0.1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        static struct end e;
        char conf[512];
        (void)snprintf(conf, sizeof conf, "san=@alt\n[alt]\nDNS.9=www.example.test\n%s\n",
                       cases[i].name);
        open_end(&e, conf);
        run_end(&e);
        assert_int_equal(e.verdict.verdict, POLICY_FAIL);
        if (rule_of(&e, cases[i].rule)->outcome != POLICY_FAIL) {
            fail_msg("%s: %s did not fail", cases[i].name, cases[i].rule);
        }
        const char *observed = rule_of(&e, cases[i].rule)->observed;
        if (strncmp(observed, cases[i].observed, strlen(cases[i].observed)) != 0) {
            fail_msg("%s: observed %s", cases[i].name, observed);
        }
        close_end(&e);
    }
}

/* A claim that is not there leaves an optional row out; the writer does not invent it. */
static void missing_claims_leave_rows_out_or_refuse(void **state)
{
    (void)state;
    static struct end e;
    char text[256];
    open_end(&e, "san=@alt\n[alt]\nDNS.1=www.example.test\n");
    e.claims[0] = (struct permit_claim){slice_str("aud"), slice_str("x")};
    e.claims[1] = (struct permit_claim){slice_str("email"), slice_str("x@example.test")};
    run_end(&e);
    assert_int_equal(e.verdict.verdict, POLICY_PASS);
    X509 *x = sign(&e);
    assert_non_null(X509_NAME_oneline(X509_get_subject_name(x), text, sizeof text));
    assert_string_equal(text, "/C=XX/O=Example Ltd/OU=asked for/CN=www.example.test");
    X509_free(x);
    e.claims[2].name = slice_str("organisation");
    run_end(&e);
    assert_int_equal(e.verdict.verdict, POLICY_FAIL);
    assert_int_equal(rule_of(&e, "subject.required")->outcome, POLICY_FAIL);
    assert_string_equal(rule_of(&e, "subject.required")->observed, "O");
    assert_string_equal(rule_of(&e, "subject.required")->source, "profiles/names.yaml:10");
    close_end(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_types_reach_the_certificate),
        cmocka_unit_test(refused_names_stop_at_their_rule),
        cmocka_unit_test(missing_claims_leave_rows_out_or_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
