/* chancery/history/v1 and the pieces of a file. */
#include "trial/record.h"

#include "permit/canon.h"

#define FORMAT "chancery/history/v1\n"

enum { REFUSED = 1, PERMITTED = 2 };

static enum chancery_err write_record(const struct trial_record *r, struct buf *out)
{
    TRY(buf_add_str(out, FORMAT));
    TRY(canon_put_i64(out, r->judged_at_s));
    TRY(canon_put_digest(out, r->bundle_sha256));
    TRY(buf_add_u8(out, r->permitted ? PERMITTED : REFUSED));
    TRY(canon_put_digest(out, r->rules_sha256));
    TRY(canon_put_digest(out, r->tbs_sha256));
    TRY(canon_put_bytes(out, r->failed));
    TRY(canon_put_bytes(out, r->usage));
    return canon_put_bytes(out, r->item);
}

enum chancery_err trial_record_write(const struct trial_record *r, struct buf *out)
{
    size_t at = out->len;
    if (r->failed.len > TRIAL_FAILED_MAX || r->usage.len > TRIAL_USAGE_MAX ||
        r->item.len > TRIAL_RECORD_MAX - TRIAL_FAILED_MAX - TRIAL_USAGE_MAX - 256) {
        return CH_LIMIT;
    }
    TRY(buf_add_u32be(out, 0));
    enum chancery_err err = write_record(r, out);
    if (err != CH_OK) {
        out->len = at;
        return err;
    }
    size_t len = out->len - at - 4;
    for (size_t i = 0; i < 4; i++) {
        out->ptr[at + i] = (uint8_t)(len >> (24 - 8 * i));
    }
    return CH_OK;
}

static uint32_t u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static enum chancery_err malformed(struct diag *diag)
{
    return diag_set(diag, CH_MALFORMED, "history", "history.record",
                    "a record of the history is not readable");
}

enum chancery_err trial_record_next(struct slice *body, struct trial_record *out, struct diag *diag)
{
    if (body->len == 0) {
        return CH_END;
    }
    if (body->len < 4 || u32(body->ptr) > body->len - 4 || u32(body->ptr) > TRIAL_RECORD_MAX) {
        return malformed(diag);
    }
    size_t len = u32(body->ptr);
    struct canon_reader c = canon_open(slice_sub(*body, 4, len), FORMAT);
    struct trial_record r = {.judged_at_s = canon_i64(&c)};
    canon_digest(&c, r.bundle_sha256);
    uint8_t verdict = canon_u8(&c);
    canon_digest(&c, r.rules_sha256);
    canon_digest(&c, r.tbs_sha256);
    r.permitted = verdict == PERMITTED;
    r.failed = canon_bytes(&c, TRIAL_FAILED_MAX);
    r.usage = canon_bytes(&c, TRIAL_USAGE_MAX);
    r.item = canon_bytes(&c, TRIAL_RECORD_MAX);
    TRY(canon_finish(&c, "history.record", diag));
    if ((verdict != PERMITTED && verdict != REFUSED) || !slice_is_utf8(r.failed) ||
        slice_has_nul(r.failed)) {
        return malformed(diag);
    }
    *body = slice_sub(*body, 4 + len, body->len);
    *out = r;
    return CH_OK;
}

enum chancery_err trial_piece_write(enum trial_piece kind, struct slice content, struct buf *out)
{
    TRY(buf_add_u8(out, (uint8_t)kind));
    return canon_put_bytes(out, content);
}

enum chancery_err trial_piece_header(const uint8_t header[TRIAL_PIECE_HEADER],
                                     enum trial_piece *out_kind, size_t *out_len, struct diag *diag)
{
    size_t len = u32(header + 1);
    if (header[0] < TRIAL_PIECE_HEAD || header[0] > TRIAL_PIECE_RECORDS || len > TRIAL_PIECE_MAX) {
        return diag_set(diag, CH_MALFORMED, "history", "history.file",
                        "a piece of the file is of an unknown kind or too long");
    }
    *out_kind = (enum trial_piece)header[0];
    *out_len = len;
    return CH_OK;
}
