/* Reading and writing the canon encoding, and checking signatures over it. */
#include "permit/canon.h"

#include "crypto/alg.h"

enum chancery_err canon_put_bytes(struct buf *b, struct slice s)
{
    if (s.len > UINT32_MAX) {
        return CH_LIMIT;
    }
    TRY(buf_add_u32be(b, (uint32_t)s.len));
    return buf_add(b, s);
}

enum chancery_err canon_put_i64(struct buf *b, int64_t v)
{
    return buf_add_u64be(b, (uint64_t)v);
}

enum chancery_err canon_put_digest(struct buf *b, const uint8_t digest[32])
{
    return buf_add(b, slice_of(digest, 32));
}

static struct slice take(struct canon_reader *r, size_t n)
{
    if (r->bad || r->rest.len < n) {
        r->bad = true;
        return slice_of(NULL, 0);
    }
    struct slice s = slice_of(r->rest.ptr, n);
    r->rest = slice_sub(r->rest, n, r->rest.len);
    return s;
}

static uint64_t take_number(struct canon_reader *r, size_t octets)
{
    struct slice s = take(r, octets);
    uint64_t v = 0;
    for (size_t i = 0; i < s.len; i++) {
        v = v << 8 | s.ptr[i];
    }
    return v;
}

struct canon_reader canon_open(struct slice bytes, const char *name)
{
    struct canon_reader r = {.rest = bytes};
    struct slice head = take(&r, strlen(name));
    r.bad = r.bad || !slice_eq(head, slice_str(name));
    return r;
}

uint8_t canon_u8(struct canon_reader *r)
{
    return (uint8_t)take_number(r, 1);
}

uint32_t canon_u32(struct canon_reader *r)
{
    return (uint32_t)take_number(r, 4);
}

uint64_t canon_u64(struct canon_reader *r)
{
    return take_number(r, 8);
}

int64_t canon_i64(struct canon_reader *r)
{
    return (int64_t)take_number(r, 8);
}

void canon_digest(struct canon_reader *r, uint8_t out[32])
{
    struct slice s = take(r, 32);
    if (s.len == 32) {
        memcpy(out, s.ptr, 32);
    } else {
        memset(out, 0, 32);
    }
}

struct slice canon_bytes(struct canon_reader *r, size_t max)
{
    uint32_t n = canon_u32(r);
    if (n > max) {
        r->bad = true;
    }
    return take(r, n);
}

enum chancery_err canon_finish(const struct canon_reader *r, const char *rule, struct diag *diag)
{
    if (r->bad || r->rest.len != 0) {
        return diag_set(diag, CH_MALFORMED, "", rule, "%s",
                        r->bad ? "not this format, or cut short" : "bytes follow the end");
    }
    return CH_OK;
}

enum chancery_err canon_verify(struct slice message, struct slice signature,
                               struct crypto_public *const *keys, size_t n_keys, const char *rule,
                               struct diag *diag)
{
    for (size_t i = 0; i < n_keys; i++) {
        bool valid = false;
        enum crypto_alg alg = crypto_alg_default(crypto_public_type(keys[i]));
        enum chancery_err err = crypto_verify(keys[i], alg, message, signature, &valid, NULL);
        if (err == CH_OK && valid) {
            return CH_OK;
        }
    }
    return diag_set(diag, CH_CRYPTO, "", rule, "no pinned key signed this");
}
