/* The base certificate of the policy tests. */
#include "fix.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

static const char bundle_yaml[] = "version: 1\nname: t\ncrl: {max_validity: 8d, backdate: 1h}\n";
const char fix_profile_yaml[] =
    "name: test\n"
    "issuer: issuing-1\n"
    "callers: [/user/*, /chancery/acme, 'spiffe://partner.test/gw']\n"
    "keys:\n"
    "  types: [P-256, P-384, RSA-2048, RSA-3072]\n"
    "  rsa_exponents: [65537]\n"
    "signature_algorithms: [ecdsa-with-SHA256, ecdsa-with-SHA384]\n"
    "validity: {max: 90d, default: 30d, backdate: 1h}\n"
    "subject:\n"
    "  attributes:\n"
    "    - {type: C, fixed: XX}\n"
    "    - {type: O, from: request, required: true}\n"
    "    - {type: CN, from: request}\n"
    "  unlisted: refuse\n"
    "  cn_from_first_dns: true\n"
    "names:\n"
    "  required: true\n"
    "  max: 8\n"
    "  dns: {suffixes: [example.test, deep.example.test], exact: [localhost], wildcard_depth: 1}\n"
    "  ip: {networks: [10.1.0.0/16, '2001:db8::/33']}\n"
    "  email: {domains: [example.test]}\n"
    "  uri: {prefixes: ['https://id.example.test/d/'], spiffe_domains: [mesh.test]}\n"
    "extensions:\n"
    "  key_usage: [digitalSignature]\n"
    "  key_usage_rsa: [keyEncipherment]\n"
    "  extended_key_usage: [serverAuth, clientAuth]\n"
    "  policies: [2.23.140.1.2.1]\n"
    "  ocsp_nocheck: true\n";

/* A little list of public suffixes. */
static const char suffixes_dat[] = "// ===BEGIN ICANN DOMAINS===\n"
                                   "com\nuk\nco.uk\nio\n*.ck\n!www.ck\ncn\n"
                                   "\xe5\x85\xac\xe5\x8f\xb8.cn\n"
                                   "// ===END ICANN DOMAINS===\n"
                                   "// ===BEGIN PRIVATE DOMAINS===\n"
                                   "github.io\n"
                                   "// ===END PRIVATE DOMAINS===\n";

struct policy_bundle *fix_bundle_with(const char *from, const char *to,
                                      const struct policy_file *more, size_t n, struct diag *diag)
{
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, 1 << 20);
    const char *at = from[0] == '\0' ? fix_profile_yaml + strlen(fix_profile_yaml)
                                     : strstr(fix_profile_yaml, from);
    assert_non_null(at);
    assert_int_equal(buf_add(&text, slice_of(fix_profile_yaml, (size_t)(at - fix_profile_yaml))),
                     CH_OK);
    assert_int_equal(buf_add_str(&text, to), CH_OK);
    assert_int_equal(buf_add_str(&text, at + strlen(from)), CH_OK);
    struct policy_file files[8] = {{"profiles/test.yaml", buf_slice(&text)},
                                   {"bundle.yaml", slice_str(bundle_yaml)},
                                   {"public_suffixes.dat", slice_str(suffixes_dat)}};
    struct policy_bundle *b = NULL;
    assert_true(n <= 5);
    for (size_t i = 0; i < n; i++) {
        files[3 + i] = more[i];
    }
    if (policy_bundle_compile(files, 3 + n, &b, diag) != CH_OK) {
        return NULL;
    }
    assert_int_equal(policy_bundle_set_trust_domain(b, "chancery.test"), CH_OK);
    return b;
}

struct policy_bundle *fix_bundle(const char *from, const char *to)
{
    struct diag d = {0};
    struct policy_bundle *b = fix_bundle_with(from, to, NULL, 0, &d);
    if (b == NULL) {
        fail_msg("%s: %s %s", d.field, d.rule, d.text);
    }
    return b;
}

struct slice fix_keep(struct fix *f, struct buf *b)
{
    struct slice s = slice_of(arena_copy(&f->arena, buf_slice(b)), b->len);
    buf_clear(b);
    return s;
}

static struct slice spki_of(struct fix *f, EVP_PKEY *key)
{
    uint8_t *der = NULL;
    assert_non_null(key);
    int n = i2d_PUBKEY(key, &der);
    assert_true(n > 0);
    struct slice s = slice_of(arena_copy(&f->arena, slice_of(der, (size_t)n)), (size_t)n);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
    return s;
}

struct slice fix_spki_ec(struct fix *f, const char *curve)
{
    return spki_of(f, EVP_EC_gen(curve));
}

struct slice fix_spki_rsa(struct fix *f, struct slice n, struct slice e)
{
    static const uint8_t alg[] = {0x30, 0x0d, 6, 9, 0x2a, 0x86, 0x48, 0x86,
                                  0xf7, 0x0d, 1, 1, 1,    5,    0};
    struct buf key CLEANUP(buf_clear), b;
    size_t m;
    buf_init(&key, 4096);
    buf_init(&b, 4096);
    assert_int_equal(der_open(&key, DER_SEQUENCE, &m), CH_OK);
    assert_int_equal(der_put_unsigned(&key, n), CH_OK);
    assert_int_equal(der_put_unsigned(&key, e), CH_OK);
    assert_int_equal(der_close(&key, m), CH_OK);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &m), CH_OK);
    assert_int_equal(buf_add(&b, slice_of(alg, sizeof alg)), CH_OK);
    assert_int_equal(der_put_bits(&b, buf_slice(&key), 0), CH_OK);
    assert_int_equal(der_close(&b, m), CH_OK);
    return fix_keep(f, &b);
}

void fix_ext(struct fix *f, struct slice oid, bool critical, struct slice value)
{
    size_t i = 0;
    while (i < f->n_ext && !slice_eq(f->ext[i].oid, oid)) {
        i++;
    }
    if (value.len == 0) {
        assert_true(i < f->n_ext);
        f->ext[i] = f->ext[--f->n_ext];
        return;
    }
    if (i == f->n_ext) {
        assert_true(++f->n_ext <= FIX_EXTENSIONS);
    }
    f->ext[i] = (struct x509_extension){oid, critical, value};
}

void fix_san(struct fix *f, uint8_t type, const char *value)
{
    f->sans[f->request.n_sans++] = (struct permit_san){type, slice_str(value)};
}

void fix_san_ext(struct fix *f)
{
    struct x509_san s[300];
    struct buf b;
    buf_init(&b, 1 << 16);
    for (size_t i = 0; i < f->request.n_sans; i++) {
        s[i] = (struct x509_san){f->sans[i].type, f->sans[i].value};
    }
    /* x509_ext_san refuses what ca must never write; the judge is asked about that too, so: by
     * hand. */
    size_t m;
    assert_int_equal(der_open(&b, DER_SEQUENCE, &m), CH_OK);
    for (size_t i = 0; i < f->request.n_sans; i++) {
        unsigned constructed = s[i].type == 1 || s[i].type == 5 ? 0xa0 : 0x80;
        assert_int_equal(der_put(&b, (uint8_t)(constructed | (s[i].type - 1)), s[i].value), CH_OK);
    }
    assert_int_equal(der_close(&b, m), CH_OK);
    fix_ext(f, X509_EXT_SAN, false, fix_keep(f, &b));
}

void fix_key(struct fix *f, struct slice spki)
{
    uint8_t hash[32];
    struct buf b;
    buf_init(&b, 64);
    crypto_sha256(spki, hash);
    f->t.spki = spki;
    f->request.spki_sha256 = slice_of(arena_copy(&f->arena, slice_of(hash, 32)), 32);
    assert_int_equal(x509_ext_ski(spki, &b), CH_OK);
    fix_ext(f, X509_EXT_SKI, false, fix_keep(f, &b));
}

static void base_extensions(struct fix *f)
{
    static const uint8_t oid[] = {0x67, 0x81, 0x0c, 1, 2, 1};
    const struct slice eku[] = {X509_EKU_SERVER_AUTH, X509_EKU_CLIENT_AUTH};
    const struct x509_policy policies[] = {{slice_of(oid, sizeof oid), NULL}};
    struct buf b;
    char url[128];
    uint32_t shard = x509_shard(slice_of(f->serial, 16), f->issuer.shards);
    (void)snprintf(url, sizeof url, "http://crl.example/c/issuing-1/%u.crl", shard);
#define PUT(id, critical, call)                                                                    \
    buf_init(&b, 4096);                                                                            \
    assert_int_equal(call, CH_OK);                                                                 \
    fix_ext(f, id, critical, fix_keep(f, &b))
    PUT(X509_EXT_KEY_USAGE, true, x509_ext_key_usage(1, &b));
    PUT(X509_EXT_BASIC, true, x509_ext_basic(false, -1, &b));
    PUT(X509_EXT_EKU, false, x509_ext_eku(eku, 2, &b));
    PUT(X509_EXT_POLICIES, false, x509_ext_policies(policies, 1, &b));
    PUT(X509_EXT_AKI, false, x509_ext_aki(f->issuer.ski, &b));
    PUT(X509_EXT_CDP, false, x509_ext_cdp(url, &b));
    PUT(X509_EXT_AIA, false,
        x509_ext_aia("http://ocsp.example/", "http://aia.example/a/issuing-1.cer", &b));
    PUT(X509_EXT_OCSP_NOCHECK, false, buf_add(&b, slice_of("\5\0", 2)));
#undef PUT
}

static void base_issuer(struct fix *f)
{
    struct buf b;
    const struct x509_rdn rdn[] = {{X509_OID_CN, slice_str("Issuing CA 1")}};
    buf_init(&b, 4096);
    assert_int_equal(x509_name_write(rdn, 1, &b, NULL), CH_OK);
    struct slice spki = fix_spki_ec(f, "P-256");
    uint8_t *ski = arena_alloc(&f->arena, 20);
    x509_ski(spki, ski);
    f->issuer = (struct policy_issuer){.issuer_id = "issuing-1",
                                       .subject = fix_keep(f, &b),
                                       .ski = slice_of(ski, 20),
                                       .key_type = CRYPTO_KEY_P256,
                                       .not_after_s = FIX_NOW + 86400LL * 365,
                                       .shards = 64,
                                       .cas_below = 1,
                                       .crl_url_base = "http://crl.example/c",
                                       .ocsp_url = "http://ocsp.example/",
                                       .aia_url_base = "http://aia.example/a"};
    crypto_sha256(spki, f->issuer.spki_sha256);
}

void fix_init(struct fix *f)
{
    static const uint8_t serial[] = {0x51, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0xa6};
    static const uint8_t id[16] = {1};
    static const struct slice methods[] = {{(const uint8_t *)"mtls", 4},
                                           {(const uint8_t *)"pkcs10", 6}};
    memset(f, 0, sizeof *f);
    arena_init(&f->arena, 0);
    f->bundle = fix_bundle("", "");
    buf_init(&f->tbs, POLICY_TBS_MAX + 4096);
    base_issuer(f);
    memcpy(f->serial, serial, sizeof serial);
    f->request = (struct permit_request){
        .request_id = slice_of(id, 16),
        .tenant = slice_str("default"),
        .profile = slice_str("test"),
        .requester = slice_str("spiffe://chancery.test/user/alice"),
        .sans = f->sans,
        .evidence = {.protocol = slice_str("grpc"),
                     .caller = slice_str("spiffe://chancery.test/user/alice"),
                     .proof = slice_str("pkcs10"),
                     .authentication = methods,
                     .n_authentication = 2}};
    f->t = (struct x509_tbs){.serial = slice_of(f->serial, 16),
                             .alg = CRYPTO_ALG_ECDSA_SHA256,
                             .issuer = f->issuer.subject,
                             .not_before_s = FIX_NOW - 3600,
                             .not_after_s = FIX_NOW + 30 * 86400};
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_O, slice_str("Example Ltd")};
    f->subject_asked[f->n_asked++] = (struct x509_rdn){X509_OID_CN, slice_str("a.example.test")};
    f->subject[f->n_subject++] = (struct x509_rdn){X509_OID_C, slice_str("XX")};
    f->subject[f->n_subject++] = f->subject_asked[0];
    f->subject[f->n_subject++] = f->subject_asked[1];
    fix_san(f, 2, "ops@example.test");
    fix_san(f, 3, "*.example.test");
    fix_san(f, 3, "a.example.test");
    fix_san(f, 7, "https://id.example.test/d/7");
    fix_san(f, 8, "\x0a\1\2\3");
    base_extensions(f);
    fix_key(f, fix_spki_ec(f, "P-256"));
    fix_san_ext(f);
    f->facts = (struct policy_facts){.request = &f->request,
                                     .issuer = &f->issuer,
                                     .now_s = FIX_NOW,
                                     .own_keys = (const uint8_t(*)[32])f->own,
                                     .n_own_keys = 2};
}

void fix_clear(struct fix *f)
{
    policy_bundle_free(f->bundle);
    buf_clear(&f->tbs);
    arena_clear(&f->arena);
}

/* x509_name_write checks values; the judge must see bad ones as well, so names are written by hand.
 */
static struct slice write_name(struct fix *f, const struct x509_rdn *rdns, size_t n)
{
    struct buf b;
    size_t name, set, pair;
    buf_init(&b, 1 << 15);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &name), CH_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(der_open(&b, DER_SET, &set), CH_OK);
        assert_int_equal(der_open(&b, DER_SEQUENCE, &pair), CH_OK);
        assert_int_equal(der_put(&b, DER_OID, rdns[i].oid), CH_OK);
        assert_int_equal(der_put(&b, policy_attribute_of(rdns[i].oid).tag, rdns[i].value), CH_OK);
        assert_int_equal(der_close(&b, pair), CH_OK);
        assert_int_equal(der_close(&b, set), CH_OK);
    }
    assert_int_equal(der_close(&b, name), CH_OK);
    return fix_keep(f, &b);
}

void fix_build(struct fix *f)
{
    if (f->request.subject_der.ptr == NULL) {
        f->request.subject_der = write_name(f, f->subject_asked, f->n_asked);
    }
    if (f->t.subject.ptr == NULL) {
        f->t.subject = write_name(f, f->subject, f->n_subject);
    }
    f->t.extensions = f->ext;
    f->t.n_extensions = f->n_ext;
    buf_reset(&f->tbs);
    assert_int_equal(x509_tbs_write(&f->t, &f->tbs), CH_OK);
    f->facts.tbs = buf_slice(&f->tbs);
}

void fix_judge(struct fix *f)
{
    policy_judge_certificate(f->bundle, &f->facts, &f->v);
}

enum policy_outcome fix_outcome(const struct fix *f, const char *rule)
{
    for (size_t i = 0; i < f->v.n; i++) {
        if (strcmp(f->v.rules[i].rule, rule) == 0) {
            return f->v.rules[i].outcome;
        }
    }
    return POLICY_NONE;
}

void fix_replace(struct fix *f, struct slice from, struct slice to)
{
    assert_int_equal(from.len, to.len);
    uint8_t *at = memmem(f->tbs.ptr, f->tbs.len, from.ptr, from.len);
    assert_non_null(at);
    memcpy(at, to.ptr, to.len);
}
