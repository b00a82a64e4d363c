/* services/ca/issuers.c: the ceremony's list is taken when every part fits trust.json, and else
 * refused by rule. */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <openssl/x509v3.h>

#include "ca.h"
#include "os/os.h"

static char dir[] = "/tmp/test-ca-issuers.XXXXXX";
static EVP_PKEY *root_key, *issuing_key, *ed_key;
static X509 *root, *issuing, *stranger, *leaf, *ed;

static void add(X509 *cert, X509 *by, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, by, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert_int_equal(X509_add_ext(cert, e, -1), 1);
    X509_EXTENSION_free(e);
}

static X509 *make(const char *cn, EVP_PKEY *key, X509 *by, EVP_PKEY *by_key, bool ca)
{
    X509 *c = X509_new();
    X509_NAME *n = X509_NAME_new();
    assert_int_equal(
        X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_ASC, (const uint8_t *)cn, -1, -1, 0), 1);
    X509_set_subject_name(c, n);
    X509_set_issuer_name(c, by == NULL ? n : X509_get_subject_name(by));
    X509_set_version(c, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(c), 7);
    X509_gmtime_adj(X509_getm_notBefore(c), 0);
    X509_gmtime_adj(X509_getm_notAfter(c), 86400);
    X509_set_pubkey(c, key);
    add(c, by == NULL ? c : by, NID_basic_constraints,
        ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
    add(c, by == NULL ? c : by, NID_subject_key_identifier, "hash");
    assert_true(X509_sign(c, by_key, EVP_sha256()) > 0);
    X509_NAME_free(n);
    return c;
}

static struct slice der_of(X509 *c, uint8_t **p)
{
    *p = NULL;
    int len = i2d_X509(c, p);
    return slice_of(*p, (size_t)len);
}

static void write_file(const char *name, struct slice content)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(os_file_write_atomic(path, content, 0600, NULL), CH_OK);
}

static void write_certificate(const char *name, X509 *c)
{
    uint8_t *p;
    write_file(name, der_of(c, &p));
    OPENSSL_free(p);
}

static void write_chain(const char *name, X509 *a, X509 *b)
{
    struct buf text;
    X509 *list[] = {a, b};
    buf_init(&text, 1 << 16);
    for (size_t i = 0; i < 2 && list[i] != NULL; i++) {
        uint8_t *p;
        assert_int_equal(x509_pem_write("CERTIFICATE", der_of(list[i], &p), &text), CH_OK);
        OPENSSL_free(p);
    }
    write_file(name, buf_slice(&text));
    buf_clear(&text);
}

static int set_up(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    root_key = samples_key(CRYPTO_KEY_P384);
    issuing_key = samples_key(CRYPTO_KEY_P256);
    ed_key = samples_key(CRYPTO_KEY_ED25519);
    root = make("Root", root_key, NULL, root_key, true);
    stranger = make("Root", issuing_key, NULL, issuing_key, true);
    issuing = make("Issuing 1", issuing_key, root, root_key, true);
    leaf = make("Issuing 1", issuing_key, root, root_key, false);
    ed = make("Issuing 1", ed_key, root, root_key, true);
    write_certificate("issuing-1.cer", issuing);
    write_certificate("leaf.cer", leaf);
    write_certificate("ed.cer", ed);
    write_chain("issuing-1-chain.pem", issuing, root);
    write_chain("leaf-chain.pem", leaf, root);
    write_chain("ed-chain.pem", ed, root);
    write_chain("stranger-chain.pem", issuing, stranger);
    write_chain("root-chain.pem", root, NULL);
    write_chain("short-chain.pem", issuing, NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    X509 *const certs[] = {root, issuing, stranger, leaf, ed};
    EVP_PKEY *const keys[] = {root_key, issuing_key, ed_key};
    for (size_t i = 0; i < 5; i++) {
        X509_free(certs[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        EVP_PKEY_free(keys[i]);
    }
    char command[300];
    (void)snprintf(command, sizeof command, "rm -r '%s'", dir);
    return system(command);
}

static enum chancery_err load(const char *text, X509 *trusted, uint32_t shards, struct ca *ca,
                              struct diag *d)
{
    char path[256];
    uint8_t *p;
    struct slice der = der_of(trusted, &p);
    const struct daemon_issuer issuers[] = {
        {.issuer_id = "issuing-1", .certificate = der, .shards = shards}};
    const struct daemon_trust trust = {.issuers = issuers, .n_issuers = 1};
    write_file("issuers.yaml", slice_str(text));
    (void)snprintf(path, sizeof path, "%s/issuers.yaml", dir);
    memset(ca, 0, sizeof *ca);
    arena_init(&ca->arena, 0);
    *d = (struct diag){.field = ""};
    enum chancery_err err = ca_issuers_load(ca, path, &trust, d);
    OPENSSL_free(p);
    return err;
}

static void drop(struct ca *ca)
{
    ca_issuers_free(ca);
    arena_clear(&ca->arena);
}

#define LIST(file, chain, shards)                                                                  \
    "issuers:\n  - issuer_id: \"issuing-1\"\n    certificate: \"" file "\"\n    chain: \"" chain   \
    "\"\n"                                                                                         \
    "    ocsp_certificate: \"ocsp.cer\"\n    shards: " shards                                      \
    "\n    crl_url_base: \"http://crl\"\n"                                                         \
    "    ocsp_url: \"http://ocsp\"\n    aia_url_base: \"http://aia\"\n"

static struct ca ca;

static void list_that_fits_is_taken(void **state)
{
    (void)state;
    struct diag d;
    assert_int_equal(load(LIST("issuing-1.cer", "issuing-1-chain.pem", "64"), issuing, 64, &ca, &d),
                     CH_OK);
    const struct ca_issuer *i = ca_issuer_find(&ca, slice_str("issuing-1"));
    assert_non_null(i);
    assert_null(ca_issuer_find(&ca, slice_str("issuing-2")));
    assert_int_equal(i->alg, CRYPTO_ALG_ECDSA_SHA256);
    assert_int_equal(i->n_chain, 2);
    assert_true(i->chain_has_root);
    assert_int_equal(i->shards, 64);
    assert_string_equal(i->aia_url_base, "http://aia");
    drop(&ca);
    assert_int_equal(load(LIST("issuing-1.cer", "short-chain.pem", "64"), issuing, 64, &ca, &d),
                     CH_OK);
    assert_false(ca.issuers[0].chain_has_root);
    drop(&ca);
}

static void list_that_does_not_fit_refused(void **state)
{
    (void)state;
    const struct {
        const char *text;
        X509 *trusted;
        uint32_t shards;
        enum chancery_err err;
        const char *rule;
    } rows[] = {
        {LIST("issuing-1.cer", "issuing-1-chain.pem", "64"), issuing, 32, CH_INTEGRITY,
         "issuer.trust"},
        {LIST("issuing-1.cer", "issuing-1-chain.pem", "64"), leaf, 64, CH_INTEGRITY,
         "issuer.trust"},
        {LIST("issuing-1.cer", "stranger-chain.pem", "64"), issuing, 64, CH_INTEGRITY,
         "issuer.chain"},
        {LIST("issuing-1.cer", "root-chain.pem", "64"), issuing, 64, CH_INTEGRITY, "issuer.chain"},
        {LIST("leaf.cer", "leaf-chain.pem", "64"), leaf, 64, CH_INTEGRITY, "issuer.certificate"},
        {LIST("ed.cer", "ed-chain.pem", "64"), ed, 64, CH_INTEGRITY, "issuer.key"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct diag d;
        assert_int_equal(load(rows[i].text, rows[i].trusted, rows[i].shards, &ca, &d), rows[i].err);
        assert_string_equal(d.rule, rows[i].rule);
        drop(&ca);
    }
    struct diag d;
    assert_int_not_equal(
        load(LIST("issuing-1.cer", "issuing-1-chain.pem", "0"), issuing, 0, &ca, &d), CH_OK);
    drop(&ca);
    assert_int_not_equal(
        load(LIST("missing.cer", "issuing-1-chain.pem", "64"), issuing, 64, &ca, &d), CH_OK);
    drop(&ca);
    assert_int_not_equal(load("issuers: []\n", issuing, 64, &ca, &d), CH_OK);
    drop(&ca);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_that_fits_is_taken),
        cmocka_unit_test(list_that_does_not_fit_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
