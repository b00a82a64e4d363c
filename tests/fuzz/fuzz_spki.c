/* SubjectPublicKeyInfo reader: what it accepts, OpenSSL reads as the same key and writes as the
 * same octets; the reader without a key says the same. */
#include <stdlib.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include "crypto/alg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct crypto_public *key;
    struct crypto_key_facts facts;
    struct diag diag = {0}, light = {0};
    enum chancery_err err = crypto_public_from_spki(slice_of(data, size), &key, &diag);
    if (crypto_spki_read(slice_of(data, size), &facts, &light) != err ||
        strcmp(light.rule, diag.rule) != 0) {
        abort();
    }
    if (err != CH_OK) {
        if (diag.rule[0] == '\0') {
            abort();
        }
        return 0;
    }
    const uint8_t *p = data;
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)size);
    uint8_t *again = NULL;
    int len = pkey == NULL ? -1 : i2d_PUBKEY(pkey, &again);
    if (len < 0 || (size_t)len != size || memcmp(again, data, size) != 0 ||
        EVP_PKEY_eq(pkey, crypto_public_evp(key)) != 1) {
        abort();
    }
    OPENSSL_free(again);
    EVP_PKEY_free(pkey);
    crypto_public_free(key);
    return 0;
}
