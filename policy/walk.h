/* The judge's own DER walker. It shares no code with lib/der on purpose: a mistake in the writer's
 * library must not hide itself from the judge. Strict: one-octet tags, definite shortest lengths.
 */
#ifndef CHANCERY_POLICY_WALK_H
#define CHANCERY_POLICY_WALK_H

#include "base/bytes.h"

struct policy_walk {
    const uint8_t *at, *end;
};

struct policy_walk policy_walk_of(struct slice s);
static inline bool policy_walk_done(const struct policy_walk *w)
{
    return w->at == w->end;
}
/* policy_walk_tag returns the next tag, 0 at the end. */
static inline uint8_t policy_walk_tag(const struct policy_walk *w)
{
    return w->at == w->end ? 0 : *w->at;
}
/* policy_walk_take reads one element with `tag`: its content and, when whole is not NULL, all of
 * it. False leaves `w` where it was. */
bool policy_walk_take(struct policy_walk *w, uint8_t tag, struct slice *content,
                      struct slice *whole) MUST_CHECK;
/* policy_walk_into reads one element with `tag` and gives a walk over its content. */
bool policy_walk_into(struct policy_walk *w, uint8_t tag, struct policy_walk *inside) MUST_CHECK;
/* policy_walk_oid: an OBJECT IDENTIFIER with well-formed content (X.690 8.19). */
bool policy_walk_oid(struct policy_walk *w, struct slice *oid) MUST_CHECK;
/* policy_walk_time: UTCTime before 2050, GeneralizedTime from then on (RFC 5280 4.1.2.5), in
 * seconds. */
bool policy_walk_time(struct policy_walk *w, int64_t *out_s) MUST_CHECK;

#endif
