/* What two certificates have different, in words. */
#include <stdlib.h>

#include "der/der.h"
#include "policy/tbs.h"
#include "trial/replay.h"
#include "trial/words.h"

static enum chancery_err separate(struct buf *out, size_t start)
{
    return out->len > start ? buf_add_str(out, "; ") : CH_OK;
}

/* An extension's name for people. */
static enum chancery_err extension_name(struct slice oid, struct buf *out)
{
    static const struct {
        uint8_t oid[8], len;
        const char *name;
    } known[] = {{{0x55, 0x1d, 0x0f}, 3, "key usage"},
                 {{0x55, 0x1d, 0x25}, 3, "extended key usage"},
                 {{0x55, 0x1d, 0x11}, 3, "names"},
                 {{0x55, 0x1d, 0x13}, 3, "basic constraints"},
                 {{0x55, 0x1d, 0x1e}, 3, "name constraints"},
                 {{0x55, 0x1d, 0x20}, 3, "certificate policies"},
                 {{0x55, 0x1d, 0x1f}, 3, "CRL URL"},
                 {{0x55, 0x1d, 0x23}, 3, "authority key id"},
                 {{0x55, 0x1d, 0x0e}, 3, "subject key id"},
                 {{0x55, 0x1d, 0x38}, 3, "noRevAvail"},
                 {{0x2b, 6, 1, 5, 5, 7, 1, 1}, 8, "authority information"},
                 {{0x2b, 6, 1, 5, 5, 7, 1, 0x18}, 8, "TLS feature"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (slice_eq(oid, slice_of(known[i].oid, known[i].len))) {
            return buf_add_str(out, known[i].name);
        }
    }
    TRY(buf_add_str(out, "extension "));
    return der_oid_text(oid, out);
}

static enum chancery_err say_extension(struct slice oid, const char *what, size_t start,
                                       struct buf *out)
{
    TRY(separate(out, start));
    TRY(extension_name(oid, out));
    return buf_add_str(out, what);
}

static enum chancery_err extensions(const struct policy_tbs *was, const struct policy_tbs *is,
                                    size_t start, struct buf *out)
{
    for (size_t i = 0; i < was->n_extensions; i++) {
        const struct policy_tbs_extension *a = &was->extensions[i];
        const struct policy_tbs_extension *b = policy_tbs_find(is, a->oid);
        if (b == NULL) {
            TRY(say_extension(a->oid, " no longer there", start, out));
        } else if (b->critical != a->critical) {
            TRY(say_extension(a->oid, b->critical ? " critical now" : " no longer critical", start,
                              out));
        } else if (!slice_eq(a->value, b->value)) {
            TRY(say_extension(a->oid, " changed", start, out));
        }
    }
    for (size_t i = 0; i < is->n_extensions; i++) {
        if (policy_tbs_find(was, is->extensions[i].oid) == NULL) {
            TRY(say_extension(is->extensions[i].oid, " added", start, out));
        }
    }
    return CH_OK;
}

static enum chancery_err life(const struct policy_tbs *was, const struct policy_tbs *is,
                              int64_t slack_s, size_t start, struct buf *out)
{
    int64_t a = was->not_after_s - was->not_before_s, b = is->not_after_s - is->not_before_s;
    /* Both end with the issuer: one moment, whatever the life. */
    if (was->not_after_s == is->not_after_s || llabs(a - b) <= slack_s) {
        return CH_OK;
    }
    TRY(separate(out, start));
    TRY(buf_add_str(out, "life "));
    TRY(trial_words_duration(a, out));
    TRY(buf_add_str(out, " to "));
    return trial_words_duration(b, out);
}

enum chancery_err trial_content_diff(const struct policy_tbs *was, const struct policy_tbs *is,
                                     int64_t slack_s, struct buf *out)
{
    size_t start = out->len;
    TRY(life(was, is, slack_s, start, out));
    const struct {
        struct slice was, is;
        const char *text;
    } fields[] = {{was->issuer, is->issuer, "another issuer"},
                  {was->algorithm, is->algorithm, "another signature algorithm"},
                  {was->subject, is->subject, "subject changed"},
                  {was->spki, is->spki, "another key"}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (!slice_eq(fields[i].was, fields[i].is)) {
            TRY(separate(out, start));
            TRY(buf_add_str(out, fields[i].text));
        }
    }
    return extensions(was, is, start, out);
}
