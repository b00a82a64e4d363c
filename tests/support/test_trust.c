/* trust.json for tests: see the header. The format is written from docs/CEREMONY.md, not with the
 * ceremony's code. */
#include "test_trust.h"

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#define CONTEXT "chancery/trust/v1\n"

#define NEED(ok)                                                                                   \
    do {                                                                                           \
        if (!(ok)) {                                                                               \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #ok);                         \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static json_t *base64_json(struct slice octets)
{
    struct buf b;
    buf_init(&b, 65536);
    NEED(base64_encode(octets, &b) == CH_OK);
    json_t *v = json_stringn((const char *)b.ptr, b.len);
    NEED(v != NULL);
    buf_clear(&b);
    return v;
}

static json_t *root_issuer(EVP_PKEY *key)
{
    unsigned char *der = NULL;
    X509 *cert = X509_new();
    NEED(cert != NULL && X509_set_version(cert, 2) == 1);
    NEED(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
    NEED(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL);
    NEED(X509_gmtime_adj(X509_getm_notAfter(cert), 86400) != NULL);
    NEED(X509_set_pubkey(cert, key) == 1 && X509_sign(cert, key, EVP_sha256()) > 0);
    int len = i2d_X509(cert, &der);
    NEED(len > 0);
    json_t *v = json_pack("{s:s, s:o, s:i, s:s, s:s}", "issuer_id", "root", "certificate",
                          base64_json(slice_of(der, (size_t)len)), "shards", 0, "crl_url",
                          "http://c/x", "ocsp_url", "");
    NEED(v != NULL);
    OPENSSL_free(der);
    X509_free(cert);
    return v;
}

static json_t *sign(EVP_PKEY *key, const json_t *body)
{
    uint8_t message[sizeof CONTEXT - 1 + SHA256_DIGEST_LENGTH];
    uint8_t signature[128];
    size_t len = sizeof signature;
    char *text = json_dumps(body, JSON_SORT_KEYS | JSON_COMPACT);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    NEED(text != NULL && c != NULL);
    memcpy(message, CONTEXT, sizeof CONTEXT - 1);
    SHA256((const unsigned char *)text, strlen(text), message + sizeof CONTEXT - 1);
    NEED(EVP_DigestSignInit(c, NULL, EVP_sha256(), NULL, key) == 1);
    NEED(EVP_DigestSign(c, signature, &len, message, sizeof message) == 1);
    EVP_MD_CTX_free(c);
    free(text);
    json_t *v = json_pack("{s:s, s:s, s:o}", "key", "root", "alg", "ecdsa-with-SHA256", "value",
                          base64_json(slice_of(signature, len)));
    NEED(v != NULL);
    return v;
}

void test_trust_sign(struct buf *text)
{
    bool ends_in_nul = text->len > 0 && text->ptr[text->len - 1] == 0;
    json_t *root = json_loadb((const char *)text->ptr, text->len - (ends_in_nul ? 1 : 0), 0, NULL);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    NEED(root != NULL && key != NULL);
    if (json_object_get(root, "issuers") == NULL) {
        NEED(json_object_set_new(root, "issuers", json_array()) == 0);
    }
    NEED(json_array_insert_new(json_object_get(root, "issuers"), 0, root_issuer(key)) == 0);
    NEED(json_object_set_new(root, "signature", sign(key, root)) == 0);
    char *out = json_dumps(root, JSON_SORT_KEYS | JSON_COMPACT);
    NEED(out != NULL);
    buf_reset(text);
    NEED(buf_printf(text, "%s\n", out) == CH_OK);
    NEED(!ends_in_nul || buf_add_u8(text, 0) == CH_OK);
    free(out);
    json_decref(root);
    EVP_PKEY_free(key);
}
