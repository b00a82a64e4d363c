#include "samples.h"

#include <openssl/rsa.h>

const enum crypto_key_type samples_types[] = {CRYPTO_KEY_RSA_2048, CRYPTO_KEY_RSA_3072,
                                              CRYPTO_KEY_P256,     CRYPTO_KEY_P384,
                                              CRYPTO_KEY_P521,     CRYPTO_KEY_ED25519};
const size_t samples_n_types = sizeof samples_types / sizeof samples_types[0];

EVP_PKEY *samples_key(enum crypto_key_type t)
{
    EVP_PKEY *key = NULL;
    switch (t) {
    case CRYPTO_KEY_RSA_2048:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
        break;
    case CRYPTO_KEY_RSA_3072:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)3072);
        break;
    case CRYPTO_KEY_RSA_OTHER:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
        break;
    case CRYPTO_KEY_P256:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        break;
    case CRYPTO_KEY_P384:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
        break;
    case CRYPTO_KEY_P521:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-521");
        break;
    default:
        key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    }
    assert_non_null(key);
    return key;
}

void samples_spki(EVP_PKEY *key, struct buf *out)
{
    uint8_t *der = NULL;
    int len = i2d_PUBKEY(key, &der);
    assert_true(len > 0);
    assert_int_equal(buf_add(out, slice_of(der, (size_t)len)), CH_OK);
    OPENSSL_free(der);
}

void samples_sign(EVP_PKEY *key, enum crypto_alg alg, struct slice message, struct buf *out)
{
    static const char *const names[] = {NULL, "SHA1", "SHA256", "SHA384", "SHA512"};
    uint8_t sig[1024];
    size_t len = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *pctx = NULL;
    assert_int_equal(
        EVP_DigestSignInit_ex(ctx, &pctx, names[crypto_alg_hash(alg)], NULL, NULL, key, NULL), 1);
    if (alg >= CRYPTO_ALG_RSA_PSS_SHA256 && alg <= CRYPTO_ALG_RSA_PSS_SHA512) {
        assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
        assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST), 1);
    }
    assert_int_equal(EVP_DigestSign(ctx, sig, &len, message.ptr, message.len), 1);
    EVP_MD_CTX_free(ctx);
    assert_int_equal(buf_add(out, slice_of(sig, len)), CH_OK);
}

void samples_tlv(uint8_t tag, struct slice content, struct buf *out)
{
    assert_int_equal(der_put(out, tag, content), CH_OK);
}

void samples_name(struct slice oid, uint8_t tag, struct slice value, struct buf *out)
{
    struct buf pair, seq, set;
    buf_init(&pair, 1 << 16);
    buf_init(&seq, 1 << 16);
    buf_init(&set, 1 << 16);
    samples_tlv(DER_OID, oid, &pair);
    samples_tlv(tag, value, &pair);
    samples_tlv(DER_SEQUENCE, buf_slice(&pair), &seq);
    samples_tlv(DER_SET, buf_slice(&seq), &set);
    samples_tlv(DER_SEQUENCE, buf_slice(&set), out);
    buf_clear(&pair);
    buf_clear(&seq);
    buf_clear(&set);
}

static const uint8_t default_spki[] = {
    0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00, 0xfc, 0x51, 0xcd,
    0x8e, 0x62, 0x18, 0xa1, 0xa3, 0x8d, 0xa4, 0x7e, 0xd0, 0x02, 0x30, 0xf0, 0x58, 0x08, 0x16,
    0xed, 0x13, 0xba, 0x33, 0x03, 0xac, 0x5d, 0xeb, 0x91, 0x15, 0x48, 0x90, 0x80, 0x25};

static void san_attributes(struct slice names, struct buf *out)
{
    static const uint8_t request[] = {0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e};
    struct buf b;
    size_t attribute, set, list, ext, octets;
    buf_init(&b, 1 << 20);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &attribute), CH_OK);
    samples_tlv(DER_OID, slice_of(request, sizeof request), &b);
    assert_int_equal(der_open(&b, DER_SET, &set), CH_OK);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &list), CH_OK);
    assert_int_equal(der_open(&b, DER_SEQUENCE, &ext), CH_OK);
    samples_tlv(DER_OID, X509_EXT_SAN, &b);
    assert_int_equal(der_open(&b, DER_OCTET_STRING, &octets), CH_OK);
    samples_tlv(DER_SEQUENCE, names, &b);
    assert_int_equal(der_close(&b, octets), CH_OK);
    assert_int_equal(der_close(&b, ext), CH_OK);
    assert_int_equal(der_close(&b, list), CH_OK);
    assert_int_equal(der_close(&b, set), CH_OK);
    assert_int_equal(der_close(&b, attribute), CH_OK);
    assert_int_equal(buf_add(out, buf_slice(&b)), CH_OK);
    buf_clear(&b);
}

void samples_csr_write(const struct samples_csr *c, struct buf *out)
{
    struct buf attributes;
    size_t outer, info;
    buf_init(&attributes, 1 << 20);
    assert_int_equal(buf_add(&attributes, c->attributes), CH_OK);
    if (c->san.ptr != NULL) {
        san_attributes(c->san, &attributes);
    }
    assert_int_equal(der_open(out, DER_SEQUENCE, &outer), CH_OK);
    assert_int_equal(der_open(out, DER_SEQUENCE, &info), CH_OK);
    assert_int_equal(buf_add(out, c->version.len > 0 ? c->version : SAMPLES_BYTES(2, 1, 0)), CH_OK);
    assert_int_equal(buf_add(out, c->subject.len > 0 ? c->subject : SAMPLES_BYTES(0x30, 0)), CH_OK);
    assert_int_equal(
        buf_add(out, c->spki.len > 0 ? c->spki : slice_of(default_spki, sizeof default_spki)),
        CH_OK);
    samples_tlv(DER_CONTEXT_CONS(0), buf_slice(&attributes), out);
    assert_int_equal(der_close(out, info), CH_OK);
    assert_int_equal(buf_add(out, c->alg.len > 0 ? c->alg : crypto_alg_der(CRYPTO_ALG_ED25519)),
                     CH_OK);
    samples_tlv(DER_BIT_STRING, SAMPLES_BYTES(0, 1, 2, 3), out);
    assert_int_equal(der_close(out, outer), CH_OK);
    buf_clear(&attributes);
}

uint32_t samples_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005U + 1442695040888963407U;
    return (uint32_t)(*seed >> 33);
}
