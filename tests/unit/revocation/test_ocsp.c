/* OCSP reader and writer against OpenSSL: requests it makes, answers it verifies; hostile requests;
 * GET. */
#include "cm.h"

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "ocsp.h"
#include "os/os.h"

#define NOW 1763690000
static const uint8_t serial_octets[16] = {0x11, 0x22, 0x33, 4,  5,  6,  7,  8,
                                          9,    10,   11,   12, 13, 14, 15, 16};

struct pki {
    EVP_PKEY *ca_key, *responder_key;
    X509 *ca, *responder;
    uint8_t *responder_der;
    int responder_len;
    uint8_t responder_id[20];
};

static void add_ext(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
}

static X509 *make_cert(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *cn,
                       long serial)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400 * 365);
    X509_set_subject_name(x, name);
    X509_set_issuer_name(x, issuer == NULL ? name : X509_get_subject_name(issuer));
    X509_set_pubkey(x, key);
    if (issuer == NULL) {
        add_ext(x, x, NID_basic_constraints, "critical,CA:TRUE");
        add_ext(x, x, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        add_ext(x, issuer, NID_ext_key_usage, "OCSPSigning");
        add_ext(x, issuer, NID_id_pkix_OCSP_noCheck, "ignored");
    }
    assert_true(X509_sign(x, issuer_key, EVP_sha256()) > 0);
    X509_NAME_free(name);
    return x;
}

static int make_pki(void **state)
{
    struct pki *p = calloc(1, sizeof(*p));
    p->ca_key = EVP_EC_gen("P-256");
    p->responder_key = EVP_EC_gen("P-256");
    p->ca = make_cert(p->ca_key, NULL, p->ca_key, "Test Issuing CA", 1);
    p->responder = make_cert(p->responder_key, p->ca, p->ca_key, "Test OCSP Responder", 2);
    p->responder_len = i2d_X509(p->responder, &p->responder_der);
    ASN1_BIT_STRING *bits = X509_get0_pubkey_bitstr(p->responder);
    crypto_digest(CRYPTO_HASH_SHA1, slice_of(bits->data, (size_t)bits->length), p->responder_id);
    *state = p;
    return 0;
}

static int free_pki(void **state)
{
    struct pki *p = *state;
    X509_free(p->ca);
    X509_free(p->responder);
    EVP_PKEY_free(p->ca_key);
    EVP_PKEY_free(p->responder_key);
    OPENSSL_free(p->responder_der);
    free(p);
    return 0;
}

static OCSP_CERTID *make_id(const struct pki *p, const EVP_MD *md, const uint8_t *serial, int len)
{
    BIGNUM *bn = BN_bin2bn(serial, len, NULL);
    ASN1_INTEGER *i = BN_to_ASN1_INTEGER(bn, NULL);
    OCSP_CERTID *id =
        OCSP_cert_id_new(md, X509_get_subject_name(p->ca), X509_get0_pubkey_bitstr(p->ca), i);
    assert_non_null(id);
    ASN1_INTEGER_free(i);
    BN_free(bn);
    return id;
}

/* A request by OpenSSL for `n` serials that differ in the last octet. nonce_len < 0: none. */
static OCSP_REQUEST *make_request(const struct pki *p, const EVP_MD *md, int n, int nonce_len)
{
    OCSP_REQUEST *q = OCSP_REQUEST_new();
    for (int i = 0; i < n; i++) {
        uint8_t s[16];
        memcpy(s, serial_octets, 16);
        s[15] = (uint8_t)(s[15] + i);
        assert_non_null(OCSP_request_add0_id(q, make_id(p, md, s, 16)));
    }
    if (nonce_len >= 0) {
        assert_int_equal(OCSP_request_add1_nonce(q, NULL, nonce_len), 1);
    }
    return q;
}

static struct slice encode_request(OCSP_REQUEST *q, uint8_t **der)
{
    *der = NULL;
    int len = i2d_OCSP_REQUEST(q, der);
    assert_true(len > 0);
    return slice_of(*der, (size_t)len);
}

/* Answers a request as the service does, signing with OpenSSL in place of the HSM. */
static void answer(const struct pki *p, const struct revocation_ocsp_request *q,
                   enum revocation_status status, unsigned reason, bool extended, struct buf *out)
{
    struct revocation_ocsp_single singles[REVOCATION_OCSP_SINGLES_MAX];
    struct buf data;
    uint8_t signature[256];
    size_t len = sizeof(signature);
    int64_t now = os_now_s();
    for (size_t i = 0; i < q->n; i++) {
        singles[i] = (struct revocation_ocsp_single){.cert_id = q->ids[i].der,
                                                     .status = status,
                                                     .revoked_at_s = NOW,
                                                     .reason = reason,
                                                     .this_update_s = now - 300,
                                                     .next_update_s = now + 3600};
    }
    const struct revocation_ocsp_data d = {.responder_key_hash = slice_of(p->responder_id, 20),
                                           .produced_at_s = now,
                                           .singles = singles,
                                           .n = q->n,
                                           .nonce = q->nonce,
                                           .extended_revoke = extended};
    buf_init(&data, 65536);
    assert_int_equal(revocation_ocsp_data_write(&d, &data), CH_OK);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, p->responder_key), 1);
    assert_int_equal(EVP_DigestSign(ctx, signature, &len, data.ptr, data.len), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(revocation_ocsp_assemble(
                         buf_slice(&data), CRYPTO_ALG_ECDSA_SHA256, slice_of(signature, len),
                         slice_of(p->responder_der, (size_t)p->responder_len), out),
                     CH_OK);
    buf_clear(&data);
}

/* OpenSSL's whole judgement: parse without rest, re-encode equally, chain and signature, nonce. */
static OCSP_BASICRESP *verify(const struct pki *p, OCSP_REQUEST *q, const struct buf *der,
                              int want_nonce)
{
    const uint8_t *at = der->ptr;
    OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)der->len);
    assert_non_null(r);
    assert_ptr_equal(at, der->ptr + der->len);
    uint8_t *again = NULL;
    int len = i2d_OCSP_RESPONSE(r, &again);
    assert_int_equal(len, der->len);
    assert_memory_equal(again, der->ptr, der->len);
    OPENSSL_free(again);
    assert_int_equal(OCSP_response_status(r), OCSP_RESPONSE_STATUS_SUCCESSFUL);
    OCSP_BASICRESP *b = OCSP_response_get1_basic(r);
    assert_non_null(b);
    X509_STORE *store = X509_STORE_new();
    X509_STORE_add_cert(store, p->ca);
    assert_int_equal(OCSP_basic_verify(b, NULL, store, 0), 1);
    X509_STORE_free(store);
    assert_int_equal(OCSP_check_nonce(q, b), want_nonce);
    OCSP_RESPONSE_free(r);
    return b;
}

static void check_status(const struct pki *p, OCSP_BASICRESP *b, const EVP_MD *md, int want,
                         int want_reason)
{
    int status = -1, reason = -2;
    ASN1_GENERALIZEDTIME *at = NULL, *this_update = NULL, *next_update = NULL;
    OCSP_CERTID *id = make_id(p, md, serial_octets, 16);
    assert_int_equal(
        OCSP_resp_find_status(b, id, &status, &reason, &at, &this_update, &next_update),
        1); /* found by the client's own hash */
    assert_int_equal(status, want);
    assert_int_equal(OCSP_check_validity(this_update, next_update, 0, -1), 1);
    if (want == V_OCSP_CERTSTATUS_REVOKED) {
        assert_int_equal(reason, want_reason);
        assert_non_null(at);
    }
    OCSP_CERTID_free(id);
}

static void ocsp_every_status_and_hash_verifies(void **state)
{
    struct pki *p = *state;
    static const struct {
        enum revocation_status status;
        unsigned reason;
        int want, want_reason;
    } cases[] = {{REVOCATION_STATUS_GOOD, 0, V_OCSP_CERTSTATUS_GOOD, 0},
                 {REVOCATION_STATUS_REVOKED, 1, V_OCSP_CERTSTATUS_REVOKED, 1},
                 {REVOCATION_STATUS_REVOKED, 0, V_OCSP_CERTSTATUS_REVOKED, -1},
                 {REVOCATION_STATUS_REVOKED, 9, V_OCSP_CERTSTATUS_REVOKED, 9},
                 {REVOCATION_STATUS_UNKNOWN, 0, V_OCSP_CERTSTATUS_UNKNOWN, 0}};
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const EVP_MD *md = i % 2 == 0 ? EVP_sha1() : EVP_sha256();
        int nonce = i % 3 == 0 ? -1 : i % 3 == 1 ? 32 : 128;
        OCSP_REQUEST *request = make_request(p, md, 1, nonce);
        uint8_t *der;
        struct slice s = encode_request(request, &der);
        struct revocation_ocsp_request q;
        struct diag diag = {0};
        struct buf out;
        buf_init(&out, 65536);
        assert_int_equal(revocation_ocsp_read(s, &q, &diag), CH_OK);
        assert_int_equal(q.n, 1);
        assert_int_equal(q.ids[0].hash, i % 2 == 0 ? CRYPTO_HASH_SHA1 : CRYPTO_HASH_SHA256);
        assert_true(slice_eq(q.ids[0].serial, slice_of(serial_octets, 16)));
        answer(p, &q, cases[i / 2].status, cases[i / 2].reason, false, &out);
        OCSP_BASICRESP *b = verify(p, request, &out, nonce < 0 ? 2 : 1);
        check_status(p, b, md, cases[i / 2].want, cases[i / 2].want_reason);
        OCSP_BASICRESP_free(b);
        buf_clear(&out);
        OPENSSL_free(der);
        OCSP_REQUEST_free(request);
    }
}

static void ocsp_several_certificates_are_all_answered(void **state)
{
    struct pki *p = *state;
    OCSP_REQUEST *request = make_request(p, EVP_sha256(), REVOCATION_OCSP_SINGLES_MAX, 23);
    uint8_t *der;
    struct slice s = encode_request(request, &der);
    struct revocation_ocsp_request q;
    struct diag diag = {0};
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(revocation_ocsp_read(s, &q, &diag), CH_OK);
    answer(p, &q, REVOCATION_STATUS_GOOD, 0, false, &out);
    OCSP_BASICRESP *b = verify(p, request, &out, 1);
    assert_int_equal(OCSP_resp_count(b), REVOCATION_OCSP_SINGLES_MAX);
    OCSP_BASICRESP_free(b);
    buf_clear(&out);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
    request = make_request(p, EVP_sha256(), REVOCATION_OCSP_SINGLES_MAX + 1, -1);
    s = encode_request(request, &der);
    assert_int_equal(revocation_ocsp_read(s, &q, &diag), CH_LIMIT);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

/* RFC 6960 2.2: never issued, answered as revoked. */
static void ocsp_extended_revoke_has_its_marks(void **state)
{
    struct pki *p = *state;
    OCSP_REQUEST *request = make_request(p, EVP_sha1(), 1, -1);
    uint8_t *der;
    struct slice s = encode_request(request, &der);
    struct revocation_ocsp_request q;
    struct buf out;
    buf_init(&out, 65536);
    assert_int_equal(revocation_ocsp_read(s, &q, NULL), CH_OK);
    answer(p, &q, REVOCATION_STATUS_UNKNOWN, 0, true, &out);
    OCSP_BASICRESP *b = verify(p, request, &out, 2);
    check_status(p, b, EVP_sha1(), V_OCSP_CERTSTATUS_REVOKED, 6);
    ASN1_OBJECT *oid = OBJ_txt2obj("1.3.6.1.5.5.7.48.1.9", 1);
    assert_true(OCSP_BASICRESP_get_ext_by_OBJ(b, oid, -1) >= 0);
    ASN1_OBJECT_free(oid);
    OCSP_BASICRESP_free(b);
    buf_clear(&out);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

static void ocsp_status_none_is_never_written(void **state)
{
    (void)state;
    const struct revocation_ocsp_single single = {.cert_id = slice_of("0", 1),
                                                  .status = REVOCATION_STATUS_NONE};
    const struct revocation_ocsp_data d = {
        .responder_key_hash = slice_of("x", 1), .singles = &single, .n = 1};
    struct buf out;
    buf_init(&out, 4096);
    assert_int_equal(revocation_ocsp_data_write(&d, &out), CH_INVALID);
    buf_clear(&out);
}

static void ocsp_errors_are_what_openssl_reads(void **state)
{
    (void)state;
    static const enum revocation_ocsp_error errors[] = {
        REVOCATION_OCSP_MALFORMED, REVOCATION_OCSP_INTERNAL, REVOCATION_OCSP_TRY_LATER,
        REVOCATION_OCSP_UNAUTHORIZED};
    for (size_t i = 0; i < 4; i++) {
        struct slice s = revocation_ocsp_error_der(errors[i]);
        const uint8_t *at = s.ptr;
        OCSP_RESPONSE *r = d2i_OCSP_RESPONSE(NULL, &at, (long)s.len);
        assert_non_null(r);
        assert_int_equal(OCSP_response_status(r), errors[i]);
        OCSP_RESPONSE_free(r);
    }
}

static void ocsp_signed_request_is_accepted(void **state)
{
    struct pki *p = *state;
    OCSP_REQUEST *request = make_request(p, EVP_sha1(), 1, -1);
    uint8_t *der;
    struct revocation_ocsp_request q;
    assert_int_equal(
        OCSP_request_sign(request, p->responder, p->responder_key, EVP_sha256(), NULL, 0), 1);
    struct slice s = encode_request(request, &der);
    assert_int_equal(revocation_ocsp_read(s, &q, NULL), CH_OK);
    assert_int_equal(q.n, 1);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

static void ocsp_cut_and_changed_requests_never_crash(void **state)
{
    struct pki *p = *state;
    OCSP_REQUEST *request = make_request(p, EVP_sha256(), 2, 16);
    uint8_t *der;
    struct slice s = encode_request(request, &der);
    struct revocation_ocsp_request q;
    struct diag diag = {0};
    for (size_t n = 0; n < s.len; n++) {
        assert_int_not_equal(revocation_ocsp_read(slice_of(der, n), &q, &diag), CH_OK);
    }
    uint8_t *longer = malloc(s.len + 1);
    memcpy(longer, der, s.len);
    longer[s.len] = 0;
    assert_int_equal(revocation_ocsp_read(slice_of(longer, s.len + 1), &q, &diag), CH_MALFORMED);
    for (size_t at = 0; at < s.len; at++) {
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(longer, der, s.len);
            longer[at] ^= (uint8_t)(1U << bit);
            (void)!revocation_ocsp_read(slice_of(longer, s.len), &q, &diag);
        }
    }
    free(longer);
    OPENSSL_free(der);
    OCSP_REQUEST_free(request);
}

/* Requests by hand: tbs [version] [name] list [extensions]. */
static void ocsp_hostile_requests_are_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *what, *hex;
        enum chancery_err want;
    } cases[] = {
        {"empty", "", CH_MALFORMED},
        {"not a sequence", "0500", CH_MALFORMED},
        {"empty sequence", "3000", CH_MALFORMED},
        {"no list", "30023000", CH_MALFORMED},
        {"empty list", "300430023000", CH_MALFORMED},
        {"indefinite length", "30800000", CH_MALFORMED},
        {"long form of a short length", "30810430023000", CH_MALFORMED},
        {"short hash", "301e301c301a3018300906052b0e03021a0500040100040100020101", CH_MALFORMED},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t bytes[256];
        size_t len = 0;
        struct revocation_ocsp_request q;
        if (hex_decode(slice_str(cases[i].hex), bytes, sizeof(bytes), &len) != CH_OK) {
            len = 0;
        }
        if (revocation_ocsp_read(slice_of(bytes, len), &q, NULL) != cases[i].want) {
            fail_msg("%s", cases[i].what);
        }
    }
}

static void ocsp_nonce_lengths_follow_rfc_9654(void **state)
{
    struct pki *p = *state;
    static const struct {
        int len;
        enum chancery_err want;
    } cases[] = {{1, CH_OK}, {23, CH_OK}, {128, CH_OK}, {129, CH_MALFORMED}};
    struct revocation_ocsp_request q;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        OCSP_REQUEST *request = make_request(p, EVP_sha1(), 1, cases[i].len);
        uint8_t *der;
        struct slice s = encode_request(request, &der);
        assert_int_equal(revocation_ocsp_read(s, &q, NULL), cases[i].want);
        OPENSSL_free(der);
        OCSP_REQUEST_free(request);
    }
    /* An empty nonce, and octets that are no OCTET STRING: made by hand. */
    static const uint8_t empty[] = {0x04, 0x00}, raw[] = {0xde, 0xad};
    static const struct {
        const uint8_t *p;
        int len;
    } values[] = {{empty, 2}, {raw, 2}};
    for (size_t i = 0; i < 2; i++) {
        OCSP_REQUEST *request = make_request(p, EVP_sha1(), 1, -1);
        ASN1_OCTET_STRING *v = ASN1_OCTET_STRING_new();
        ASN1_OCTET_STRING_set(v, values[i].p, values[i].len);
        X509_EXTENSION *e = X509_EXTENSION_create_by_NID(NULL, NID_id_pkix_OCSP_Nonce, 0, v);
        OCSP_REQUEST_add_ext(request, e, -1);
        uint8_t *der;
        struct slice s = encode_request(request, &der);
        assert_int_equal(revocation_ocsp_read(s, &q, NULL), CH_MALFORMED);
        OPENSSL_free(der);
        X509_EXTENSION_free(e);
        ASN1_OCTET_STRING_free(v);
        OCSP_REQUEST_free(request);
    }
}

static void ocsp_serials_of_any_kind_are_read(void **state)
{
    struct pki *p = *state;
    struct revocation_ocsp_request q;
    uint8_t high[1] = {0x80}, zero[1] = {0}, twenty[20], long_one[21];
    memset(twenty, 0x7a, sizeof(twenty));
    memset(long_one, 0x7a, sizeof(long_one));
    const struct {
        const uint8_t *s;
        int len, want;
    } cases[] = {{high, 1, 1}, {zero, 1, 0}, {twenty, 20, 20}, {long_one, 21, 0}};
    for (size_t i = 0; i < 4; i++) {
        OCSP_REQUEST *request = OCSP_REQUEST_new();
        OCSP_request_add0_id(request, make_id(p, EVP_sha1(), cases[i].s, cases[i].len));
        uint8_t *der;
        struct slice s = encode_request(request, &der);
        assert_int_equal(revocation_ocsp_read(s, &q, NULL), CH_OK);
        assert_int_equal(q.ids[0].serial.len, cases[i].want);
        OPENSSL_free(der);
        OCSP_REQUEST_free(request);
    }
}

/* ---- GET ---- */

static void get_forms_that_clients_send_decode(void **state)
{
    (void)state;
    /* SEQUENCE { OCTET STRING fb ff fe ff }: base64 "MAYEBPv//v8=" has '/' twice and needs padding.
     */
    static const uint8_t der[] = {0x30, 6, 4, 4, 0xfb, 0xff, 0xfe, 0xff};
    static const uint8_t plus[] = {0x30, 5, 4, 3, 0xfb, 0xe0, 0x3f}; /* "MAUEA/vgPw==" */
    static const uint8_t slash[] = {0x30, 4, 4, 2, 0x0f, 0xff};      /* "MAQEAg//": ends with '/' */
    static const uint8_t p3[] = {0x30, 4, 4, 2, 0xfb, 0xef};         /* "MAQEAvvv" */
    static const uint8_t p4[] = {0x30, 4, 4, 2, 0x0f, 0xbe};         /* "MAQEAg++" */
    static const struct {
        const char *path;
        const uint8_t *der;
        size_t len;
    } cases[] = {
        {"/MAYEBPv//v8=", der, 8},       {"/MAYEBPv//v8%3D", der, 8},
        {"/MAYEBPv%2F%2Fv8%3D", der, 8}, {"/MAYEBPv%2f%2fv8%3d", der, 8},
        {"/MAYEBPv//v8", der, 8},        {"//MAYEBPv//v8=", der, 8},
        {"MAYEBPv//v8=", der, 8},        {"/MAYEBPv//v8=/", der, 8},
        {"/MAYEBPv//v8/", der, 8},       {"/MAUEA/vgPw==", plus, 7},
        {"/MAUEA/vgPw", plus, 7},        {"/MAUEA/vgPw%3D%3D", plus, 7},
        {"/MAQEAg//", slash, 6},         {"/MAQEAg///", slash, 6},
        {"/MAQEAg%2F%2F", slash, 6},     {"/MAQEAvvv", p3, 6},
        {"/MAQEAvvv/", p3, 6},           {"/MAQEAg++", p4, 6},
        {"/MAQEAg%2B%2B", p4, 6},        {"/MAQEAg%20%20", p4, 6},
        {"/MAQEAg+%2b", p4, 6},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out;
        buf_init(&out, 256);
        if (revocation_ocsp_from_path(slice_str(cases[i].path), &out) != CH_OK ||
            !slice_eq(buf_slice(&out), slice_of(cases[i].der, cases[i].len))) {
            fail_msg("%s", cases[i].path);
        }
        buf_clear(&out);
    }
}

static void get_hostile_paths_are_malformed(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "/",
                                      "//",
                                      "/=",
                                      "/%",
                                      "/%3",
                                      "/%zz",
                                      "/MAYEBPv//v8=x",
                                      "/MAYEBPv//v9=",
                                      "/MAYEBPv//v8%253D",
                                      "/!!!!",
                                      "/AAAA",
                                      "/MAYEBPv/",
                                      "/MAYEBPv//v8=MAYEBPv//v8="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct buf out;
        buf_init(&out, 256);
        if (revocation_ocsp_from_path(slice_str(bad[i]), &out) == CH_OK) {
            fail_msg("%s", bad[i]);
        }
        buf_clear(&out);
    }
}

/* What `openssl ocsp -reqout` writes is read, and `openssl ocsp -respin` verifies the answer. */
static void ocsp_command_line_agrees(void **state)
{
    struct pki *p = *state;
    char dir[] = "/tmp/chancery-ocsp-XXXXXX", text[400];
    struct buf request, out;
    struct revocation_ocsp_request q;
    struct diag diag = {0};
    assert_non_null(mkdtemp(dir));
    (void)snprintf(text, sizeof(text), "%s/ca.pem", dir);
    FILE *f = fopen(text, "w");
    assert_non_null(f);
    PEM_write_X509(f, p->ca);
    fclose(f);
    (void)snprintf(text, sizeof(text),
                   "cd %s && openssl ocsp -sha256 -issuer ca.pem -serial 0x112233 -reqout req.der "
                   ">/dev/null 2>&1",
                   dir);
    assert_int_equal(system(text), 0);
    buf_init(&request, 65536);
    buf_init(&out, 65536);
    (void)snprintf(text, sizeof(text), "%s/req.der", dir);
    assert_int_equal(os_file_read(text, &request, &diag), CH_OK);
    assert_int_equal(revocation_ocsp_read(buf_slice(&request), &q, &diag), CH_OK);
    answer(p, &q, REVOCATION_STATUS_REVOKED, 4, false, &out);
    (void)snprintf(text, sizeof(text), "%s/resp.der", dir);
    assert_int_equal(os_file_write_atomic(text, buf_slice(&out), 0600, &diag), CH_OK);
    (void)snprintf(
        text, sizeof(text),
        "cd %s && openssl ocsp -sha256 -issuer ca.pem -serial 0x112233 -respin resp.der "
        "-CAfile ca.pem -no_nonce > out.txt 2>&1 && grep -q 'Response verify OK' out.txt && "
        "grep -q ': revoked' out.txt && grep -q 'superseded' out.txt",
        dir);
    assert_int_equal(system(text), 0);
    (void)snprintf(text, sizeof(text), "rm -r %s", dir);
    assert_int_equal(system(text), 0);
    buf_clear(&request);
    buf_clear(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ocsp_every_status_and_hash_verifies),
        cmocka_unit_test(ocsp_several_certificates_are_all_answered),
        cmocka_unit_test(ocsp_extended_revoke_has_its_marks),
        cmocka_unit_test(ocsp_status_none_is_never_written),
        cmocka_unit_test(ocsp_errors_are_what_openssl_reads),
        cmocka_unit_test(ocsp_signed_request_is_accepted),
        cmocka_unit_test(ocsp_cut_and_changed_requests_never_crash),
        cmocka_unit_test(ocsp_hostile_requests_are_malformed),
        cmocka_unit_test(ocsp_nonce_lengths_follow_rfc_9654),
        cmocka_unit_test(ocsp_serials_of_any_kind_are_read),
        cmocka_unit_test(get_forms_that_clients_send_decode),
        cmocka_unit_test(get_hostile_paths_are_malformed),
        cmocka_unit_test(ocsp_command_line_agrees),
    };
    return cmocka_run_group_tests(tests, make_pki, free_pki);
}
