/* RFC 5280 4.2.1.6: a list of names; one that stands twice was put there by a mistake. Names
 * are looked up in a table of 512 places, so that the work stays linear. */
#include "policy/lint/cert.h"

#define FEW 8 /* names that are rather compared one with another */

static bool same(const struct policy_lint_name *a, const struct policy_lint_name *b)
{
    return a->type == b->type && slice_eq(a->value, b->value);
}

static enum policy_outcome among_few(const struct policy_lint_cert *c,
                                     struct policy_lint_seen *seen)
{
    for (size_t i = 1; i < c->n_names; i++) {
        for (size_t k = 0; k < i; k++) {
            if (same(&c->names[i], &c->names[k])) {
                return policy_lint_octets(seen, c->names[i].value);
            }
        }
    }
    return POLICY_PASS;
}

static uint32_t name_hash(const struct policy_lint_name *n)
{
    uint32_t h = 2166136261U ^ n->type;
    for (size_t i = 0; i < n->value.len; i++) {
        h = (h ^ n->value.ptr[i]) * 16777619U;
    }
    return h;
}

enum policy_outcome policy_lint_cert_san_repeated(const struct policy_lint_cert *c,
                                                  struct policy_lint_seen *seen)
{
    uint16_t table[2 * POLICY_LINT_NAMES]; /* index + 1 */
    if (c->n_names < 2) {
        return c->n_names == 0 ? POLICY_NA : POLICY_PASS;
    }
    if (c->n_names <= FEW) {
        return among_few(c, seen);
    }
    memset(table, 0, sizeof table);
    for (size_t i = 0; i < c->n_names; i++) {
        const struct policy_lint_name *n = &c->names[i];
        size_t at = name_hash(n) % (2 * POLICY_LINT_NAMES);
        for (; table[at] != 0; at = (at + 1) % (2 * POLICY_LINT_NAMES)) {
            if (same(n, &c->names[table[at] - 1])) {
                return policy_lint_octets(seen, n->value);
            }
        }
        table[at] = (uint16_t)(i + 1);
    }
    return POLICY_PASS;
}
