/* Expected values of name constraints (RFC 5280 4.2.1.10), TLS features (RFC 7633 4.1) and typed
 * custom extensions. */
#include "policy/policy_int.h"

/* ---- INTEGER ---- */

/* Two's complement, shortest (X.690 8.3.2). */
static void integer(struct policy_want *w, uint8_t tag, int64_t v)
{
    size_t end = w->at;
    uint8_t low;
    do {
        low = (uint8_t)((uint64_t)v & 0xff);
        policy_want_octets(w, slice_of(&low, 1));
        v >>= 8; /* arithmetic, as every compiler we build with does */
    } while (!((v == 0 && low < 0x80) || (v == -1 && low >= 0x80)));
    policy_want_head(w, tag, end);
}

void policy_want_features(struct policy_want *w, const uint16_t *features, size_t n)
{
    size_t end = w->at;
    for (size_t i = n; i > 0; i--) {
        integer(w, 0x02, features[i - 1]);
    }
    policy_want_head(w, 0x30, end);
}

/* ---- name constraints ---- */

static void directory(struct policy_want *w, const struct policy_subtree *s)
{
    size_t end = w->at;
    for (size_t i = s->n_rdns; i > 0; i--) {
        size_t item = w->at;
        policy_want_element(w, policy_attribute_of(s->rdns[i - 1].oid).tag, s->rdns[i - 1].value);
        policy_want_element(w, 0x06, s->rdns[i - 1].oid);
        policy_want_head(w, 0x30, item);
        policy_want_head(w, 0x31, item);
    }
    policy_want_head(w, 0x30, end);
    policy_want_head(w, 0xa4, end); /* a Name is a CHOICE: tagged explicitly */
}

static void subtrees(struct policy_want *w, uint8_t tag, const struct policy_subtrees *t)
{
    size_t end = w->at;
    for (size_t i = t->n; i > 0; i--) {
        const struct policy_subtree *s = &t->at[i - 1];
        size_t item = w->at;
        if (s->n_rdns > 0) {
            directory(w, s);
        } else {
            policy_want_element(w, (uint8_t)(0x80 | s->tag), s->value);
        }
        policy_want_head(w, 0x30, item);
    }
    if (t->n > 0) {
        policy_want_head(w, tag, end);
    }
}

void policy_want_constraints(struct policy_want *w, const struct policy_subtrees *permitted,
                             const struct policy_subtrees *excluded)
{
    size_t end = w->at;
    subtrees(w, 0xa1, excluded);
    subtrees(w, 0xa0, permitted);
    policy_want_head(w, 0x30, end);
}

/* ---- typed values ---- */

/* Order of a SET: by tag (X.690 10.3; constructed does not count), equal tags by octets (11.6). */
static bool before(struct slice a, struct slice b)
{
    uint8_t x = a.ptr[0] & 0xdf, y = b.ptr[0] & 0xdf;
    return x != y ? x < y : slice_cmp(a, b) < 0;
}

static void sort(struct slice *at, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct slice s = at[i];
        size_t k = i;
        for (; k > 0 && before(s, at[k - 1]); k--) {
            at[k] = at[k - 1];
        }
        at[k] = s;
    }
}

static void scalar(struct policy_want *w, const struct policy_value *v)
{
    static const uint8_t yes[] = {0xff}, no[] = {0x00};
    size_t end = w->at;
    switch (v->kind) {
    case POLICY_VALUE_UTF8:
        policy_want_element(w, 0x0c, v->octets);
        return;
    case POLICY_VALUE_IA5:
        policy_want_element(w, 0x16, v->octets);
        return;
    case POLICY_VALUE_PRINTABLE:
        policy_want_element(w, 0x13, v->octets);
        return;
    case POLICY_VALUE_INTEGER:
        integer(w, 0x02, v->number);
        return;
    case POLICY_VALUE_ENUMERATED:
        integer(w, 0x0a, v->number);
        return;
    case POLICY_VALUE_BOOLEAN:
        policy_want_element(w, 0x01, slice_of(v->number != 0 ? yes : no, 1));
        return;
    case POLICY_VALUE_OID:
        policy_want_element(w, 0x06, v->octets);
        return;
    case POLICY_VALUE_OCTETS:
        policy_want_element(w, 0x04, v->octets);
        return;
    case POLICY_VALUE_BITS:
        policy_want_octets(w, v->octets);
        policy_want_octets(w, slice_of(no, 1));
        policy_want_head(w, 0x03, end);
        return;
    case POLICY_VALUE_NULL:
        policy_want_head(w, 0x05, end);
        return;
    case POLICY_VALUE_NONE:
    case POLICY_VALUE_SEQUENCE:
    case POLICY_VALUE_SET:
    case POLICY_VALUE_EXPLICIT:
    case POLICY_VALUE_IMPLICIT:
        break;
    }
    w->full = true;
}

static void constructed(struct policy_want *w, const struct policy_value *v,
                        const struct slice *inside)
{
    size_t end = w->at;
    if (v->kind == POLICY_VALUE_IMPLICIT) {
        /* The tag takes the place of the value's own; constructed stays constructed. */
        uint8_t tag = (uint8_t)(0x80 | (inside[0].ptr[0] & 0x20) | (uint8_t)v->number);
        policy_want_octets(w, slice_sub(inside[0], 1, inside[0].len));
        policy_want_octets(w, slice_of(&tag, 1));
        return;
    }
    for (size_t i = v->n_inside; i > 0; i--) {
        policy_want_octets(w, inside[i - 1]);
    }
    policy_want_head(w,
                     v->kind == POLICY_VALUE_SEQUENCE ? 0x30
                     : v->kind == POLICY_VALUE_SET    ? 0x31
                                                      : (uint8_t)(0xa0 | (uint8_t)v->number),
                     end);
}

/* Recursion is bounded by the depth of a YAML file. */
enum chancery_err policy_want_typed(struct arena *arena, const struct policy_value *v,
                                    struct slice *out)
{
    uint8_t space[POLICY_CUSTOM_VALUE];
    struct policy_want w = policy_want_over(space, sizeof space);
    if (v->kind < POLICY_VALUE_SEQUENCE) {
        scalar(&w, v);
    } else {
        struct slice *inside = arena_alloc(arena, (v->n_inside + 1) * sizeof *inside);
        if (inside == NULL) {
            return CH_NOMEM;
        }
        for (size_t i = 0; i < v->n_inside; i++) {
            TRY(policy_want_typed(arena, &v->inside[i], &inside[i]));
        }
        if (v->kind == POLICY_VALUE_SET) {
            sort(inside, v->n_inside);
        }
        constructed(&w, v, inside);
    }
    struct slice s = policy_want_done(&w);
    uint8_t *copy = arena_copy(arena, s);
    *out = slice_of(copy, s.len);
    return copy == NULL ? CH_NOMEM : s.len == 0 ? CH_LIMIT : CH_OK;
}
