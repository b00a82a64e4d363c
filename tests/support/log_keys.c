/* Software checkpoint keys for tests. */
#include "log_keys.h"

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>

#include "test_trust.h"

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (void)fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                          \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

void log_keys_make(struct log_keys *k, const char *name)
{
    memset(k, 0, sizeof *k);
    k->evp[0] = EVP_EC_gen("P-256");
    k->evp[1] = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    for (size_t i = 0; i < 2; i++) {
        MUST(k->evp[i] != NULL);
        unsigned char *der = NULL;
        int n = i2d_PUBKEY(k->evp[i], &der);
        MUST(n > 0);
        MUST(crypto_public_from_spki(slice_of(der, (size_t)n), &k->pub[i], NULL) == CH_OK);
        OPENSSL_free(der);
        k->keys[i] = (struct tlog_key){slice_str(name), k->pub[i]};
    }
}

void log_keys_clear(struct log_keys *k)
{
    for (size_t i = 0; i < 2; i++) {
        EVP_PKEY_free(k->evp[i]);
        crypto_public_free(k->pub[i]);
    }
    memset(k, 0, sizeof *k);
}

void log_keys_sign(const struct log_keys *k, size_t i, struct slice text, struct buf *note)
{
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    unsigned char sig[128];
    size_t len = sizeof sig;
    MUST(c != NULL);
    MUST(EVP_DigestSignInit(c, NULL, i == 0 ? EVP_sha256() : NULL, NULL, k->evp[i]) == 1);
    MUST(EVP_DigestSign(c, sig, &len, text.ptr, text.len) == 1);
    EVP_MD_CTX_free(c);
    MUST(tlog_note_add_signature(&k->keys[i], slice_of(sig, len), note) == CH_OK);
}

void log_keys_checkpoint(const struct log_keys *k, uint64_t size, const struct tlog_hash *root,
                         struct buf *out)
{
    struct tlog_checkpoint c = {.origin = k->keys[0].name, .size = size, .root = *root};
    struct buf text;
    buf_init(&text, 1024);
    MUST(tlog_checkpoint_body(&c, &text) == CH_OK);
    MUST(buf_add(out, buf_slice(&text)) == CH_OK && buf_add_str(out, "\n") == CH_OK);
    log_keys_sign(k, 0, buf_slice(&text), out);
    log_keys_sign(k, 1, buf_slice(&text), out);
    buf_clear(&text);
}

void log_keys_trust(const struct log_keys *k, const char *domain, struct buf *out)
{
    MUST(buf_printf(
             out, "{\"v\":1,\"trust_domain\":\"%s\",\"origin\":\"%.*s\",\"keys\":{\"checkpoint\":[",
             domain, (int)k->keys[0].name.len, (const char *)k->keys[0].name.ptr) == CH_OK);
    for (size_t i = 0; i < 2; i++) {
        MUST(buf_add_str(out, i == 0 ? "\"" : ",\"") == CH_OK);
        MUST(base64_encode(crypto_public_spki(k->pub[i]), out) == CH_OK);
        MUST(buf_add_str(out, "\"") == CH_OK);
    }
    MUST(buf_add_str(out, "],\"permit\":[],\"statement\":[]},\"rehearsal\":true}\n") == CH_OK);
    test_trust_sign(out);
}
