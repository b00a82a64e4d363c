/* The canon encoding: format name and newline, then fields in fixed order. For the libraries that
 * define signed formats: lib/permit and lib/approval. */
#ifndef CHANCERY_PERMIT_CANON_H
#define CHANCERY_PERMIT_CANON_H

#include "base/bytes.h"

#define CANON_REQUEST "chancery/request/v1\n"
#define CANON_EVIDENCE "chancery/evidence/v1\n"
#define CANON_STATEMENT "chancery/statement/v1\n"
#define CANON_ITEM "chancery/permit-item/v1\n"
#define CANON_PERMIT "chancery/permit/v1\n"

/* Clocks of two processes may differ by this much (the readiness limit on skew). */
#define CANON_SKEW_S 5

/* canon_put_bytes appends u32 length + bytes. */
enum chancery_err canon_put_bytes(struct buf *b, struct slice s) MUST_CHECK;
enum chancery_err canon_put_i64(struct buf *b, int64_t v) MUST_CHECK;
enum chancery_err canon_put_digest(struct buf *b, const uint8_t digest[32]) MUST_CHECK;

/* A reader that remembers its first failure: reads after it give zeros. */
struct canon_reader {
    struct slice rest;
    bool bad;
};
/* canon_open checks the format name and gives a reader over the fields. */
struct canon_reader canon_open(struct slice bytes, const char *name);
uint8_t canon_u8(struct canon_reader *r);
uint32_t canon_u32(struct canon_reader *r);
uint64_t canon_u64(struct canon_reader *r);
int64_t canon_i64(struct canon_reader *r);
void canon_digest(struct canon_reader *r, uint8_t out[32]);
struct slice canon_bytes(struct canon_reader *r, size_t max);
/* canon_finish: CH_MALFORMED "<rule>" when a read failed or bytes trail. */
enum chancery_err canon_finish(const struct canon_reader *r, const char *rule,
                               struct diag *diag) MUST_CHECK;

/* canon_verify says (CH_OK or CH_CRYPTO with `rule`) whether one of `keys` signed `message`, each
 * with its default algorithm. */
struct crypto_public;
enum chancery_err canon_verify(struct slice message, struct slice signature,
                               struct crypto_public *const *keys, size_t n_keys, const char *rule,
                               struct diag *diag) MUST_CHECK;

#endif
