/* tlog_proof_verify over any bytes: never more than a refusal with a rule. */
#include <assert.h>
#include <stdlib.h>

#include "tlog/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t spki[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21,
                               0x00, 0xe9, 0x32, 0x79, 0x1a, 0xe6, 0xe7, 0xa8, 0x40, 0xa4, 0x61,
                               0x64, 0xc9, 0x04, 0x78, 0x64, 0x26, 0xd5, 0xe7, 0x82, 0x1d, 0xd8,
                               0xb6, 0x8a, 0x68, 0x03, 0x58, 0x72, 0xb9, 0xca, 0xbf, 0x75, 0x36};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct crypto_public *pub;
    if (pub == NULL && crypto_public_from_spki(slice_of(spki, sizeof spki), &pub, NULL) != CH_OK) {
        abort();
    }
    struct tlog_key key = {slice_str("example.com/foo"), pub};
    uint64_t index = 0;
    struct diag diag = {0};
    enum chancery_err err =
        tlog_proof_verify(slice_of(data, size), slice_str("entry"), &key, 1, &index, &diag);
    assert(err != CH_OK && diag.rule[0] != '\0'); /* this key never signed a log with that entry */
    return 0;
}
