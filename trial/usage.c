/* chancery/usage/v1: for each scope flags and count, then duplicate, keys, attempts. */
#include "trial/usage.h"

#include "permit/canon.h"

#define FORMAT "chancery/usage/v1\n"

enum { RATE = 1, ACTIVE = 2, GRANTED = 4, SCOPE_FLAGS = 7 };
enum { DUPLICATE = 1, KEY = 2, KEY_SAME = 4, KEY_OTHER = 8, FLAGS = 15 };

struct policy_usage trial_usage_free(void)
{
    struct policy_usage u = {.state = POLICY_USAGE_KNOWN, .recorded = true};
    for (size_t i = 0; i < POLICY_SCOPES; i++) {
        u.scopes[i].granted = true;
    }
    return u;
}

enum chancery_err trial_usage_write(const struct policy_usage *u,
                                    const struct policy_applied *limits, struct buf *out)
{
    unsigned flags = 0;
    TRY(buf_add_str(out, FORMAT));
    for (size_t i = 0; i < POLICY_SCOPES; i++) {
        const struct policy_limit *l = limits->scopes[i];
        unsigned known = l == NULL
                             ? 0
                             : (l->interval_ns > 0 ? RATE : 0U) | (l->active > 0 ? ACTIVE : 0U) |
                                   (u->scopes[i].granted ? GRANTED : 0U);
        TRY(buf_add_u8(out, (uint8_t)known));
        TRY(canon_put_i64(out, (known & ACTIVE) != 0 ? u->scopes[i].active : 0));
    }
    flags |= limits->profile->duplicates_refused ? DUPLICATE : 0U;
    flags |= limits->profile->key_reuse != POLICY_KEY_ALLOW ? KEY : 0U;
    flags |= u->key_same ? KEY_SAME : 0U;
    flags |= u->key_other ? KEY_OTHER : 0U;
    TRY(buf_add_u8(out, (uint8_t)flags));
    TRY(canon_put_i64(out, u->duplicate_not_after_s));
    return canon_put_i64(out, u->attempts);
}

enum chancery_err trial_usage_read(struct slice s, struct policy_usage *out, struct diag *diag)
{
    struct policy_usage u = trial_usage_free();
    if (s.len > 0) {
        struct canon_reader c = canon_open(s, FORMAT);
        for (size_t i = 0; i < POLICY_SCOPES; i++) {
            uint8_t known = canon_u8(&c);
            int64_t active = canon_i64(&c);
            c.bad = c.bad || (known & ~SCOPE_FLAGS) != 0 || active < 0;
            u.scopes[i].granted = (known & RATE) == 0 || (known & GRANTED) != 0;
            u.scopes[i].active = (known & ACTIVE) != 0 ? active : 0;
        }
        uint8_t flags = canon_u8(&c);
        int64_t duplicate = canon_i64(&c);
        u.attempts = canon_i64(&c);
        c.bad = c.bad || (flags & ~FLAGS) != 0 || u.attempts < 0;
        u.duplicate_not_after_s = (flags & DUPLICATE) != 0 ? duplicate : 0;
        u.key_same = (flags & KEY) != 0 && (flags & KEY_SAME) != 0;
        u.key_other = (flags & KEY) != 0 && (flags & KEY_OTHER) != 0;
        TRY(canon_finish(&c, "history.usage", diag));
    }
    *out = u;
    return CH_OK;
}
