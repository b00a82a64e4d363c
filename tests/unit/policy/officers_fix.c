/* Officers with keys made for the test. */
#include "officers_fix.h"

#include <openssl/ec.h>
#include <openssl/x509.h>
#include <stdio.h>

void officers_b64(EVP_PKEY *key, char *out, size_t cap, uint8_t hash[32])
{
    uint8_t *der = NULL;
    struct buf text CLEANUP(buf_clear);
    buf_init(&text, cap - 1);
    int n = i2d_PUBKEY(key, &der);
    assert_true(n > 0);
    assert_int_equal(base64_encode(slice_of(der, (size_t)n), &text), CH_OK);
    if (hash != NULL) {
        crypto_sha256(slice_of(der, (size_t)n), hash);
    }
    OPENSSL_free(der);
    memcpy(out, text.ptr, text.len);
    out[text.len] = '\0';
}

void officers_make(struct officers *o)
{
    static const char *const roles[OFFICERS] = {"policy, security", "policy, security",
                                                "policy, owner", "policy, owner", "security"};
    size_t at = (size_t)snprintf(o->yaml, sizeof o->yaml, "officers:\n");
    for (unsigned i = 0; i < OFFICERS; i++) {
        char identity[48] = "";
        o->keys[i] = i == 4 ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519") : EVP_EC_gen("P-256");
        officers_b64(o->keys[i], o->b64[i], sizeof o->b64[i], o->hash[i]);
        if (i < 4) {
            (void)snprintf(identity, sizeof identity, "    identity: /user/%c\n", 'a' + (int)i);
        }
        at += (size_t)snprintf(o->yaml + at, sizeof o->yaml - at,
                               "  - id: %c\n%s    key: %s\n    roles: [%s]\n", 'a' + (int)i,
                               identity, o->b64[i], roles[i]);
    }
    (void)snprintf(o->yaml + at, sizeof o->yaml - at, "promotion: {role: policy, quorum: 2}\n");
}

void officers_clear(struct officers *o)
{
    for (unsigned i = 0; i < OFFICERS; i++) {
        EVP_PKEY_free(o->keys[i]);
    }
}

struct policy_approval officers_sign(const struct officers *o, unsigned who,
                                     const struct approval *in, struct arena *arena)
{
    struct approval a = *in;
    struct buf b CLEANUP(buf_clear);
    uint8_t signature[APPROVAL_SIGNATURE_MAX];
    size_t n = sizeof signature;
    buf_init(&b, APPROVAL_MAX);
    memcpy(a.approver, o->hash[who], 32);
    assert_int_equal(approval_write(&a, &b, NULL), CH_OK);
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    const EVP_MD *md = who == 4 ? NULL : EVP_sha256();
    assert_int_equal(EVP_DigestSignInit(c, NULL, md, NULL, o->keys[who]), 1);
    assert_int_equal(EVP_DigestSign(c, signature, &n, b.ptr, b.len), 1);
    EVP_MD_CTX_free(c);
    return (struct policy_approval){.bytes = slice_of(arena_copy(arena, buf_slice(&b)), b.len),
                                    .signature =
                                        slice_of(arena_copy(arena, slice_of(signature, n)), n)};
}
