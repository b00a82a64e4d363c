/* RFC 5280 4.2.1.6: a list of names; one that stands twice was put there by a mistake. Names
 * are looked up in a table of 512 places, so that the work stays linear. */
#include "policy/lint/cert.h"

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
    memset(table, 0, sizeof table);
    for (size_t i = 0; i < c->n_names; i++) {
        const struct policy_lint_name *n = &c->names[i];
        size_t at = name_hash(n) % (2 * POLICY_LINT_NAMES);
        for (; table[at] != 0; at = (at + 1) % (2 * POLICY_LINT_NAMES)) {
            const struct policy_lint_name *other = &c->names[table[at] - 1];
            if (n->type == other->type && slice_eq(n->value, other->value)) {
                return policy_lint_octets(seen, n->value);
            }
        }
        table[at] = (uint16_t)(i + 1);
    }
    return POLICY_PASS;
}
