/* services/policy: issuers.yaml against the pinned trust.json. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "fix.h"

#include "issuers.h"

/* A self-signed certificate; CA or not. DER is freed by the caller. */
static struct slice make_certificate(const char *name, bool ca)
{
    X509 *x = X509_new();
    EVP_PKEY *key = EVP_EC_gen("P-384");
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 7), 1);
    assert_int_equal(X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                                (const uint8_t *)name, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_issuer_name(x, X509_get_subject_name(x)), 1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x), FIX_NOW));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x), FIX_NOW + 1000));
    assert_int_equal(X509_set_pubkey(x, key), 1);
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, x, x, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints,
                                            ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
    e = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_key_identifier, "hash");
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
    assert_true(X509_sign(x, key, EVP_sha384()) > 0);
    uint8_t *der = NULL;
    int n = i2d_X509(x, &der);
    assert_true(n > 0);
    EVP_PKEY_free(key);
    X509_free(x);
    return slice_of(der, (size_t)n);
}

struct setup {
    struct slice der[2];
    struct daemon_issuer issuers[2];
    struct daemon_trust trust;
    char path[64];
    struct policy_issuers out;
};

static void setup(struct setup *s, bool ca)
{
    memset(s, 0, sizeof *s);
    s->der[0] = make_certificate("root", true);
    s->der[1] = make_certificate("issuing-1", ca);
    s->issuers[0] = (struct daemon_issuer){"root", s->der[0], 0, "http://c", ""};
    s->issuers[1] = (struct daemon_issuer){"issuing-1", s->der[1], 16, "http://c", "http://o"};
    s->trust.issuers = s->issuers;
    s->trust.n_issuers = 2;
    (void)snprintf(s->path, sizeof s->path, "/tmp/chancery-issuers-XXXXXX");
    int fd = mkstemp(s->path);
    assert_true(fd >= 0);
    (void)close(fd);
}

static void clear(struct setup *s)
{
    policy_issuers_clear(&s->out);
    OPENSSL_free((void *)(uintptr_t)s->der[0].ptr);
    OPENSSL_free((void *)(uintptr_t)s->der[1].ptr);
    (void)unlink(s->path);
}

static enum chancery_err load(struct setup *s, const char *yaml, struct diag *d)
{
    FILE *f = fopen(s->path, "w");
    assert_non_null(f);
    assert_true(fputs(yaml, f) >= 0);
    assert_int_equal(fclose(f), 0);
    policy_issuers_clear(&s->out);
    return policy_issuers_load(s->path, &s->trust, &s->out, d);
}

#define ROW(id, shards, crl, ocsp)                                                                 \
    "  - {issuer_id: " id ", certificate: x.cer, chain: x.pem, shards: " shards                    \
    ", crl_url_base: '" crl "', ocsp_url: '" ocsp "', aia_url_base: 'http://a'}\n"
#define GOOD ROW("issuing-1", "16", "http://c", "http://o")

static void list_that_agrees_loads(void **state)
{
    (void)state;
    struct setup s;
    struct diag d = {.field = ""};
    setup(&s, true);
    assert_int_equal(load(&s, "issuers:\n" GOOD, &d), CH_OK);
    const struct policy_issuer *i = policy_issuers_find(&s.out, "issuing-1");
    assert_non_null(i);
    assert_null(policy_issuers_find(&s.out, "root")); /* not in the list: signs nothing here */
    assert_int_equal(i->key_type, CRYPTO_KEY_P384);
    assert_int_equal(i->shards, 16);
    assert_int_equal(i->not_after_s, FIX_NOW + 1000);
    assert_int_equal(i->ski.len, 20);
    assert_string_equal(i->aia_url_base, "http://a");
    assert_int_equal(s.out.n_own_keys, 2);
    assert_memory_equal(s.out.own_keys[1], i->spki_sha256, 32);
    clear(&s);
}

static void lists_that_disagree_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        enum chancery_err err;
        const char *rule;
    } bad[] = {
        {"issuers:\n" ROW("issuing-2", "16", "http://c", "http://o"), CH_INTEGRITY, "issuer.trust"},
        {"issuers:\n" ROW("issuing-1", "17", "http://c", "http://o"), CH_INTEGRITY, "issuer.trust"},
        {"issuers:\n" ROW("issuing-1", "16", "http://d", "http://o"), CH_INTEGRITY, "issuer.trust"},
        {"issuers:\n" ROW("issuing-1", "16", "http://c", "http://p"), CH_INTEGRITY, "issuer.trust"},
        {"issuers:\n" ROW("issuing-1", "0", "http://c", "http://o"), CH_INVALID, "conf.range"},
        {"issuers:\n" GOOD GOOD, CH_INVALID, "issuer.duplicate"},
        {"issuers:\n" GOOD "extra: 1\n", CH_INVALID, "conf.unknown"},
        {"issuers: []\n", CH_INVALID, "issuer.count"},
        {"issuer: []\n", CH_INVALID, "conf.required"},
    };
    struct setup s;
    setup(&s, true);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct diag d = {.field = ""};
        assert_int_equal(load(&s, bad[i].yaml, &d), bad[i].err);
        assert_string_equal(d.rule, bad[i].rule);
    }
    clear(&s);
}

static void issuer_that_is_no_ca_is_refused(void **state)
{
    (void)state;
    struct setup s;
    struct diag d = {.field = ""};
    setup(&s, false);
    assert_int_equal(load(&s, "issuers:\n" GOOD, &d), CH_INTEGRITY);
    clear(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_that_agrees_loads),
        cmocka_unit_test(lists_that_disagree_are_refused),
        cmocka_unit_test(issuer_that_is_no_ca_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
