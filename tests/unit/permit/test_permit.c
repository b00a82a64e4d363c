/* lib/permit: fixed vectors, round trips, and each refusal of each reader and check. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "chancery/common/v1/common.pb-c.h"
#include "crypto/alg.h"
#include "permit/permit.h"

static const uint8_t d1[32] = {1}, d2[32] = {2}, d3[32] = {3}, d4[32] = {4};

static struct permit_request sample(void)
{
    static const struct permit_san sans[] = {{3, {(const uint8_t *)"a.example", 9}},
                                             {3, {(const uint8_t *)"b.example", 9}},
                                             {8, {(const uint8_t *)"\xc0\0\2\1", 4}}};
    static const struct permit_extension exts[] = {
        {{(const uint8_t *)"\x55\x1d\x0f", 3}, true, {(const uint8_t *)"\x03\x02\x07\x80", 4}}};
    static const struct slice methods[] = {{(const uint8_t *)"mtls", 4},
                                           {(const uint8_t *)"pkcs10", 6}};
    static const struct permit_claim claims[] = {
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"a", 1}},
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"b", 1}},
        {{(const uint8_t *)"site", 4}, {(const uint8_t *)"north", 5}}};
    return (struct permit_request){
        .request_id = slice_of(d1, 16),
        .tenant = slice_str("default"),
        .profile = slice_str("web"),
        .requester = slice_str("spiffe://t.test/user/alice"),
        .spki_sha256 = slice_of(d2, 32),
        .subject_der = slice_of("\x30\x00", 2),
        .sans = sans,
        .n_sans = 3,
        .extensions = exts,
        .n_extensions = 1,
        .max_validity_s = 86400,
        .evidence = {.protocol = slice_str("grpc"),
                     .caller = slice_str("spiffe://t.test/user/alice"),
                     .client_cert_sha256 = slice_of(d3, 32),
                     .proof = slice_str("pkcs10"),
                     .proof_sha256 = slice_of(d4, 32),
                     .authentication = methods,
                     .n_authentication = 2,
                     .claims = claims,
                     .n_claims = 3},
    };
}

static void digest_hex(const struct permit_request *r, char out[65])
{
    uint8_t digest[32];
    struct diag d = {0};
    if (permit_request_digest(r, digest, &d) != CH_OK) {
        fail_msg("%s %s", d.rule, d.text);
    }
    hex_encode(slice_of(digest, 32), out);
}

/* The vector was computed by an independent script from docs/ISSUANCE.md. */
static void request_digest_matches_vector(void **state)
{
    (void)state;
    struct permit_request r = sample();
    char hex[65];
    digest_hex(&r, hex);
    assert_string_equal(hex, "d0ac54428f8186683a122bb0efa28cd0db1bd454251581c3a7705cbb9b5575bd");
}

static void request_digest_depends_on_every_field(void **state)
{
    (void)state;
    char base[65], other[65];
    struct permit_request r = sample();
    digest_hex(&r, base);
    static const struct permit_san one_san[] = {{3, {(const uint8_t *)"c.example", 9}}};
    static const struct permit_extension not_critical[] = {
        {{(const uint8_t *)"\x55\x1d\x0f", 3}, false, {(const uint8_t *)"\x03\x02\x07\x80", 4}}};
    static const struct slice spoken[] = {{(const uint8_t *)"mtls", 4},
                                          {(const uint8_t *)"pkcs11", 6}};
    static const struct permit_claim other_value[] = {
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"a", 1}},
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"c", 1}},
        {{(const uint8_t *)"site", 4}, {(const uint8_t *)"north", 5}}};
    static const struct permit_claim other_name[] = {
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"a", 1}},
        {{(const uint8_t *)"host", 4}, {(const uint8_t *)"b", 1}},
        {{(const uint8_t *)"size", 4}, {(const uint8_t *)"north", 5}}};
    struct permit_request v[19];
    size_t n = sizeof v / sizeof *v;
    for (size_t i = 0; i < n; i++) {
        v[i] = sample();
    }
    v[0].request_id = slice_of(d2, 16);
    v[1].tenant = slice_str("other");
    v[2].profile = slice_str("device");
    v[3].requester = slice_str("spiffe://t.test/user/bob");
    v[4].spki_sha256 = slice_of(d1, 32);
    v[5].subject_der = slice_of("", 0);
    v[6].sans = one_san;
    v[6].n_sans = 1;
    v[7].extensions = not_critical;
    v[8].max_validity_s = 0;
    v[9].evidence.protocol = slice_str("acme");
    v[10].evidence.caller = slice_str("spiffe://t.test/user/bob");
    v[11].evidence.client_cert_sha256 = slice_of(d1, 0);
    v[12].evidence.proof = slice_str("crmf");
    v[13].evidence.proof_sha256 = slice_of(d1, 32);
    v[14].evidence.n_authentication = 1;
    v[15].evidence.authentication = spoken;
    v[16].evidence.n_claims = 2;
    v[17].evidence.claims = other_value;
    v[18].evidence.claims = other_name;
    for (size_t i = 0; i < n; i++) {
        digest_hex(&v[i], other);
        assert_string_not_equal(base, other);
    }
}

static void expect_request(const struct permit_request *r, enum chancery_err want, const char *rule)
{
    uint8_t digest[32];
    struct diag d = {0};
    assert_int_equal(permit_request_digest(r, digest, &d), want);
    assert_string_equal(d.rule, rule);
}

static void request_wrong_values_refused(void **state)
{
    (void)state;
    char long_text[1024];
    memset(long_text, 'a', sizeof long_text);
    static const struct permit_san swapped[] = {{3, {(const uint8_t *)"b", 1}},
                                                {3, {(const uint8_t *)"a", 1}}};
    static const struct permit_san twice[] = {{3, {(const uint8_t *)"a", 1}},
                                              {3, {(const uint8_t *)"a", 1}}};
    static const struct permit_san by_type[] = {{7, {(const uint8_t *)"a", 1}},
                                                {3, {(const uint8_t *)"b", 1}}};
    static const struct permit_san unknown[] = {{4, {(const uint8_t *)"a", 1}}};
    static const struct permit_san empty[] = {{3, {(const uint8_t *)"a", 0}}};
    const struct permit_san *const orders[] = {swapped, twice, by_type};
    struct permit_request r;
    for (size_t i = 0; i < 3; i++) {
        r = sample();
        r.sans = orders[i];
        r.n_sans = 2;
        expect_request(&r, CH_INVALID, "request.san.order");
    }
    r = sample();
    r.n_sans = 1;
    r.sans = unknown;
    expect_request(&r, CH_INVALID, "request.san");
    r.sans = empty;
    expect_request(&r, CH_INVALID, "request.san");
    r = sample();
    r.n_sans = PERMIT_SANS_MAX + 1;
    expect_request(&r, CH_LIMIT, "request.count");
    r = sample();
    r.request_id.len = 15;
    expect_request(&r, CH_INVALID, "request.digest");
    r = sample();
    r.spki_sha256.len = 31;
    expect_request(&r, CH_INVALID, "request.digest");
    r = sample();
    r.evidence.proof_sha256.len = 20;
    expect_request(&r, CH_INVALID, "request.digest");
    r = sample();
    r.tenant.len = 0;
    expect_request(&r, CH_INVALID, "request.missing");
    r = sample();
    r.profile = slice_of(long_text, 65);
    expect_request(&r, CH_LIMIT, "request.length");
    r = sample();
    r.requester = slice_of("a\0b", 3);
    expect_request(&r, CH_INVALID, "request.utf8");
    r = sample();
    r.requester = slice_str("\xff");
    expect_request(&r, CH_INVALID, "request.utf8");
}

static void evidence_wrong_lists_refused(void **state)
{
    (void)state;
    char long_text[1024];
    memset(long_text, 'a', sizeof long_text);
    struct permit_request r = sample();
    struct slice methods[2] = {slice_str("pkcs10"), slice_str("mtls")};
    struct permit_claim claims[2] = {{slice_str("a"), slice_str("2")},
                                     {slice_str("a"), slice_str("1")}};
    r.evidence.authentication = methods;
    expect_request(&r, CH_INVALID, "request.evidence.order");
    methods[1] = methods[0];
    expect_request(&r, CH_INVALID, "request.evidence.order");
    methods[0] = slice_of("", 0);
    expect_request(&r, CH_INVALID, "request.missing");
    methods[0] = slice_of(long_text, 65);
    expect_request(&r, CH_LIMIT, "request.length");
    methods[0] = slice_str("\xff");
    expect_request(&r, CH_INVALID, "request.utf8");
    r.evidence.n_authentication = PERMIT_METHODS_MAX + 1;
    expect_request(&r, CH_LIMIT, "request.count");
    r = sample();
    r.evidence.claims = claims;
    r.evidence.n_claims = 2;
    expect_request(&r, CH_INVALID, "request.evidence.order"); /* by value where names equal */
    claims[1] = claims[0];
    expect_request(&r, CH_INVALID, "request.evidence.order");
    claims[0].name = slice_str("b");
    expect_request(&r, CH_INVALID, "request.evidence.order");
    claims[0] = (struct permit_claim){slice_of("", 0), slice_str("1")};
    expect_request(&r, CH_INVALID, "request.missing");
    claims[0] = (struct permit_claim){slice_str("a"), slice_of("", 0)};
    expect_request(&r, CH_INVALID, "request.missing");
    claims[0] = (struct permit_claim){slice_str("a"), slice_of("1\0", 2)};
    expect_request(&r, CH_INVALID, "request.utf8");
    claims[0] = (struct permit_claim){slice_of(long_text, 65), slice_str("1")};
    expect_request(&r, CH_LIMIT, "request.length");
    claims[0] = (struct permit_claim){slice_str("a"), slice_of(long_text, 513)};
    expect_request(&r, CH_LIMIT, "request.length");
    r.evidence.n_claims = PERMIT_CLAIMS_MAX + 1;
    expect_request(&r, CH_LIMIT, "request.count");
}

/* All lists at their limits: the encoding finds room. */
static void evidence_at_its_limits_has_a_digest(void **state)
{
    (void)state;
    static char methods_text[PERMIT_METHODS_MAX][64], claims_text[PERMIT_CLAIMS_MAX][512];
    struct slice methods[PERMIT_METHODS_MAX];
    struct permit_claim claims[PERMIT_CLAIMS_MAX];
    struct permit_request r = sample();
    for (size_t i = 0; i < PERMIT_METHODS_MAX; i++) {
        memset(methods_text[i], 'a' + (int)i, 64);
        methods[i] = slice_of(methods_text[i], 64);
    }
    for (size_t i = 0; i < PERMIT_CLAIMS_MAX; i++) {
        memset(claims_text[i], '0' + (int)i, 512);
        claims[i] =
            (struct permit_claim){slice_of(claims_text[i], 64), slice_of(claims_text[i], 512)};
    }
    r.evidence.authentication = methods;
    r.evidence.n_authentication = PERMIT_METHODS_MAX;
    r.evidence.claims = claims;
    r.evidence.n_claims = PERMIT_CLAIMS_MAX;
    uint8_t digest[32];
    assert_int_equal(permit_request_digest(&r, digest, NULL), CH_OK);
}

static void request_from_proto_gives_same_digest(void **state)
{
    (void)state;
    struct permit_request want = sample(), got;
    Chancery__Common__V1__Request m = CHANCERY__COMMON__V1__REQUEST__INIT;
    Chancery__Common__V1__Evidence e = CHANCERY__COMMON__V1__EVIDENCE__INIT;
    Chancery__Common__V1__San s[3], *sp[3];
    Chancery__Common__V1__Extension x = CHANCERY__COMMON__V1__EXTENSION__INIT, *xp[] = {&x};
    for (size_t i = 0; i < 3; i++) {
        chancery__common__v1__san__init(&s[i]);
        s[i].type = (Chancery__Common__V1__SanType)want.sans[i].type;
        s[i].value.data = (uint8_t *)(uintptr_t)want.sans[i].value.ptr;
        s[i].value.len = want.sans[i].value.len;
        sp[i] = &s[i];
    }
    uint8_t oid[] = {0x55, 0x1d, 0x0f}, value[] = {3, 2, 7, 0x80}, subject[] = {0x30, 0};
    uint8_t c1[32], c2[32], c3[32], c4[32];
    memcpy(c1, d1, 32), memcpy(c2, d2, 32), memcpy(c3, d3, 32), memcpy(c4, d4, 32);
    x.oid = (ProtobufCBinaryData){3, oid};
    x.critical = 1;
    x.value = (ProtobufCBinaryData){4, value};
    char tenant[] = "default", profile[] = "web", user[] = "spiffe://t.test/user/alice",
         grpc[] = "grpc", pkcs10[] = "pkcs10";
    e.protocol = grpc;
    e.caller = user;
    e.client_cert_sha256 = (ProtobufCBinaryData){32, c3};
    e.proof = pkcs10;
    e.proof_sha256 = (ProtobufCBinaryData){32, c4};
    char mtls[] = "mtls", host[] = "host", site[] = "site", va[] = "a", vb[] = "b", vn[] = "north";
    char *methods[] = {mtls, pkcs10};
    Chancery__Common__V1__Claim cl[3], *clp[3] = {&cl[0], &cl[1], &cl[2]};
    for (size_t i = 0; i < 3; i++) {
        chancery__common__v1__claim__init(&cl[i]);
        cl[i].name = i < 2 ? host : site;
        cl[i].value = i == 0 ? va : i == 1 ? vb : vn;
    }
    e.authentication = methods;
    e.n_authentication = 2;
    e.claims = clp;
    e.n_claims = 3;
    m.request_id = (ProtobufCBinaryData){16, c1};
    m.tenant = tenant;
    m.profile = profile;
    m.requester = user;
    m.spki_sha256 = (ProtobufCBinaryData){32, c2};
    m.subject_der = (ProtobufCBinaryData){2, subject};
    m.n_sans = 3;
    m.sans = sp;
    m.n_extensions = 1;
    m.extensions = xp;
    m.max_validity_s = 86400;
    struct arena arena = {0};
    assert_int_equal(permit_request_from_proto(&m, &arena, &got, NULL), CH_INVALID);
    m.evidence = &e;
    assert_int_equal(permit_request_from_proto(&m, &arena, &got, NULL), CH_OK);
    char a[65], b[65];
    digest_hex(&want, a);
    digest_hex(&got, b);
    assert_string_equal(a, b);
    s[0].type = (Chancery__Common__V1__SanType)259; /* must not become type 3 */
    assert_int_equal(permit_request_from_proto(&m, &arena, &got, NULL), CH_INVALID);
    e.n_claims = PERMIT_CLAIMS_MAX + 1;
    assert_int_equal(permit_request_from_proto(&m, &arena, &got, NULL), CH_LIMIT);
    e.n_claims = 0;
    e.n_authentication = PERMIT_METHODS_MAX + 1;
    assert_int_equal(permit_request_from_proto(&m, &arena, &got, NULL), CH_LIMIT);
    arena_clear(&arena);
}

/* ---- keys ---- */

struct key {
    EVP_PKEY *pkey;
    struct crypto_public *pub;
};

static void key_make(struct key *k)
{
    k->pkey = EVP_EC_gen("P-256");
    uint8_t *der = NULL;
    int n = i2d_PUBKEY(k->pkey, &der);
    assert_true(n > 0);
    assert_int_equal(crypto_public_from_spki(slice_of(der, (size_t)n), &k->pub, NULL), CH_OK);
    OPENSSL_free(der);
}

static void key_clear(struct key *k)
{
    EVP_PKEY_free(k->pkey);
    crypto_public_free(k->pub);
}

static struct slice key_sign(const struct key *k, struct slice m, uint8_t out[160])
{
    size_t n = 160;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, k->pkey), 1);
    assert_int_equal(EVP_DigestSign(c, out, &n, m.ptr, m.len), 1);
    EVP_MD_CTX_free(c);
    return slice_of(out, n);
}

/* ---- statement ---- */

static struct permit_statement statement_sample(size_t n)
{
    struct permit_statement s = {
        .instance = slice_str("registration-1"), .issued_at_s = 1000, .expires_at_s = 1300, .n = n};
    for (size_t i = 0; i < n && i < PERMIT_BATCH_MAX; i++) {
        s.digests[i][0] = (uint8_t)(i + 1);
    }
    return s;
}

static void statement_round_trip(void **state)
{
    (void)state;
    for (size_t n = 1; n <= PERMIT_BATCH_MAX; n += 21) {
        struct permit_statement s = statement_sample(n), got;
        struct buf b CLEANUP(buf_clear);
        buf_init(&b, 1 << 16);
        assert_int_equal(permit_statement_write(&s, &b), CH_OK);
        assert_int_equal(b.len, 22 + 4 + 14 + 8 + 8 + 4 + 32 * n);
        assert_int_equal(permit_statement_read(buf_slice(&b), &got, NULL), CH_OK);
        assert_true(slice_eq(got.instance, s.instance));
        assert_int_equal(got.issued_at_s, 1000);
        assert_int_equal(got.expires_at_s, 1300);
        assert_int_equal(got.n, n);
        assert_memory_equal(got.digests, s.digests, n * 32);
        for (size_t cut = 0; cut < b.len; cut++) {
            assert_int_not_equal(permit_statement_read(slice_of(b.ptr, cut), &got, NULL), CH_OK);
        }
        struct diag d;
        assert_int_equal(buf_add_u8(&b, 0), CH_OK);
        assert_int_equal(permit_statement_read(buf_slice(&b), &got, &d), CH_MALFORMED);
        assert_string_equal(d.rule, "statement.format");
    }
}

static void statement_wrong_values_refused(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 1 << 16);
    struct permit_statement s = statement_sample(0);
    assert_int_equal(permit_statement_write(&s, &b), CH_LIMIT);
    s = statement_sample(PERMIT_BATCH_MAX + 1);
    assert_int_equal(permit_statement_write(&s, &b), CH_LIMIT);
    s = statement_sample(2);
    s.digests[1][0] = 1;
    assert_int_equal(permit_statement_write(&s, &b), CH_INVALID);
    s = statement_sample(2);
    s.expires_at_s = 1301;
    assert_int_equal(permit_statement_write(&s, &b), CH_INVALID);
    s.expires_at_s = 1000;
    assert_int_equal(permit_statement_write(&s, &b), CH_INVALID);
    s = statement_sample(2);
    s.instance.len = 0;
    assert_int_equal(permit_statement_write(&s, &b), CH_INVALID);
    s = statement_sample(2);
    s.issued_at_s = -1;
    assert_int_equal(permit_statement_write(&s, &b), CH_INVALID);
    assert_int_equal(b.len, 0);
    /* The same by hand on the wire: count, duplicate, life. */
    struct permit_statement got;
    struct diag d;
    s = statement_sample(2);
    assert_int_equal(permit_statement_write(&s, &b), CH_OK);
    b.ptr[b.len - 32] = 1;
    assert_int_equal(permit_statement_read(buf_slice(&b), &got, &d), CH_INVALID);
    assert_string_equal(d.rule, "statement.duplicate");
    b.ptr[b.len - 32] = 2;
    b.ptr[b.len - 65] = 65;
    assert_int_equal(permit_statement_read(buf_slice(&b), &got, &d), CH_LIMIT);
    assert_string_equal(d.rule, "statement.count");
    b.ptr[b.len - 65] = 2;
    b.ptr[22 + 4 + 14 + 8] = 1;
    assert_int_equal(permit_statement_read(buf_slice(&b), &got, &d), CH_INVALID);
    assert_string_equal(d.rule, "statement.life");
}

static void statement_check_refusals_name_their_rule(void **state)
{
    (void)state;
    struct key k, other;
    key_make(&k);
    key_make(&other);
    struct permit_statement s = statement_sample(3), got;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 1 << 16);
    assert_int_equal(permit_statement_write(&s, &b), CH_OK);
    uint8_t sig_bytes[160];
    struct slice sig = key_sign(&k, buf_slice(&b), sig_bytes);
    struct crypto_public *const both[] = {other.pub, k.pub};
    struct diag d = {0};
    struct slice m = buf_slice(&b);
    assert_int_equal(permit_statement_check(m, sig, both, 2, 1000, &got, &d), CH_OK);
    assert_int_equal(permit_statement_check(m, sig, both, 2, 995, &got, &d), CH_OK);
    assert_int_equal(permit_statement_check(m, sig, both, 2, 1299, &got, &d), CH_OK);
    assert_int_equal(permit_statement_check(m, sig, both, 2, 1300, &got, &d), CH_PRECONDITION);
    assert_string_equal(d.rule, "statement.expired");
    assert_int_equal(permit_statement_check(m, sig, both, 2, 994, &got, &d), CH_PRECONDITION);
    assert_string_equal(d.rule, "statement.future");
    assert_int_equal(permit_statement_check(m, sig, both, 1, 1000, &got, &d), CH_CRYPTO);
    assert_string_equal(d.rule, "statement.signature");
    assert_int_equal(permit_statement_check(m, sig, NULL, 0, 1000, &got, &d), CH_CRYPTO);
    b.ptr[b.len - 1] ^= 1;
    assert_int_equal(permit_statement_check(m, sig, both, 2, 1000, &got, &d), CH_CRYPTO);
    key_clear(&k);
    key_clear(&other);
}

/* ---- items and permits ---- */

static struct permit_item item_sample(uint8_t tag)
{
    struct permit_item i = {.purpose = PERMIT_CERTIFICATE, .verdict = PERMIT_ALLOW};
    memset(i.issuer_spki_sha256, 0xa0, 32);
    memset(i.tbs_sha256, tag, 32);
    memset(i.request_digest, 0xb0, 32);
    memset(i.rules_sha256, 0xc0, 32);
    return i;
}

static struct permit_item crl_sample(void)
{
    struct permit_item i = item_sample(9);
    i.purpose = PERMIT_CRL;
    memset(i.request_digest, 0, 32);
    i.crl_shard = 7;
    i.crl_number = 1ULL << 40;
    i.crl_this_update_s = 1700000000;
    return i;
}

static void item_round_trip(void **state)
{
    (void)state;
    struct permit_item samples[] = {item_sample(1), crl_sample(), item_sample(2)};
    samples[2].verdict = PERMIT_REFUSE;
    for (size_t k = 0; k < 3; k++) {
        struct permit_item got;
        struct buf b CLEANUP(buf_clear), again CLEANUP(buf_clear);
        buf_init(&b, 4096);
        buf_init(&again, 4096);
        assert_int_equal(permit_item_write(&samples[k], &b), CH_OK);
        assert_int_equal(b.len, 174);
        assert_int_equal(permit_item_read(buf_slice(&b), &got, NULL), CH_OK);
        assert_int_equal(permit_item_write(&got, &again), CH_OK);
        assert_true(slice_eq(buf_slice(&b), buf_slice(&again)));
        for (size_t cut = 0; cut < b.len; cut++) {
            assert_int_equal(permit_item_read(slice_of(b.ptr, cut), &got, NULL), CH_MALFORMED);
        }
        assert_int_equal(buf_add_u8(&b, 0), CH_OK);
        assert_int_equal(permit_item_read(buf_slice(&b), &got, NULL), CH_MALFORMED);
    }
}

static void item_wrong_values_refused(void **state)
{
    (void)state;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 4096);
    struct permit_item i = item_sample(1), got;
    i.purpose = PERMIT_PURPOSE_NONE;
    assert_int_equal(permit_item_write(&i, &b), CH_INVALID);
    i = item_sample(1);
    i.verdict = PERMIT_VERDICT_NONE;
    assert_int_equal(permit_item_write(&i, &b), CH_INVALID);
    i = item_sample(1);
    i.crl_shard = 1;
    assert_int_equal(permit_item_write(&i, &b), CH_INVALID);
    i = item_sample(1);
    memset(i.request_digest, 0, 32);
    assert_int_equal(permit_item_write(&i, &b), CH_INVALID);
    i.verdict = PERMIT_REFUSE;
    assert_int_equal(permit_item_write(&i, &b), CH_OK);
    buf_reset(&b);
    i = crl_sample();
    i.request_digest[31] = 1;
    assert_int_equal(permit_item_write(&i, &b), CH_INVALID);
    assert_int_equal(b.len, 0);
    struct diag d;
    i = item_sample(1);
    assert_int_equal(permit_item_write(&i, &b), CH_OK);
    static const uint8_t bad_purposes[] = {0, 3, 255};
    for (size_t k = 0; k < 3; k++) {
        b.ptr[24] = bad_purposes[k];
        assert_int_equal(permit_item_read(buf_slice(&b), &got, &d), CH_INVALID);
        assert_string_equal(d.rule, "item.purpose");
    }
    b.ptr[24] = PERMIT_CRL; /* a certificate's item cannot be turned into a CRL's */
    assert_int_equal(permit_item_read(buf_slice(&b), &got, &d), CH_INVALID);
    assert_string_equal(d.rule, "item.fields");
    b.ptr[24] = PERMIT_CERTIFICATE;
    b.ptr[25] = 0;
    assert_int_equal(permit_item_read(buf_slice(&b), &got, &d), CH_INVALID);
    assert_string_equal(d.rule, "item.verdict");
    b.ptr[25] = PERMIT_ALLOW;
    b.ptr[0] = 'C';
    assert_int_equal(permit_item_read(buf_slice(&b), &got, &d), CH_MALFORMED);
}

/* Roots of the test tree of the Certificate Transparency reference code. */
static void root_matches_rfc6962_vectors(void **state)
{
    (void)state;
    static const char *const leaves_hex[] = {"",
                                             "00",
                                             "10",
                                             "2021",
                                             "3031",
                                             "40414243",
                                             "5051525354555657",
                                             "606162636465666768696a6b6c6d6e6f"};
    static const char *const roots[] = {
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};
    uint8_t bytes[8][16];
    struct slice leaves[8];
    for (size_t i = 0; i < 8; i++) {
        size_t n = 0;
        assert_int_equal(hex_decode(slice_str(leaves_hex[i]), bytes[i], 16, &n), CH_OK);
        leaves[i] = slice_of(bytes[i], n);
    }
    for (size_t n = 0; n <= 8; n++) {
        uint8_t root[32];
        char hex[65];
        permit_root(leaves, n, root);
        hex_encode(slice_of(root, 32), hex);
        assert_string_equal(hex, roots[n]);
    }
}

struct signed_permit {
    struct buf bytes, items[3];
    struct slice item[3], sig;
    uint8_t sig_bytes[160];
};

static void permit_make(struct signed_permit *p, const struct key *k)
{
    struct permit v = {.expires_at_s = 1060, .n = 3};
    memset(v.bundle_sha256, 0xdd, 32);
    for (uint8_t i = 0; i < 3; i++) {
        struct permit_item item = item_sample(i);
        buf_init(&p->items[i], 4096);
        assert_int_equal(permit_item_write(&item, &p->items[i]), CH_OK);
        p->item[i] = buf_slice(&p->items[i]);
    }
    permit_root(p->item, 3, v.root);
    buf_init(&p->bytes, 4096);
    assert_int_equal(permit_write(&v, &p->bytes), CH_OK);
    p->sig = key_sign(k, buf_slice(&p->bytes), p->sig_bytes);
}

static void permit_free(struct signed_permit *p)
{
    for (size_t i = 0; i < 3; i++) {
        buf_clear(&p->items[i]);
    }
    buf_clear(&p->bytes);
}

static void expect_permit(const struct signed_permit *p, const struct key *k, size_t n, int64_t now,
                          enum chancery_err want, const char *rule)
{
    struct crypto_public *const keys[] = {k->pub};
    struct permit got;
    struct diag d = {0};
    assert_int_equal(permit_check(buf_slice(&p->bytes), p->sig, keys, 1, p->item, n, now, &got, &d),
                     want);
    assert_string_equal(d.rule, rule);
}

static void permit_check_refusals_name_their_rule(void **state)
{
    (void)state;
    struct key k, other;
    key_make(&k);
    key_make(&other);
    struct signed_permit p;
    permit_make(&p, &k);
    expect_permit(&p, &k, 3, 1000, CH_OK, "");
    expect_permit(&p, &k, 3, 995, CH_OK, "");
    expect_permit(&p, &k, 3, 1059, CH_OK, "");
    expect_permit(&p, &k, 3, 1060, CH_PRECONDITION, "permit.expired");
    expect_permit(&p, &k, 3, 994, CH_PRECONDITION, "permit.life");
    expect_permit(&p, &k, 2, 1000, CH_INVALID, "permit.items");
    expect_permit(&p, &other, 3, 1000, CH_CRYPTO, "permit.signature");
    for (size_t i = 0; i < p.items[1].len; i++) { /* every byte of an item counts */
        p.items[1].ptr[i] ^= 0x40;
        expect_permit(&p, &k, 3, 1000, CH_INVALID, "permit.root");
        p.items[1].ptr[i] ^= 0x40;
    }
    struct slice swap = p.item[0];
    p.item[0] = p.item[1];
    p.item[1] = swap;
    expect_permit(&p, &k, 3, 1000, CH_INVALID, "permit.root");
    for (size_t i = 0; i < p.bytes.len; i++) {
        p.bytes.ptr[i] ^= 1;
        expect_permit(&p, &k, 3, 1000, CH_CRYPTO, "permit.signature");
        p.bytes.ptr[i] ^= 1;
    }
    permit_free(&p);
    key_clear(&k);
    key_clear(&other);
}

static void permit_wrong_values_refused(void **state)
{
    (void)state;
    struct permit p = {.expires_at_s = 1, .n = 0}, got;
    struct buf b CLEANUP(buf_clear);
    buf_init(&b, 4096);
    assert_int_equal(permit_write(&p, &b), CH_INVALID);
    p.n = PERMIT_BATCH_MAX + 1;
    assert_int_equal(permit_write(&p, &b), CH_INVALID);
    p.n = 1;
    p.expires_at_s = -1;
    assert_int_equal(permit_write(&p, &b), CH_INVALID);
    p.expires_at_s = 1;
    assert_int_equal(permit_write(&p, &b), CH_OK);
    assert_int_equal(b.len, 95);
    for (size_t cut = 0; cut < b.len; cut++) {
        assert_int_equal(permit_read(slice_of(b.ptr, cut), &got, NULL), CH_MALFORMED);
    }
    b.ptr[19 + 32 + 8 + 3] = 0;
    assert_int_equal(permit_read(buf_slice(&b), &got, NULL), CH_INVALID);
    b.ptr[19 + 32 + 8 + 3] = 65;
    assert_int_equal(permit_read(buf_slice(&b), &got, NULL), CH_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(request_digest_matches_vector),
        cmocka_unit_test(request_digest_depends_on_every_field),
        cmocka_unit_test(request_wrong_values_refused),
        cmocka_unit_test(evidence_wrong_lists_refused),
        cmocka_unit_test(evidence_at_its_limits_has_a_digest),
        cmocka_unit_test(request_from_proto_gives_same_digest),
        cmocka_unit_test(statement_round_trip),
        cmocka_unit_test(statement_wrong_values_refused),
        cmocka_unit_test(statement_check_refusals_name_their_rule),
        cmocka_unit_test(item_round_trip),
        cmocka_unit_test(item_wrong_values_refused),
        cmocka_unit_test(root_matches_rfc6962_vectors),
        cmocka_unit_test(permit_check_refusals_name_their_rule),
        cmocka_unit_test(permit_wrong_values_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
