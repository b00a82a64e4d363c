/* chancery/statement/v1: registration's word for the requests of one batch. */
#include "crypto/alg.h"
#include "permit/canon.h"
#include "permit/permit.h"

#define INSTANCE_MAX 64

static bool has_duplicates(const struct permit_statement *s)
{
    for (size_t i = 1; i < s->n; i++) {
        for (size_t j = 0; j < i; j++) {
            if (memcmp(s->digests[i], s->digests[j], PERMIT_DIGEST) == 0) {
                return true;
            }
        }
    }
    return false;
}

static enum chancery_err check(const struct permit_statement *s, struct diag *diag)
{
    if (s->instance.len == 0 || s->instance.len > INSTANCE_MAX || slice_has_nul(s->instance) ||
        !slice_is_utf8(s->instance)) {
        return diag_set(diag, CH_INVALID, "statement.instance", "statement.instance",
                        "instance must be 1 to 64 octets of UTF-8");
    }
    int64_t life;
    if (s->issued_at_s < 0 || __builtin_sub_overflow(s->expires_at_s, s->issued_at_s, &life) ||
        life <= 0 || life > PERMIT_STATEMENT_TTL_S) {
        return diag_set(diag, CH_INVALID, "statement.expires_at_s", "statement.life",
                        "a statement lives 1 to %d seconds", PERMIT_STATEMENT_TTL_S);
    }
    if (s->n == 0 || s->n > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_LIMIT, "statement.digests", "statement.count",
                        "a statement covers 1 to %d requests", PERMIT_BATCH_MAX);
    }
    if (has_duplicates(s)) {
        return diag_set(diag, CH_INVALID, "statement.digests", "statement.duplicate",
                        "a request stands twice in the statement");
    }
    return CH_OK;
}

enum chancery_err permit_statement_write(const struct permit_statement *s, struct buf *out)
{
    TRY(check(s, NULL));
    TRY(buf_add_str(out, CANON_STATEMENT));
    TRY(canon_put_bytes(out, s->instance));
    TRY(canon_put_i64(out, s->issued_at_s));
    TRY(canon_put_i64(out, s->expires_at_s));
    TRY(buf_add_u32be(out, (uint32_t)s->n));
    for (size_t i = 0; i < s->n; i++) {
        TRY(canon_put_digest(out, s->digests[i]));
    }
    return CH_OK;
}

enum chancery_err permit_statement_read(struct slice bytes, struct permit_statement *out,
                                        struct diag *diag)
{
    struct canon_reader r = canon_open(bytes, CANON_STATEMENT);
    struct permit_statement s = {.instance = canon_bytes(&r, INSTANCE_MAX)};
    s.issued_at_s = canon_i64(&r);
    s.expires_at_s = canon_i64(&r);
    s.n = canon_u32(&r);
    if (s.n > PERMIT_BATCH_MAX) {
        return diag_set(diag, CH_LIMIT, "statement.digests", "statement.count",
                        "a statement covers 1 to %d requests", PERMIT_BATCH_MAX);
    }
    for (size_t i = 0; i < s.n; i++) {
        canon_digest(&r, s.digests[i]);
    }
    TRY(canon_finish(&r, "statement.format", diag));
    TRY(check(&s, diag));
    *out = s;
    return CH_OK;
}

enum chancery_err permit_statement_check(struct slice bytes, struct slice signature,
                                         struct crypto_public *const *keys, size_t n_keys,
                                         int64_t now_s, struct permit_statement *out,
                                         struct diag *diag)
{
    struct permit_statement s;
    TRY(canon_verify(bytes, signature, keys, n_keys, "statement.signature", diag));
    TRY(permit_statement_read(bytes, &s, diag));
    if (s.expires_at_s <= now_s) {
        return diag_set(diag, CH_PRECONDITION, "statement.expires_at_s", "statement.expired",
                        "the statement expired; registration must sign it again");
    }
    if (s.issued_at_s - CANON_SKEW_S > now_s) {
        return diag_set(diag, CH_PRECONDITION, "statement.issued_at_s", "statement.future",
                        "the statement is from the future; compare the clocks");
    }
    *out = s;
    return CH_OK;
}
