/* tlog_checkpoint_open over any bytes. What opens was written by the key's owner, so its text must
 * be the canonical one; nothing a fuzzer makes opens with a pinned key unless it is a corpus seed.
 */
#include <assert.h>
#include <stdlib.h>

#include "tlog/tlog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The example key of C2SP signed-note, as SubjectPublicKeyInfo. */
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
    struct tlog_checkpoint c;
    struct diag diag = {0};
    if (tlog_checkpoint_open(slice_of(data, size), &key, 1, size % 2 == 0, &c, &diag) != CH_OK) {
        assert(diag.rule[0] != '\0');
        return 0;
    }
    struct buf text;
    buf_init(&text, TLOG_NOTE_MAX);
    assert(tlog_checkpoint_body(&c, &text) == CH_OK);
    assert(text.len < size && memcmp(text.ptr, data, text.len) == 0);
    buf_clear(&text);
    return 0;
}
