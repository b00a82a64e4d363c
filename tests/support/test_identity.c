/* Identities for tests: see the header. */
#include "test_identity.h"

#include <ftw.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "os/os.h"

struct test_ca {
    EVP_PKEY *key;
    X509 *cert;
};

#define NEED(ok)                                                                                   \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok);                         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static X509 *make_cert(const char *cn, EVP_PKEY *key, long valid_s)
{
    X509 *cert = X509_new();
    NEED(cert != NULL && X509_set_version(cert, 2) == 1);
    uint8_t serial[16];
    os_random(serial, sizeof serial);
    serial[0] = (uint8_t)((serial[0] & 0x7f) | 1);
    BIGNUM *bn = BN_bin2bn(serial, sizeof serial, NULL);
    NEED(bn != NULL && BN_to_ASN1_INTEGER(bn, X509_get_serialNumber(cert)) != NULL);
    BN_free(bn);
    NEED(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(cert), valid_s) != NULL);
    NEED(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                    (const unsigned char *)cn, -1, -1, 0) == 1);
    NEED(X509_set_pubkey(cert, key) == 1);
    return cert;
}

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    NEED(ext != NULL && X509_add_ext(cert, ext, -1) == 1);
    X509_EXTENSION_free(ext);
}

struct test_ca *test_ca_new(const char *name)
{
    struct test_ca *ca = calloc(1, sizeof *ca);
    NEED(ca != NULL);
    ca->key = EVP_EC_gen("P-256");
    NEED(ca->key != NULL);
    ca->cert = make_cert(name, ca->key, 86400);
    NEED(X509_set_issuer_name(ca->cert, X509_get_subject_name(ca->cert)) == 1);
    add_ext(ca->cert, ca->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_ext(ca->cert, ca->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_ext(ca->cert, ca->cert, NID_subject_key_identifier, "hash");
    NEED(X509_sign(ca->cert, ca->key, EVP_sha256()) > 0);
    return ca;
}

void test_ca_free(struct test_ca *ca)
{
    if (ca != NULL) {
        EVP_PKEY_free(ca->key);
        X509_free(ca->cert);
        free(ca);
    }
}

void test_write(const char *dir, const char *name, const char *text)
{
    char path[512];
    NEED(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    NEED(os_file_write_atomic(path, slice_str(text), 0600, NULL) == CH_OK);
}

static void write_bio(const char *dir, const char *name, BIO *bio)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    char path[512];
    NEED(snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path);
    NEED(os_file_write_atomic(path, slice_of(text, (size_t)len), 0600, NULL) == CH_OK);
    BIO_free(bio);
}

void test_ca_issue_uris(struct test_ca *ca, const char *dir, const char *const *uris, long valid_s)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    NEED(key != NULL);
    X509 *cert = make_cert("test identity", key, valid_s);
    NEED(X509_set_issuer_name(cert, X509_get_subject_name(ca->cert)) == 1);
    add_ext(cert, ca->cert, NID_basic_constraints, "critical,CA:FALSE");
    add_ext(cert, ca->cert, NID_key_usage, "critical,digitalSignature");
    add_ext(cert, ca->cert, NID_ext_key_usage, "serverAuth,clientAuth");
    char san[1024] = "DNS:localhost";
    for (size_t i = 0, len = strlen(san); uris[i] != NULL; i++) {
        len += (size_t)snprintf(san + len, sizeof san - len, ",URI:%s", uris[i]);
        NEED(len < sizeof san);
    }
    add_ext(cert, ca->cert, NID_subject_alt_name, san);
    NEED(X509_sign(cert, ca->key, EVP_sha256()) > 0);
    NEED(os_mkdirs(dir, 0700) == CH_OK);
    BIO *bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio_X509(bio, ca->cert) == 1);
    write_bio(dir, "ca.pem", bio);
    bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    write_bio(dir, "key.pem", bio);
    bio = BIO_new(BIO_s_mem());
    NEED(PEM_write_bio_X509(bio, cert) == 1);
    write_bio(dir, "cert.pem", bio);
    X509_free(cert);
    EVP_PKEY_free(key);
}

void test_ca_issue(struct test_ca *ca, const char *dir, const char *uri)
{
    const char *const uris[] = {uri, NULL};
    test_ca_issue_uris(ca, dir, uris, 3600);
}

void test_identity_spki(const char *dir, char out[65])
{
    char path[512];
    NEED(snprintf(path, sizeof path, "%s/cert.pem", dir) < (int)sizeof path);
    FILE *f = fopen(path, "r");
    X509 *cert = f == NULL ? NULL : PEM_read_X509(f, NULL, NULL, NULL);
    NEED(cert != NULL);
    (void)fclose(f);
    unsigned char *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
    uint8_t hash[32];
    NEED(len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1);
    hex_encode(slice_of(hash, sizeof hash), out);
    OPENSSL_free(der);
    X509_free(cert);
}

void test_tmpdir(char out[64])
{
    (void)snprintf(out, 64, "/tmp/chancery-test-XXXXXX");
    NEED(mkdtemp(out) != NULL);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void test_rmdir(const char *dir)
{
    (void)nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
