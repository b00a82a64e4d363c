/* Software checkpoint keys for tests: a P-256 and an Ed25519 key that sign checkpoints the way the
 * token's keys do. */
#ifndef CHANCERY_TESTS_LOG_KEYS_H
#define CHANCERY_TESTS_LOG_KEYS_H

#include "tlog/tlog.h"

struct log_keys {
    void *evp[2]; /* EVP_PKEY *: P-256, Ed25519 */
    struct crypto_public *pub[2];
    struct tlog_key keys[2];
};

/* log_keys_make generates both keys under `name` (borrowed); ends the test when it cannot. */
void log_keys_make(struct log_keys *k, const char *name);
void log_keys_clear(struct log_keys *k);

/* log_keys_sign appends one signature line of key `i` over `text` to `note`. */
void log_keys_sign(const struct log_keys *k, size_t i, struct slice text, struct buf *note);

/* log_keys_checkpoint appends the checkpoint of (size, root) signed by both keys. */
void log_keys_checkpoint(const struct log_keys *k, uint64_t size, const struct tlog_hash *root,
                         struct buf *out);

/* log_keys_trust writes a signed trust.json for these keys and `domain`. */
void log_keys_trust(const struct log_keys *k, const char *domain, struct buf *out);

#endif
