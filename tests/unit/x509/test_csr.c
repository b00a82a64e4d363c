/* lib/x509/csr.c: requests that OpenSSL makes are read and verified; what is accepted of changed
 * ones, OpenSSL reads the same. */
#include "samples.h"

#include <openssl/x509v3.h>

static void add_extension(STACK_OF(X509_EXTENSION) * list, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    assert_non_null(e);
    assert_true(sk_X509_EXTENSION_push(list, e) > 0);
}

/* A request as people make them: subject, SANs in mixed case and order, key usage, challenge. */
static struct slice openssl_csr(EVP_PKEY *key, const EVP_MD *md, uint8_t **der)
{
    X509_REQ *req = X509_REQ_new();
    X509_NAME *name = X509_NAME_new();
    assert_int_equal(
        X509_NAME_add_entry_by_txt(name, "C", MBSTRING_ASC, (const uint8_t *)"DE", -1, -1, 0), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                                (const uint8_t *)"Stra\xc3\x9f"
                                                                 "e",
                                                -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                                (const uint8_t *)"www.example.org", -1, -1, 0),
                     1);
    assert_int_equal(X509_REQ_set_subject_name(req, name), 1);
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    STACK_OF(X509_EXTENSION) *list = sk_X509_EXTENSION_new_null();
    add_extension(list, NID_key_usage, "critical,digitalSignature");
    add_extension(list, NID_subject_alt_name,
                  "DNS:WWW.Example.org,IP:192.0.2.1,DNS:*.a.example,URI:https://example.org/x,"
                  "email:Joe@Example.ORG,DNS:www.example.org,IP:2001:db8::1");
    assert_int_equal(X509_REQ_add_extensions(req, list), 1);
    sk_X509_EXTENSION_pop_free(list, X509_EXTENSION_free);
    assert_int_equal(X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_ASC,
                                               (const uint8_t *)"s3cret", -1),
                     1);
    assert_true(X509_REQ_sign(req, key, md) > 0);
    int len = i2d_X509_REQ(req, der);
    assert_true(len > 0);
    X509_NAME_free(name);
    X509_REQ_free(req);
    return slice_of(*der, (size_t)len);
}

static void csr_of_every_key_type_read_and_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < samples_n_types; i++) {
        EVP_PKEY *key = samples_key(samples_types[i]);
        uint8_t *der = NULL;
        bool ed = samples_types[i] == CRYPTO_KEY_ED25519;
        struct slice bytes = openssl_csr(key, ed ? NULL : EVP_sha256(), &der);
        struct arena arena;
        struct x509_csr csr;
        struct diag d = {0};
        arena_init(&arena, 0);
        assert_int_equal(x509_csr_read(bytes, &arena, &csr, &d), CH_OK);
        static const char *const want[] = {"email:Joe@example.org", "DNS:*.a.example",
                                           "DNS:www.example.org",   "URI:https://example.org/x",
                                           "IP:2001:db8::1",        "IP:192.0.2.1"};
        assert_int_equal(csr.n_sans, 6);
        for (size_t s = 0; s < 6; s++) {
            struct buf text;
            buf_init(&text, 256);
            assert_int_equal(x509_san_text(&csr.sans[s], &text), CH_OK);
            assert_true(slice_eq(buf_slice(&text), slice_str(want[s])));
            buf_clear(&text);
        }
        assert_int_equal(csr.n_extensions, 1);
        assert_true(slice_eq(csr.extensions[0].oid, X509_EXT_KEY_USAGE));
        assert_true(csr.extensions[0].critical);
        assert_true(slice_eq(csr.challenge_password, slice_str("s3cret")));
        struct crypto_public *k;
        assert_int_equal(x509_csr_verify(&csr, &k, &d), CH_OK);
        assert_int_equal(crypto_public_type(k), samples_types[i]);
        crypto_public_free(k);
        /* One octet of what is signed changed: proof of possession fails. */
        uint8_t *changed = arena_copy(&arena, bytes);
        size_t at =
            (size_t)(csr.extensions[0].value.ptr - bytes.ptr) + csr.extensions[0].value.len - 1;
        changed[at] ^= 1;
        assert_int_equal(x509_csr_read(slice_of(changed, bytes.len), &arena, &csr, &d), CH_OK);
        assert_int_equal(x509_csr_verify(&csr, &k, &d), CH_CRYPTO);
        assert_string_equal(d.rule, "csr.signature");
        arena_clear(&arena);
        OPENSSL_free(der);
        EVP_PKEY_free(key);
    }
}

static void csr_signed_by_another_key_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = samples_key(CRYPTO_KEY_P256), *other = samples_key(CRYPTO_KEY_P256);
    X509_REQ *req = X509_REQ_new();
    assert_int_equal(X509_REQ_set_pubkey(req, key), 1);
    assert_true(X509_REQ_sign(req, other, EVP_sha256()) > 0);
    uint8_t *der = NULL;
    int len = i2d_X509_REQ(req, &der);
    struct arena arena;
    struct x509_csr csr;
    struct crypto_public *k = NULL;
    struct diag d = {0};
    arena_init(&arena, 0);
    assert_int_equal(x509_csr_read(slice_of(der, (size_t)len), &arena, &csr, &d), CH_OK);
    assert_int_equal(x509_csr_verify(&csr, &k, &d), CH_CRYPTO);
    assert_null(k);
    arena_clear(&arena);
    OPENSSL_free(der);
    X509_REQ_free(req);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

static void csr_cut_anywhere_or_extended_refused(void **state)
{
    (void)state;
    EVP_PKEY *key = samples_key(CRYPTO_KEY_P256);
    uint8_t *der = NULL;
    struct slice bytes = openssl_csr(key, EVP_sha256(), &der);
    struct arena arena;
    struct x509_csr csr;
    struct diag d = {0};
    arena_init(&arena, 0);
    for (size_t n = 0; n < bytes.len; n++) {
        assert_int_not_equal(x509_csr_read(slice_sub(bytes, 0, n), &arena, &csr, NULL), CH_OK);
    }
    uint8_t *longer = arena_copy(&arena, bytes); /* a NUL octet stands behind */
    assert_int_equal(x509_csr_read(slice_of(longer, bytes.len + 1), &arena, &csr, &d),
                     CH_MALFORMED);
    assert_string_equal(d.rule, "csr.trailing");
    arena_clear(&arena);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

/* What OpenSSL understands of octets that we accepted must be what we understood. */
static void expect_same(struct slice bytes, const struct x509_csr *csr)
{
    const uint8_t *p = bytes.ptr;
    X509_REQ *req = d2i_X509_REQ(NULL, &p, (long)bytes.len);
    assert_non_null(req);
    assert_ptr_equal(p, bytes.ptr + bytes.len);
    uint8_t *out = NULL;
    int len = i2d_X509_NAME(X509_REQ_get_subject_name(req), &out);
    assert_true(slice_eq(slice_of(out, (size_t)len), csr->subject));
    OPENSSL_free(out);
    out = NULL;
    len = i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(req), &out);
    assert_true(slice_eq(slice_of(out, (size_t)len), csr->spki));
    OPENSSL_free(out);
    const ASN1_BIT_STRING *sig;
    X509_REQ_get0_signature(req, &sig, NULL);
    assert_true(slice_eq(slice_of(sig->data, (size_t)sig->length), csr->signature));
    X509_REQ_free(req);
}

static void csr_changed_at_random_means_the_same_to_openssl(void **state)
{
    (void)state;
    EVP_PKEY *key = samples_key(CRYPTO_KEY_P256);
    uint8_t *der = NULL;
    struct slice bytes = openssl_csr(key, EVP_sha256(), &der);
    uint64_t seed = 20240229;
    size_t accepted = 0;
    struct arena arena;
    arena_init(&arena, 0);
    for (int round = 0; round < 30000; round++) {
        uint8_t raw[2048];
        assert_true(bytes.len < sizeof raw);
        memcpy(raw, bytes.ptr, bytes.len);
        for (uint32_t n = 1 + samples_random(&seed) % 3; n > 0; n--) {
            raw[samples_random(&seed) % bytes.len] = (uint8_t)samples_random(&seed);
        }
        struct x509_csr csr;
        arena_reset(&arena);
        struct crypto_public *k;
        if (x509_csr_read(slice_of(raw, bytes.len), &arena, &csr, NULL) == CH_OK &&
            crypto_public_from_spki(csr.spki, &k, NULL) == CH_OK) {
            crypto_public_free(k);
            accepted++;
            expect_same(slice_of(raw, bytes.len), &csr);
        }
    }
    assert_true(accepted > 100); /* changes inside strings and the signature are fine */
    arena_clear(&arena);
    OPENSSL_free(der);
    EVP_PKEY_free(key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csr_of_every_key_type_read_and_verified),
        cmocka_unit_test(csr_signed_by_another_key_refused),
        cmocka_unit_test(csr_cut_anywhere_or_extended_refused),
        cmocka_unit_test(csr_changed_at_random_means_the_same_to_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
